"""What a user of `Tokenizer` can ask for: batches, offsets, streams, chosen special tokens, roles."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization import Tokenizer
from text_strategies import SPECIAL_TOKENS, broken_texts, small_tokenizer, small_vocabulary, texts

tiktoken = pytest.importorskip("tiktoken")
tokenizers = pytest.importorskip("tokenizers")

# tiktoken tries special tokens in no fixed order, so none of these may begin another.
PLAIN_SPECIALS = ("<|endoftext|>", "of text", " \n", "é😀")
choices = st.lists(st.sampled_from(PLAIN_SPECIALS)).map(set)


def tiktoken_encoding():
    vocab, _ = small_vocabulary()
    tokenizer = small_tokenizer("python", PLAIN_SPECIALS)
    specials = {token: tokenizer.token_to_id(token) for token in PLAIN_SPECIALS}
    ranks = {token: i for i, token in vocab.items() if i not in specials.values()}
    pattern = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    return tiktoken.Encoding(
        "peer", pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials
    )


@given(texts, choices, choices)
def test_chosen_special_tokens_do_what_they_do_in_tiktoken(backend, text, allowed, disallowed):
    tokenizer = small_tokenizer(backend, PLAIN_SPECIALS)
    arguments = {"allowed_special": allowed, "disallowed_special": disallowed}
    try:
        expected = tiktoken_encoding().encode(text, **arguments)
    except ValueError:
        with pytest.raises(TokenizerError, match="disallowed_special"):
            tokenizer.encode(text, **arguments)
    else:
        assert tokenizer.encode(text, **arguments) == expected


@given(texts, choices)
def test_all_that_is_not_allowed_can_be_disallowed(backend, text, allowed):
    tokenizer = small_tokenizer(backend, PLAIN_SPECIALS)
    rest = set(PLAIN_SPECIALS) - allowed
    if any(token in text for token in rest):
        with pytest.raises(TokenizerError, match="holds the special token"):
            tokenizer.encode(text, allowed_special=allowed, disallowed_special="all")
    else:
        ids = tokenizer.encode(text, allowed_special=allowed, disallowed_special="all")
        assert ids == tokenizer.encode(text)


@pytest.mark.parametrize("choice", [{"<|other|>"}, "<|endoftext|>", "none"])
@pytest.mark.parametrize("argument", ["allowed_special", "disallowed_special"])
def test_a_choice_that_names_no_special_token_is_refused(backend, argument, choice):
    with pytest.raises(TokenizerError, match=f"`{argument}`"):
        small_tokenizer(backend).encode("a", **{argument: choice})


@given(st.lists(broken_texts, max_size=6), st.integers(0, 3))
def test_a_batch_has_the_ids_of_its_texts_in_lists_and_in_arrays(backend, batch, num_threads):
    tokenizer = small_tokenizer(backend)
    expected = [tokenizer.encode(text) for text in batch]
    assert tokenizer.encode_batch(batch, num_threads=num_threads) == expected
    arrays = tokenizer.encode_to_numpy(batch, num_threads=num_threads)
    assert arrays.token_ids.dtype == np.uint32
    assert arrays.offsets.dtype == np.int64
    assert arrays.token_ids.tolist() == [token_id for ids in expected for token_id in ids]
    assert arrays.offsets.tolist() == np.cumsum([0, *map(len, expected)]).tolist()
    decoded = [tokenizer.decode(ids) for ids in expected]
    assert tokenizer.decode_batch(expected, num_threads=num_threads) == decoded


@given(st.lists(texts, max_size=4), choices)
def test_a_batch_takes_chosen_special_tokens_as_single_texts_do(backend, batch, allowed):
    tokenizer = small_tokenizer(backend, PLAIN_SPECIALS)
    expected = [tokenizer.encode(text, allowed_special=allowed) for text in batch]
    assert tokenizer.encode_batch(batch, allowed_special=allowed) == expected
    arrays = tokenizer.encode_to_numpy(batch, allowed_special=allowed)
    assert arrays.token_ids.tolist() == [token_id for ids in expected for token_id in ids]
    assert arrays.offsets.tolist() == np.cumsum([0, *map(len, expected)]).tolist()


def test_a_single_text_is_a_batch_of_one_for_numpy(backend):
    tokenizer = small_tokenizer(backend)
    token_ids, offsets = tokenizer.encode_to_numpy("the dog")
    assert token_ids.tolist() == tokenizer.encode("the dog")
    assert offsets.tolist() == [0, len(token_ids)]
    token_ids[0] = 1  # the array belongs to the caller


@given(broken_texts)
def test_offsets_of_bytes_cut_the_text_into_its_tokens(backend, text):
    tokenizer = small_tokenizer(backend)
    token_ids, offsets = tokenizer.encode_with_offsets(text)
    assert token_ids == tokenizer.encode(text)
    assert offsets.shape == (len(token_ids), 2)
    pieces = [text[start:stop] for start, stop in offsets]
    assert pieces == [tokenizer.id_to_bytes(token_id) for token_id in token_ids]


def tokenizers_peer(tokenizer: Tokenizer, folder):
    path = folder / "tokenizer.json"
    tokenizer.save_huggingface(path)
    return tokenizers.Tokenizer.from_file(str(path))


def test_offsets_of_a_str_are_those_of_tokenizers(backend, tmp_path):
    tokenizer = small_tokenizer(backend, PLAIN_SPECIALS)
    peer = tokenizers_peer(tokenizer, tmp_path)

    @given(texts)
    def same_offsets(text):
        token_ids, offsets = tokenizer.encode_with_offsets(text)
        expected = peer.encode(text, add_special_tokens=False)
        assert token_ids == expected.ids
        assert [tuple(pair) for pair in offsets.tolist()] == expected.offsets

    same_offsets()


@given(broken_texts | st.binary(max_size=40))
def test_a_stream_joins_to_the_whole_and_shows_no_half_characters(backend, text):
    tokenizer = small_tokenizer(backend)
    decoder = tokenizer.stream_decoder()
    shown = ""
    whole = text.decode("utf-8", "replace")
    for token_id in tokenizer.encode(text):
        shown += decoder.push(token_id)
        assert whole.startswith(shown)
    assert shown + decoder.finish() == whole
    assert decoder.push(ord("a")) == "a"  # after `finish` it begins anew


def test_a_true_replacement_character_passes_the_stream_at_once(backend):
    tokenizer = small_tokenizer(backend)
    decoder = tokenizer.stream_decoder()
    shown = [decoder.push(byte) for byte in "\ufffdé".encode()]
    assert shown == ["", "", "\ufffd", "", "é"]
    with pytest.raises(TokenizerError, match="token id 99999 is not"):
        decoder.push(99_999)


def test_strict_decoding_refuses_what_is_no_utf8(backend):
    tokenizer = small_tokenizer(backend)
    assert tokenizer.decode([0xC3, 0xA9], errors="strict") == "é"
    for decode in (
        tokenizer.decode,
        lambda ids, errors: tokenizer.decode_batch([ids], errors=errors),
    ):
        with pytest.raises(TokenizerError, match="no valid UTF-8 at byte 1"):
            decode([0x61, 0xC3], errors="strict")


def test_roles_are_kept_and_must_be_special_tokens(tmp_path):
    vocab, merges = small_vocabulary()
    plain = Tokenizer(vocab, merges, ["<|endoftext|>"])
    assert (
        plain.bos_id == plain.eos_id == plain.end_of_text_id == plain.token_to_id("<|endoftext|>")
    )
    assert plain.pad_id is None
    assert Tokenizer(vocab, merges).eos_id is None
    roles = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tokenizer = Tokenizer(vocab, merges, ["<pad>", "<s>", "</s>"], **roles)
    tokenizer.save(tmp_path / "own.json")
    for other in (Tokenizer.load(tmp_path / "own.json"), pickle.loads(pickle.dumps(tokenizer))):
        assert other == tokenizer
        assert other.decode([other.bos_id, other.eos_id, other.pad_id]) == "<s></s><pad>"
    assert tokenizer != Tokenizer(vocab, merges, ["<pad>", "<s>", "</s>"], eos_token="</s>")
    with pytest.raises(TokenizerError, match="`pad_token` is '<fill>', which is no special token"):
        Tokenizer(vocab, merges, ["<s>"], pad_token="<fill>")


def test_the_eos_token_stands_between_documents(backend, tmp_path):
    vocab, merges = small_vocabulary()
    tokenizer = Tokenizer(vocab, merges, ["</s>"], eos_token="</s>", backend=backend)
    text = tmp_path / "text.txt"
    text.write_bytes(b"the dog</s>a zebra")
    size = text.stat().st_size
    arrays = tmp_path / "tokens.npy", tmp_path / "documents.npy"
    assert tokenizer.write_token_arrays([(str(text), 0, size)], *arrays)[1] == 2
    eos = tokenizer.eos_id
    expected = [eos, *tokenizer.encode("the dog"), eos, *tokenizer.encode("a zebra")]
    assert np.load(arrays[0]).tolist() == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda tokenizer, text: tokenizer.encode(text),
        lambda tokenizer, text: tokenizer.encode(text, allowed_special=set()),
        lambda tokenizer, text: tokenizer.encode_ordinary(text),
        lambda tokenizer, text: tokenizer.encode_batch(["fine", text]),
        lambda tokenizer, text: tokenizer.encode_to_numpy([text]),
        lambda tokenizer, text: tokenizer.encode_with_offsets(text),
        lambda tokenizer, text: list(tokenizer.encode_iterable([text])),
        lambda tokenizer, text: tokenizer.token_to_id(text),
    ],
)
def test_every_entry_refuses_a_lone_surrogate_with_its_index(backend, call):
    tokenizer = small_tokenizer(backend)
    with pytest.raises(TokenizerError, match=r"lone surrogate U\+DC00 at index 1"):
        call(tokenizer, "a\udc00b")
    with pytest.raises(TypeError, match="must be str or bytes"):
        call(tokenizer, 5)


def test_ids_and_bytes_of_tokens_are_each_others_inverse(backend):
    tokenizer = small_tokenizer(backend)
    for token_id, token in tokenizer.vocab.items():
        assert tokenizer.id_to_bytes(token_id) == token
        assert tokenizer.token_to_id(token) == token_id
    assert len(tokenizer) == len(tokenizer.vocab) == 330 + len(SPECIAL_TOKENS) - 1
    with pytest.raises(TokenizerError, match="token id -1 is not in the vocabulary"):
        tokenizer.id_to_bytes(-1)
    with pytest.raises(TokenizerError, match="'dogs and' is not a token"):
        tokenizer.token_to_id("dogs and")
