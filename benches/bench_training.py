"""How long the parts of a training step take, plain version and ours in turn: the choices made for CPUs."""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from nano_transformer.evaluation.cross_entropy import token_losses
from nano_transformer.model.attention_backends import attend
from nano_transformer.model.masks import blocked_mask, full_mask, segment_starts

ROUNDS = 9


def interleaved(jobs: dict[str, Callable[[], Tensor]], what: str) -> None:
    """Run jobs in turn, forward and backward; print medians and ratios to the first.

    With one thread (OMP_NUM_THREADS=1) its own time is taken, which a busy machine lengthens little.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            began = clock()
            job().sum().backward()  # type: ignore[no-untyped-call]
            seconds[name].append(clock() - began)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    first = next(iter(medians.values()))
    cells = [f"{name} {1e3 * t:7.1f} ms ({t / first:4.2f}x)" for name, t in medians.items()]
    print(f"{what:34} | " + " | ".join(cells))


def bench_attention(length: int, dtype: torch.dtype) -> None:
    """Compare torch's fused attention with matmul and softmax, at the default model's sizes."""
    tokens = 2048
    q, k, v = (
        torch.randn(tokens // length, 8, length, 32, dtype=dtype, requires_grad=True)
        for _ in range(3)
    )
    interleaved(
        {
            "sdpa": lambda: attend(q, k, v, None, "sdpa"),
            "explicit": lambda: attend(q, k, v, None, "explicit"),
        },
        f"{str(dtype).removeprefix('torch.')}, T={length}",
    )


def bench_windows(length: int, window: int | None, dtype: torch.dtype) -> None:
    """Compare attention under a mask over all keys, and in blocks of queries, of several sizes.

    Without a window the mask is of documents of 90 tokens.
    """
    tokens = max(2048, length)
    q, k, v = (
        torch.randn(tokens // length, 8, length, 32, dtype=dtype, requires_grad=True)
        for _ in range(3)
    )
    cpu, starts = q.device, None
    if window is None:
        positions = torch.arange(length)
        starts = segment_starts((positions // 90).expand(len(q), -1), positions)
    full = full_mask(length, window=window, global_tokens=0, starts=starts, device=cpu)
    jobs: dict[str, Callable[[], Tensor]] = {"sdpa": partial(attend, q, k, v, full, "sdpa")}
    for size in (64, 128, 256):
        if size < length:
            blocks = blocked_mask(
                length,
                window=window,
                global_tokens=0,
                starts=starts,
                device=cpu,
                query_block=size,
            )
            jobs[f"blocks of {size}"] = partial(attend, q, k, v, blocks, "auto")
    masked_by = "documents" if window is None else f"window {window}"
    interleaved(jobs, f"{str(dtype).removeprefix('torch.')}, T={length}, {masked_by}")


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
    for dtype in (torch.float32, torch.bfloat16):
        for length in (64, 128, 256, 512, 1024):
            bench_attention(length, dtype)
        for length in (256, 512, 1024, 2048):
            for window in (64, 128, 256, None):
                bench_windows(length, window, dtype)
    for vocab_size in (1_024, 4_096, 10_000, 32_000):
        bench_cross_entropy(vocab_size)


if __name__ == "__main__":
    main()
