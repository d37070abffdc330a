"""What `watch` records against the same numbers computed on their own, and that it leaves no trace."""

import math

import pytest
import torch

from attention_by_hand import mask_by_hand
from nano_transformer import TransformerLM
from nano_transformer.model.inspection import watch
from nano_transformer.model.rope import rotate


def model_with(**fields) -> TransformerLM:
    sizes = dict(vocab_size=31, context_length=12, d_model=16, num_layers=3, num_heads=4)
    model = TransformerLM(**{**sizes, "num_kv_heads": 2, **fields}).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
            parameter.copy_(0.4 * noise)
    return model


TOKENS = torch.randint(0, 31, (2, 10), generator=torch.Generator().manual_seed(2))


def test_hidden_states_are_the_stream_after_each_part():
    model = model_with()
    with watch(model) as seen:
        model(TOKENS)
    x = model.embedding(TOKENS) * math.sqrt(16)
    expected = [x]
    rope = model.rope.tables(torch.arange(10))
    for block in model.blocks:
        x = block(x, rope)
        expected.append(x)
    expected.append(model.final_norm(x))
    assert len(seen.hidden_states) == 5
    for found, wanted in zip(seen.hidden_states, expected, strict=True):
        assert torch.equal(found, wanted.detach())
        assert not found.requires_grad


@pytest.mark.parametrize("backend", ["sdpa", "explicit", "blocked"])
def test_attention_maps_are_the_weights_of_visible_keys(backend):
    rule = dict(window=3, global_tokens=1)
    documents = torch.tensor([[0] * 4 + [1] * 6, [5] * 10])
    model = model_with(
        attention_window_size=3, attention_global_tokens=1, attention_backend=backend
    )
    with watch(model, attention_maps=True) as seen:
        model(TOKENS, document_ids=documents)
    assert [tuple(map_.shape) for map_ in seen.attention_maps] == [(2, 4, 10, 10)] * 3
    mask = mask_by_hand(10, documents, **rule)
    rope = model.rope.tables(torch.arange(10))
    for layer, block in enumerate(model.blocks):
        attention, x = block.attention, block.attention_norm(seen.hidden_states[layer])
        q, k, _ = attention.qkv(x).split(attention.split_sizes, dim=-1)
        q = rotate(attention.query_norm(q.view(2, 10, 4, 4).transpose(1, 2)), *rope)
        k = rotate(attention.key_norm(k.view(2, 10, 2, 4).transpose(1, 2)), *rope)
        scores = torch.einsum("bhtk,bhsk->bhts", q, k.repeat_interleave(2, dim=1)) / 2
        expected = scores.masked_fill(~mask[:, None], -math.inf).softmax(dim=-1)
        torch.testing.assert_close(seen.attention_maps[layer], expected, rtol=1e-10, atol=1e-10)


def test_statistics_are_sizes_of_activations_gradients_and_logits():
    model = model_with()
    with watch(model) as seen:
        logits = model(TOKENS)
        before = seen.statistics()
        logits.square().sum().backward()
    rows = seen.statistics()
    assert [row.layer for row in rows] == [
        "embedding",
        "block 0",
        "block 1",
        "block 2",
        "final norm",
    ]
    assert all(row.gradient_norm is None for row in before)
    for row, state in zip(rows, seen.hidden_states, strict=True):
        numbers = state.flatten().tolist()
        rms = math.sqrt(sum(number**2 for number in numbers) / len(numbers))
        assert row.activation_rms == pytest.approx(rms, rel=1e-6)
        assert row.activation_max == pytest.approx(max(map(abs, numbers)))
    assert seen.logits_max == pytest.approx(max(map(abs, logits.flatten().tolist())))
    # The gradient by the last hidden states, by the chain rule: 2 logits W.
    gradient = 2 * logits.detach() @ model.embedding.weight.detach()
    assert rows[-1].gradient_norm == pytest.approx(gradient.norm().item(), rel=1e-6)
    assert all(row.gradient_norm > 0 for row in rows)


def test_a_forward_pass_replaces_what_the_last_one_left():
    model = model_with()
    with watch(model, attention_maps=True) as seen:
        model(TOKENS).sum().backward()
        model.hidden(TOKENS[:, :4])
    assert len(seen.hidden_states) == 5
    assert [tuple(map_.shape) for map_ in seen.attention_maps] == [(2, 4, 4, 4)] * 3
    assert (seen.logits_max, seen.gradient_norms) == (None, {})


def test_watching_changes_no_number_and_ends_with_its_context():
    model = model_with()
    expected = model(TOKENS)
    expected.sum().backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    with watch(model, attention_maps=True):
        found = model(TOKENS)
        found.sum().backward()
    assert torch.equal(found, expected)
    assert all(map(torch.equal, gradients, (parameter.grad for parameter in model.parameters())))
    with pytest.raises(ZeroDivisionError), watch(model, attention_maps=True):
        raise ZeroDivisionError
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
