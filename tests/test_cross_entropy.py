"""Chunked cross-entropy against torch's own, forward and backward."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from nano_transformer.data.batches import IGNORED
from nano_transformer.evaluation.cross_entropy import token_losses


def both(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor):
    """Return losses and gradients, ours and torch's."""
    results = []
    for ours in (True, False):
        leaf = logits.clone().requires_grad_()
        if ours:
            losses = token_losses(leaf, targets)
        else:
            wide = leaf.to(torch.promote_types(leaf.dtype, torch.float32)).flatten(0, -2)
            losses = F.cross_entropy(
                wide, targets.flatten(), ignore_index=IGNORED, reduction="none"
            ).view(targets.shape)
        (losses * weights).sum().backward()
        results.append((losses.detach(), leaf.grad))
    return results


@given(st.integers(1, 3), st.integers(1, 300), st.integers(1, 20), st.integers(0, 1000))
def test_losses_and_gradients_equal_torchs_in_float64(batch, length, vocab_size, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(batch, length, vocab_size, dtype=torch.float64, generator=generator)
    targets = torch.randint(0, vocab_size, (batch, length), generator=generator)
    targets[torch.rand(batch, length, generator=generator) < 0.3] = IGNORED
    weights = torch.randn(batch, length, dtype=torch.float64, generator=generator)
    ours, torchs = both(logits, targets, weights)
    torch.testing.assert_close(ours, torchs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_lower_precision_ends_in_that_precision(dtype, tolerance):
    logits = torch.randn(2, 150, 50).to(dtype)
    targets = torch.randint(0, 50, (2, 150))
    ours, torchs = both(logits, targets, torch.ones(2, 150))
    assert ours[0].dtype == torch.float32
    assert ours[1].dtype == dtype
    torch.testing.assert_close(ours, torchs, rtol=tolerance, atol=tolerance)


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]], requires_grad=True)
    losses = token_losses(logits, torch.tensor([1, 1]))
    assert losses.tolist() == pytest.approx([2e4, 1.0986], rel=1e-3)
    losses.sum().backward()
    expected = [[1, -1, 0], [1 / 3, -2 / 3, 1 / 3]]
    torch.testing.assert_close(logits.grad, torch.tensor(expected), rtol=1e-3, atol=1e-3)
