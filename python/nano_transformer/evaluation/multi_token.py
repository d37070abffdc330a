"""Multi-token prediction: targets further ahead that never cross a document, and their losses."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nano_transformer.data.batches import IGNORED
from nano_transformer.errors import ConfigError
from nano_transformer.evaluation.cross_entropy import token_losses
from nano_transformer.model.transformer import TransformerLM


class HorizonLoss(NamedTuple):
    """Cross-entropy of one horizon over a batch."""

    horizon: int
    """1 is the next token."""
    weight: float
    loss_sum: Tensor
    """Sum over counted targets, in nats."""
    num_targets: Tensor
    """How many were counted, int64."""


def shifted_targets(targets: Tensor, horizon: int, document_ids: Tensor | None = None) -> Tensor:
    """Return what each position is to predict `horizon` tokens ahead.

    A target counts when every token between, and the position itself, lie in one document; the
    end-of-text token that closes the document is its last target. Without document ids an ignored
    target ends a document.

    Args:
        targets: The next token of each position, or `IGNORED`, [B,T].
        horizon: 1 for the next token, which returns `targets` as they are.
        document_ids: Document of each position, [B,T].

    Returns:
        Token ids or `IGNORED`, [B,T].
    """
    shifted = torch.full_like(targets, IGNORED)
    distance = horizon - 1
    if distance == 0:
        return targets
    if distance < targets.shape[1]:
        shifted[:, :-distance] = targets[:, distance:]
    for step in range(min(distance, targets.shape[1])):
        # The token `step + 1` ahead must continue the document of the one before it.
        if document_ids is None:
            continues = targets[:, step:] != IGNORED
        else:
            continues = torch.zeros_like(targets[:, step:], dtype=torch.bool)
            continues[:, :-1] = document_ids[:, step + 1 :] == document_ids[:, step:-1]
        end = continues.shape[1]
        shifted[:, :end] = shifted[:, :end].masked_fill(~continues, IGNORED)
    return shifted


def horizon_losses(
    model: TransformerLM,
    hidden: Tensor,
    targets: Tensor,
    weights: Sequence[float],
    document_ids: Tensor | None = None,
) -> list[HorizonLoss]:
    """Score every horizon of positive weight; a weight of 0 is not computed.

    Args:
        model: Has at least `len(weights) - 1` MTP heads.
        hidden: What `model.hidden` returned, [B,T,D].
        targets: The next token of each position, or `IGNORED`, [B,T].
        weights: Weight of horizon 1, 2, ...
        document_ids: Document of each position, [B,T]; None: one per row, but for ignored targets.

    Raises:
        ConfigError: For negative weights, or more of them than the model has horizons.
    """
    known = 1 + len(model.mtp_heads)
    if len(weights) > known or any(not 0 <= weight < float("inf") for weight in weights):
        raise ConfigError(
            f"expected at most {known} weights, one per horizon and none negative; found "
            f"{list(weights)}; a model with num_mtp_heads={len(weights) - 1} has as many horizons"
        )
    losses = []
    for horizon, weight in enumerate(weights, start=1):
        if weight == 0:
            continue
        wanted = shifted_targets(targets, horizon, document_ids)
        logits = model.logits(model.mtp_hidden(hidden, horizon))
        loss_sum = token_losses(logits, wanted).sum()
        losses.append(HorizonLoss(horizon, weight, loss_sum, (wanted != IGNORED).sum()))
    return losses


def weighted_loss(losses: Sequence[HorizonLoss]) -> Tensor:
    """Return the sum over horizons of weight times mean cross-entropy, in nats.

    Reference: as DeepSeek-V3, arXiv:2412.19437, eq. 25, with a weight for each horizon.
    """
    return torch.stack(
        [loss.weight * loss.loss_sum / loss.num_targets.clamp_min(1) for loss in losses]
    ).sum()
