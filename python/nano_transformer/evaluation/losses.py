"""How well a model predicts batches of text: mean loss, and bits per byte of the text."""

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nano_transformer.data.batches import IGNORED, Batch
from nano_transformer.evaluation.cross_entropy import token_losses


@dataclass(frozen=True)
class Evaluation:
    """Sums over the targets of an evaluation, and the figures made of them."""

    loss_sum_nats: float
    """Cross-entropy of every counted target, end-of-text tokens included."""
    num_targets: int
    text_nats: float
    """Cross-entropy of the targets that spell text: end-of-text tokens are left out."""
    text_bytes: int
    """Bytes those targets spell."""

    @property
    def loss(self) -> float:
        """Mean cross-entropy per target, in nats."""
        return self.loss_sum_nats / self.num_targets

    @property
    def bits_per_byte(self) -> float:
        """Bits the model needs per byte of text: comparable between tokenizers."""
        return self.text_nats / (math.log(2) * self.text_bytes) if self.text_bytes else math.nan


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    token_byte_lengths: Tensor,
    *,
    device: torch.device,
    precision: AbstractContextManager[object],
) -> Evaluation:
    """Score a model on batches.

    Args:
        model: Maps token ids [B,T] to logits [B,T,V]; put into evaluation mode while it is scored.
        batches: What to score.
        token_byte_lengths: Bytes each token id spells, 0 for special tokens, int64 [V].
        device: Where the model is.
        precision: Reusable context, such as autocast, that the forward passes run under.
    """
    loss_sum, text_nats, num_targets, text_bytes = 0.0, 0.0, 0, 0
    lengths = token_byte_lengths.to(device)
    was_training = model.training
    model.eval()
    try:
        for batch in batches:
            inputs, targets = batch.inputs.to(device), batch.targets.to(device)
            with precision:
                logits = model(inputs)
            # Summed in float64: a long evaluation must not lose its small terms.
            losses = token_losses(logits, targets).cpu().double()
            counted = targets != IGNORED
            num_bytes = lengths[targets.clamp_min(0)] * counted
            loss_sum += float(losses.sum())
            text_nats += float(losses[(num_bytes > 0).cpu()].sum())
            num_targets += int(counted.sum())
            text_bytes += int(num_bytes.sum())
    finally:
        model.train(was_training)
    return Evaluation(loss_sum, num_targets, text_nats, text_bytes)
