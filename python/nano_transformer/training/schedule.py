"""How the learning rate changes over a run."""

import math

from nano_transformer.training.config import OptimizerConfig

REFERENCE_TOKENS_PER_STEP = 2_048
"""Batch at which the configured learning rate is used as it is: the default run's 16 rows of 128 tokens."""


def peak_learning_rate(config: OptimizerConfig, tokens_per_step: int) -> float:
    """Scale the configured learning rate by the square root of the batch, when asked to.

    Reference: for Adam-like optimizers, arXiv:2205.10287, section 5 (square-root scaling rule).
    """
    if not config.scale_lr_with_batch_size:
        return config.learning_rate
    return config.learning_rate * math.sqrt(tokens_per_step / REFERENCE_TOKENS_PER_STEP)


def learning_rate(config: OptimizerConfig, peak: float, step: int, max_iters: int) -> float:
    """Return the rate of one optimizer step.

    Args:
        config: Schedule and warm-up, resolved.
        peak: Rate at the end of warm-up.
        step: Steps already done, in [0, max_iters).
        max_iters: Steps of the whole run.

    Returns:
        peak * (step + 1) / warmup during warm-up, so that the first step already moves; then the
        schedule's share of the peak, which falls towards zero at `max_iters`.
    """
    warmup = config.warmup_iters or 0
    if step < warmup:
        return peak * (step + 1) / warmup
    remaining = (max_iters - step) / (max_iters - warmup)
    if config.lr_schedule == "linear":
        return peak * remaining
    if config.lr_schedule == "cosine":
        return peak * 0.5 * (1 - math.cos(math.pi * remaining))
    return peak
