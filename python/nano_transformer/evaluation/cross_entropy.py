"""Cross-entropy per target, a few rows of logits at a time."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nano_transformer.data.batches import IGNORED

_ROWS_ON_CPU = 128
"""Rows of logits worked on together, so that what is computed of them stays in the processor's cache."""

_ROWS_ELSEWHERE = 4096
"""An accelerator wants few large pieces of work."""


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of each target in nats; 0 where the target is ignored.

    The same as torch's `cross_entropy` with `reduction="none"` in float32 or better, but neither the
    softmax of all logits nor a float32 copy of them is ever in memory at once, which on a CPU takes half the
    time (benches/bench_training.py).

    Args:
        logits: Scores, [...,V].
        targets: Token ids or `IGNORED`, [...].

    Returns:
        A tensor of the targets' shape, float32, or float64 for logits in float64.
    """
    apply: Callable[[Tensor, Tensor], Tensor] = _CrossEntropy.apply
    losses = apply(logits.flatten(0, -2), targets.flatten())
    return losses.view(targets.shape)


class _CrossEntropy(torch.autograd.Function):
    """log(sum(exp(z))) - z[target], whose gradient is softmax(z) - one_hot(target)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        counted = targets != IGNORED
        targets = targets.clamp_min(0)
        dtype = torch.promote_types(logits.dtype, torch.float32)
        normalizers = torch.empty(targets.shape, dtype=dtype, device=logits.device)  # [N]
        losses = torch.empty_like(normalizers)  # [N]
        for rows in _chunks(logits):
            scores = logits[rows].to(dtype)  # [rows,V]
            normalizers[rows] = scores.logsumexp(dim=-1)
            losses[rows] = normalizers[rows] - scores.gather(1, targets[rows, None])[:, 0]
        ctx.save_for_backward(logits, targets, counted, normalizers)
        return losses * counted

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        logits, targets, counted, normalizers = ctx.saved_tensors
        weights = gradients[0] * counted  # [N]
        gradient = torch.empty_like(logits)
        for rows in _chunks(logits):
            part = (logits[rows].to(normalizers.dtype) - normalizers[rows, None]).exp_()
            part.mul_(weights[rows, None])
            part.scatter_add_(1, targets[rows, None], -weights[rows, None])
            gradient[rows] = part
        return gradient, None


def _chunks(logits: Tensor) -> list[slice]:
    step = _ROWS_ON_CPU if logits.device.type == "cpu" else _ROWS_ELSEWHERE
    return [slice(first, first + step) for first in range(0, len(logits), step)]
