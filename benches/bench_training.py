"""How long the parts of a training step take, plain version and ours in turn: the choices made for CPUs."""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from nano_transformer.evaluation.cross_entropy import token_losses
from nano_transformer.model.attention_backends import attend

ROUNDS = 9


def interleaved(jobs: dict[str, Callable[[], Tensor]], what: str) -> None:
    """Run jobs in turn, forward and backward; print medians and ratios to the first."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            began = time.perf_counter()
            job().sum().backward()  # type: ignore[no-untyped-call]
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    first = next(iter(medians.values()))
    cells = [f"{name} {1e3 * t:7.1f} ms ({t / first:4.2f}x)" for name, t in medians.items()]
    print(f"{what:34} | " + " | ".join(cells))


def bench_attention(length: int) -> None:
    """Compare torch's fused attention with matmul and softmax, at the default model's sizes."""
    tokens = 2048
    q, k, v = (
        torch.randn(tokens // length, 8, length, 32, dtype=torch.bfloat16, requires_grad=True)
        for _ in range(3)
    )
    interleaved(
        {
            "sdpa": lambda: attend(q, k, v, None, "sdpa"),
            "explicit": lambda: attend(q, k, v, None, "explicit"),
        },
        f"attention, {tokens} tokens, T={length}",
    )


def bench_cross_entropy(vocab_size: int) -> None:
    """Compare torch's cross-entropy with ours, from hidden states of the default model."""
    hidden = torch.randn(2048, 256, dtype=torch.bfloat16, requires_grad=True)
    weight = (0.02 * torch.randn(vocab_size, 256)).bfloat16().requires_grad_()
    targets = torch.randint(0, vocab_size, (2048,))
    interleaved(
        {
            "torch": lambda: F.cross_entropy(
                (hidden @ weight.T).float(), targets, reduction="none"
            ),
            "by rows": lambda: token_losses(hidden @ weight.T, targets),
        },
        f"head and loss, V={vocab_size}",
    )


def main() -> None:
    """Print one line per size."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for length in (64, 128, 256, 512, 1024):
        bench_attention(length)
    for vocab_size in (1_024, 4_096, 10_000, 32_000):
        bench_cross_entropy(vocab_size)


if __name__ == "__main__":
    main()
