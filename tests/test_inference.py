"""Cached decoding against full forward passes, and sampling against probabilities by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer import (
    TransformerLM,
    allocate_kv_caches,
    decode_step,
    generate,
    prefill,
    sample_next_token,
)
from nano_transformer.errors import ConfigError
from nano_transformer.inference.config import SamplingConfig
from nano_transformer.inference.decoding import context_start
from nano_transformer.inference.sampling import next_token_probabilities


@pytest.fixture(scope="module")
def model() -> TransformerLM:
    model = TransformerLM(
        vocab_size=61, context_length=12, d_model=32, num_layers=2, num_heads=4, num_kv_heads=2
    )
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.double().eval()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(1, 3), st.integers(0, 99))
def test_prefill_in_any_chunks_equals_one_forward_pass(model, chunks, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 61, (batch, sum(chunks)), generator=generator)
    caches = allocate_kv_caches(model, batch, tokens.shape[1])
    for part in tokens.split(chunks, dim=1):
        logits, caches = prefill(model, part, kv_caches=caches)
    torch.testing.assert_close(logits, model(tokens)[:, -1], rtol=1e-10, atol=1e-10)
    assert caches[0].lengths.tolist() == [tokens.shape[1]] * batch


def test_decode_steps_equal_one_forward_pass(model):
    tokens = torch.randint(0, 61, (2, 9))
    caches = allocate_kv_caches(model, batch_size=2, total_seq_len=9)
    logits, caches = prefill(model, tokens[:, :4], kv_caches=caches)
    for t in range(4, 9):
        torch.testing.assert_close(logits, model(tokens[:, :t])[:, -1], rtol=1e-10, atol=1e-10)
        logits, caches = decode_step(model, tokens[:, t : t + 1], caches)
    torch.testing.assert_close(logits, model(tokens)[:, -1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("strategy", ["greedy", "sample", "top_k", "top_p"])
def test_the_cache_changes_no_token_even_far_beyond_the_context(model, strategy):
    prompt = torch.randint(0, 61, (3, 5))
    outputs = [
        generate(
            model,
            prompt,
            max_new_tokens=40,
            strategy=strategy,
            use_kv_cache=use_kv_cache,
            generator=torch.Generator().manual_seed(7),
        )
        for use_kv_cache in (True, False)
    ]
    assert outputs[0].shape == (3, 45)
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0][:, :5], prompt)


def test_greedy_takes_the_likeliest_token_each_time(model):
    tokens = torch.tensor([5, 9])
    output = generate(model, tokens, max_new_tokens=6)
    for _ in range(6):
        likeliest = model(tokens[None])[0, -1].argmax()
        tokens = torch.cat((tokens, likeliest[None]))
    assert output.tolist() == tokens.tolist()


def test_a_prompt_longer_than_the_context_is_continued_from_its_end(model):
    prompt = torch.randint(0, 61, (30,))
    start = context_start(30, 12)
    expected = model(prompt[None, start:])[0, -1].argmax()
    assert generate(model, prompt, max_new_tokens=1)[-1] == expected


@given(st.integers(1, 200), st.integers(1, 40))
def test_the_visible_context_fits_and_moves_in_steps(length, context_length):
    start = context_start(length, context_length)
    visible = length - start
    assert 0 < visible <= context_length
    assert start == 0 or visible > context_length - max(1, context_length // 2)
    assert context_start(length + 1, context_length) >= start


def test_rows_end_at_the_stop_token_and_are_filled_up_with_it(model):
    prompt = torch.tensor([[1], [2]])
    free = generate(model, prompt, max_new_tokens=12)
    stop = int(free[0, 4])
    stopped = generate(model, prompt, max_new_tokens=12, stop_token_id=stop)
    for row, reference in zip(stopped.tolist(), free.tolist(), strict=True):
        new = reference[1 : len(row)]
        kept = new[: new.index(stop) + 1] if stop in new else new
        assert row[1:] == kept + [stop] * (len(row) - 1 - len(kept))


def test_decoding_leaves_the_model_in_the_mode_it_was_in(model):
    model.train()
    generate(model, torch.tensor([1]), max_new_tokens=1)
    assert model.training
    model.eval()


def test_a_full_cache_is_refused_and_left_as_it_was(model):
    caches = allocate_kv_caches(model, batch_size=1, total_seq_len=3)
    prefill(model, torch.tensor([[1, 2]]), kv_caches=caches)
    with pytest.raises(ConfigError, match="total_seq_len=4"):
        prefill(model, torch.tensor([[3, 4]]), kv_caches=caches)
    assert caches[0].lengths.tolist() == [2]
    prefill(model, torch.tensor([[3]]), kv_caches=caches)


def test_a_batch_of_another_size_is_refused(model):
    caches = allocate_kv_caches(model, batch_size=2, total_seq_len=3)
    with pytest.raises(ConfigError, match="shape"):
        prefill(model, torch.tensor([[1, 2]]), kv_caches=caches)


def distribution(logits: list[float], **settings) -> list[float]:
    config = SamplingConfig(**{"temperature": 1.0, **settings})
    return next_token_probabilities(torch.tensor([logits]), config)[0].tolist()


def test_sampling_strategies_by_hand():
    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log().tolist()
    assert distribution(logits, strategy="sample") == pytest.approx([0.1, 0.4, 0.2, 0.3])
    assert distribution(logits, strategy="top_k", top_k=2) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert distribution(logits, strategy="top_k", top_k=9) == pytest.approx([0.1, 0.4, 0.2, 0.3])
    assert distribution(logits, strategy="top_p", top_p=0.39) == pytest.approx([0, 1, 0, 0])
    assert distribution(logits, strategy="top_p", top_p=0.6) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert distribution(logits, strategy="top_p", top_p=1.0) == pytest.approx([0.1, 0.4, 0.2, 0.3])
    squared = [0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3]
    assert distribution(logits, strategy="sample", temperature=0.5) == pytest.approx(squared)


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=30), st.floats(0.01, 1.0))
def test_top_p_keeps_the_fewest_tokens_that_hold_the_mass(logits, top_p):
    full = distribution(logits, strategy="sample")
    kept = [p > 0 for p in distribution(logits, strategy="top_p", top_p=top_p)]
    mass = sorted((p for p, keep in zip(full, kept, strict=True) if keep), reverse=True)
    assert sum(mass) >= min(top_p, 1.0) - 1e-5
    assert sum(mass[:-1]) < top_p + 1e-5


def test_draws_follow_the_probabilities():
    logits = torch.tensor([[0.1, 0.6, 0.3]]).log().repeat(20_000, 1)
    draws = sample_next_token(logits, strategy="sample", generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(draws, minlength=3) / 20_000
    # Four standard errors of a share of 0.6 over 20,000 draws.
    assert shares.tolist() == pytest.approx([0.1, 0.6, 0.3], abs=0.014)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"strategy": "best"}, "`strategy`"),
        ({"temperature": 0.0}, "`temperature`"),
        ({"top_k": 0}, "`top_k`"),
        ({"top_p": 1.5}, "`top_p`"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(model, settings, word):
    with pytest.raises(ConfigError, match=word):
        generate(model, torch.tensor([1]), max_new_tokens=1, **settings)


@pytest.mark.parametrize(
    "prompt", [torch.tensor([61]), torch.tensor([-1]), torch.tensor([]).long()]
)
def test_a_prompt_the_model_cannot_read_is_refused(model, prompt):
    with pytest.raises(ConfigError, match="prompt"):
        generate(model, prompt, max_new_tokens=1)
