"""Multi-token prediction: targets against a loop, heads against the model they share, weights of zero."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from nano_transformer import ModelConfig, TransformerLM
from nano_transformer.errors import ConfigError
from nano_transformer.evaluation.multi_token import (
    horizon_losses,
    shifted_targets,
    weighted_loss,
)

IGNORED = -100
END = 0


def model_with(num_mtp_heads: int, **fields) -> TransformerLM:
    torch.manual_seed(0)
    sizes = dict(vocab_size=31, context_length=8, d_model=16, num_layers=1, num_heads=2)
    return TransformerLM(ModelConfig(**{**sizes, **fields}, num_mtp_heads=num_mtp_heads)).double()


def rows_of(lengths: list[int]) -> tuple[list[int], list[int]]:
    """Return a stream of documents that begin with the end-of-text token, and every token's document."""
    tokens, documents = [], []
    for document, length in enumerate(lengths):
        tokens += [END, *(10 * document + place + 1 for place in range(length))]
        documents += [document] * (length + 1)
    return tokens, documents


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(1, 7))
def test_targets_are_the_tokens_ahead_within_the_document(lengths, horizon):
    tokens, documents = rows_of([*lengths, 0])
    inputs, ids = len(tokens) - 1, documents[:-1]
    targets = torch.tensor([tokens[1:]])
    found = shifted_targets(targets, horizon, torch.tensor([ids]))[0].tolist()
    for t in range(inputs):
        ahead = t + horizon
        # Every token up to the one before the target is of the input's document; so the target is
        # too, or it is the end-of-text token that closes it.
        counts = ahead <= inputs and all(documents[i] == documents[t] for i in range(t, ahead))
        assert found[t] == (tokens[ahead] if counts else IGNORED)
        if counts:
            assert documents[ahead] == documents[t] or tokens[ahead] == END


def test_the_end_of_a_document_is_the_last_target_of_every_horizon():
    targets = torch.tensor([[1, 2, END, 3, 4, 5]])
    documents = torch.tensor([[7, 7, 7, 8, 8, 8]])
    assert shifted_targets(targets, 1, documents).tolist() == targets.tolist()
    assert shifted_targets(targets, 2, documents).tolist() == [[2, END, -100, 4, 5, -100]]
    assert shifted_targets(targets, 3, documents).tolist() == [[END, -100, -100, 5, -100, -100]]


def test_without_documents_an_ignored_target_ends_one():
    targets = torch.tensor([[1, 2, IGNORED, 4, 5, 6]])
    assert shifted_targets(targets, 2).tolist() == [[2, -100, -100, 5, 6, -100]]
    assert shifted_targets(targets, 3).tolist() == [[-100, -100, -100, 6, -100, -100]]
    assert shifted_targets(targets, 9).tolist() == [[IGNORED] * 6]


def test_every_horizon_starts_with_the_next_tokens_logits():
    model = model_with(2)
    hidden = model.hidden(torch.randint(0, 31, (2, 8)))
    for horizon in (1, 2, 3):
        assert torch.equal(model.mtp_hidden(hidden, horizon), hidden)


def test_a_head_adds_a_projection_of_the_normalised_hidden_states():
    model = model_with(1)
    head = model.mtp_heads[0]
    with torch.no_grad():
        head.projection.weight.normal_()
        head.norm.weight.normal_()
    hidden = torch.randn(3, 16, dtype=torch.float64)
    rms = (hidden.square().mean(dim=-1, keepdim=True) + 1e-6).sqrt()
    expected = hidden + hidden / rms * head.norm.weight @ head.projection.weight.T
    torch.testing.assert_close(model.mtp_hidden(hidden, 2), expected, rtol=1e-12, atol=1e-12)


def test_a_head_costs_one_norm_and_one_square_matrix():
    assert model_with(3).num_parameters() - model_with(0).num_parameters() == 3 * (16 + 16 * 16)


def test_the_loss_is_the_weighted_sum_of_each_horizons_mean():
    model = model_with(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    tokens = torch.randint(0, 31, (2, 9))
    documents = torch.tensor([[0] * 5 + [1] * 3, [2] * 8])
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    hidden = model.hidden(inputs)
    losses = horizon_losses(model, hidden, targets, [1.0, 0.5, 0.25], documents)
    expected = 0.0
    for horizon, weight in ((1, 1.0), (2, 0.5), (3, 0.25)):
        logits = model.logits(model.mtp_hidden(hidden, horizon))
        wanted = shifted_targets(targets, horizon, documents)
        expected += weight * F.cross_entropy(logits.flatten(0, 1), wanted.flatten())
    torch.testing.assert_close(weighted_loss(losses), expected)
    assert [(loss.horizon, int(loss.num_targets)) for loss in losses] == [(1, 16), (2, 13), (3, 10)]


def test_a_weight_of_zero_is_not_computed():
    model = model_with(2)
    called = []
    for number, head in enumerate(model.mtp_heads):
        head.register_forward_hook(lambda *_, number=number: called.append(number))
    tokens = torch.randint(0, 31, (1, 9))
    hidden = model.hidden(tokens[:, :-1])
    losses = horizon_losses(model, hidden, tokens[:, 1:], [1.0, 0.0, 0.5])
    assert [loss.horizon for loss in losses] == [1, 3]
    assert called == [1]
    weighted_loss(losses).backward()
    assert model.mtp_heads[0].projection.weight.grad is None
    assert bool(model.mtp_heads[1].projection.weight.grad.any())


def test_a_batch_without_targets_costs_nothing_and_divides_by_nothing():
    model = model_with(1)
    tokens = torch.randint(0, 31, (1, 1))
    losses = horizon_losses(model, model.hidden(tokens), torch.tensor([[IGNORED]]), [1.0, 1.0])
    assert weighted_loss(losses).item() == 0.0


def test_horizons_that_the_model_lacks_are_refused():
    model = model_with(1)
    hidden = model.hidden(torch.zeros(1, 3).long())
    with pytest.raises(ConfigError, match=r"horizon 3 .* 1 \.\. 2.*num_mtp_heads=2"):
        model.mtp_hidden(hidden, 3)
    with pytest.raises(ConfigError, match="num_mtp_heads=2"):
        horizon_losses(model, hidden, torch.zeros(1, 3).long(), [1.0, 0.5, 0.2])
    with pytest.raises(ConfigError, match="none negative"):
        horizon_losses(model, hidden, torch.zeros(1, 3).long(), [1.0, math.nan])
