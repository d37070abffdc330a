"""One optimizer step: forward and backward over micro-batches, clip, update."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import nn

from nano_transformer.data.batches import IGNORED, Batch
from nano_transformer.evaluation.cross_entropy import token_losses


class StepResult(NamedTuple):
    """What one optimizer step did."""

    loss: float
    """Mean cross-entropy over the step's counted targets, in nats, before the update."""
    grad_norm: float
    """Norm of the gradient before clipping."""
    is_finite: bool
    """Whether loss and gradient were finite; the weights were updated only then."""


def train_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    micro_batches: Sequence[Batch],
    *,
    learning_rate: float,
    grad_clip: float,
    device: torch.device,
    precision: AbstractContextManager[object],
) -> StepResult:
    """Update the weights once.

    The loss is the sum over counted targets divided by their number over all micro-batches, so that
    cutting a batch into micro-batches does not change it.

    Args:
        model: Maps token ids [B,T] to logits [B,T,V].
        optimizer: Updates the model's weights.
        micro_batches: Rows of this step, cut to what fits in memory.
        learning_rate: Rate of this step.
        grad_clip: Largest gradient norm; 0: no clipping.
        device: Where the model is.
        precision: Reusable context, such as autocast, for the forward passes.
    """
    num_targets = sum(int((batch.targets != IGNORED).sum()) for batch in micro_batches)
    loss = torch.zeros((), device=device)
    for batch in micro_batches:
        inputs = batch.inputs.to(device, non_blocking=True)
        targets = batch.targets.to(device, non_blocking=True)
        with precision:
            logits = model(inputs)
        part = token_losses(logits, targets).sum() / max(num_targets, 1)
        part.backward()  # type: ignore[no-untyped-call]
        loss += part.detach()
    grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip or float("inf"))
    result = StepResult(
        float(loss), float(grad_norm), bool(torch.isfinite(loss) & torch.isfinite(grad_norm))
    )
    if result.is_finite:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return result
