"""Cached decoding with windows, prefix tokens, softcaps and documents against one forward pass."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer import TransformerLM, allocate_kv_caches, decode_step, generate, prefill
from nano_transformer.errors import ConfigError

SIZES = dict(
    vocab_size=61, context_length=16, d_model=32, num_layers=3, num_heads=4, num_kv_heads=2
)


def random_model(**fields) -> TransformerLM:
    model = TransformerLM(**SIZES, **fields)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.double().eval()


@given(
    chunks=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    window=st.none() | st.integers(1, 6),
    global_tokens=st.integers(0, 3),
    pattern=st.sampled_from(["all", "every:2", "0"]),
    backend=st.sampled_from(["auto", "sdpa", "blocked", "explicit"]),
    cap=st.none() | st.just(4.0),
    documents=st.none() | st.lists(st.integers(0, 2), min_size=40, max_size=40),
)
def test_decoding_in_any_chunks_equals_one_forward_pass(
    chunks, window, global_tokens, pattern, backend, cap, documents
):
    model = random_model(
        attention_window_size=window,
        attention_global_tokens=global_tokens,
        attention_window_pattern=pattern,
        attention_backend="auto" if cap is not None and backend == "sdpa" else backend,
        attn_logit_softcap=cap,
        final_logit_softcap=cap,
    )
    length = sum(chunks)
    tokens = torch.randint(0, 61, (2, length), generator=torch.Generator().manual_seed(1))
    ids = None
    if documents is not None:
        ids = torch.tensor([documents[:length], documents[20 : 20 + length]])
    expected = model(tokens, document_ids=ids)
    caches = allocate_kv_caches(model, 2, length)
    end = 0
    for part in tokens.split(chunks, dim=1):
        begin, end = end, end + part.shape[1]
        part_ids = None if ids is None else ids[:, begin:end]
        read = decode_step if part.shape[1] == 1 else prefill
        logits, caches = read(model, part, caches, document_ids=part_ids)
        torch.testing.assert_close(logits, expected[:, end - 1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("backend", ["auto", "blocked"])
def test_the_cache_changes_no_token_of_a_windowed_model(backend):
    model = random_model(
        attention_window_size=3, attention_global_tokens=1, attention_backend=backend
    )
    prompt = torch.randint(0, 61, (2, 5), generator=torch.Generator().manual_seed(2))
    cached, plain = (
        generate(model, prompt, max_new_tokens=30, use_kv_cache=use) for use in (True, False)
    )
    assert torch.equal(cached, plain)


def test_a_window_set_while_running_reaches_decoding():
    model, windowed = random_model(), random_model(attention_window_size=2)
    tokens = torch.randint(0, 61, (1, 9), generator=torch.Generator().manual_seed(2))
    model.set_attention_window(2)
    logits = [prefill(m, tokens, allocate_kv_caches(m, 1, 9))[0] for m in (model, windowed)]
    assert torch.equal(*logits)


def test_padded_rows_of_the_vocabulary_are_never_sampled():
    model = TransformerLM(**SIZES, pad_vocab_size_to_multiple_of=64).eval()
    with torch.no_grad():
        model.embedding.weight[61:] = 1000 * model.embedding.weight[:3]
    prompt = torch.randint(0, 61, (50, 4))
    new = generate(model, prompt, max_new_tokens=5, strategy="sample", temperature=5.0)
    assert int(new.max()) < 61


def test_documents_are_given_in_every_call_or_in_none():
    model = random_model()
    tokens, ids = torch.zeros(1, 2).long(), torch.zeros(1, 2).long()
    caches = allocate_kv_caches(model, 1, 6)
    prefill(model, tokens, caches)
    with pytest.raises(ConfigError, match=r"every call .* or in none"):
        prefill(model, tokens, caches, document_ids=ids)
    assert caches[0].lengths.tolist() == [2]
    caches[0].reset()
    caches = allocate_kv_caches(model, 1, 6)
    prefill(model, tokens, caches, document_ids=ids)
    with pytest.raises(ConfigError, match=r"every call .* or in none"):
        prefill(model, tokens, caches)
    with pytest.raises(ConfigError, match=r"\(1, 2\).*\(1, 3\)"):
        prefill(model, tokens, caches, document_ids=torch.zeros(1, 3).long())
    for cache in caches:
        cache.reset()
    prefill(model, tokens, caches)
