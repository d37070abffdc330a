"""The tokenizer gives the ids its definition says, whole or in pieces, with either backend."""

import pickle
import random
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.errors import ConfigError, TokenizerError
from nano_transformer.tokenization import Tokenizer
from nano_transformer.tokenization.backend_choice import native_module
from nano_transformer.tokenization.reference import split_into_pre_tokens
from nano_transformer.tokenization.streaming import decode_blocks, separable_chunks
from text_strategies import SPECIAL_TOKENS, broken_texts, small_tokenizer, small_vocabulary, texts


def naive_merge(piece: bytes, tokenizer: Tokenizer) -> list[int]:
    """Merge by the definition: look at every pair, take the lowest rank, the leftmost first."""
    ranks = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    parts = [bytes([byte]) for byte in piece]
    while True:
        pairs = list(pairwise(parts))
        known = [(ranks[pair], index) for index, pair in enumerate(pairs) if pair in ranks]
        if not known:
            return [tokenizer.token_to_id(part) for part in parts]
        _, index = min(known)
        parts[index : index + 2] = [parts[index] + parts[index + 1]]


def split(backend: str, text: bytes) -> list[bytes]:
    if backend == "python":
        return split_into_pre_tokens(text, "gpt2")
    return native_module().split_into_pre_tokens(text, "gpt2")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("I'LL I'll", ["I", "'", "LL", " I", "'ll"]),  # contractions are lower case
        (" 's", [" '", "s"]),  # the space takes the apostrophe first
        ("a  b", ["a", " ", " b"]),
        ("a\n\nb", ["a", "\n", "\n", "b"]),  # only U+0020 joins a word
        ("a \u00a0b", ["a", " ", "\u00a0", "b"]),
        ("a \t\n", ["a", " \t\n"]),  # at the end a run of white space stays whole
        ("e\u0301a", ["e", "\u0301", "a"]),  # a combining mark is no letter
        ("x1½ 2", ["x", "1½", " 2"]),
        ("\x1c\x1c a", ["\x1c\x1c", " a"]),  # no White_Space, whatever str.isspace says
        ("", []),
    ],
)
def test_the_pattern_cuts_where_gpt2_does(backend, text, pieces):
    assert split(backend, text.encode()) == [piece.encode() for piece in pieces]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (b"a\xffb", [b"a", b"\xff", b"b"]),
        (b"\xe2\x82 \xac", [b"\xe2\x82", b" \xac"]),
        (b"a\xed\xa0\x80.", [b"a", b"\xed\xa0\x80."]),
        (b"\xc3", [b"\xc3"]),
        (b"\xf4\x90\x80\x80a", [b"\xf4\x90\x80\x80", b"a"]),
    ],
)
def test_bytes_that_are_no_utf8_are_cut_like_punctuation(backend, text, pieces):
    assert split(backend, text) == pieces


@given(broken_texts)
def test_native_and_python_split_alike(both_backends, text):
    assert split("native", text) == split("python", text)


@given(broken_texts, st.booleans())
def test_native_and_python_encode_alike(both_backends, text, with_specials):
    native, python = small_tokenizer("native"), small_tokenizer("python")
    if with_specials:
        assert native.encode(text) == python.encode(text)
    else:
        assert native.encode_ordinary(text) == python.encode_ordinary(text)


@given(broken_texts)
def test_each_pre_token_is_merged_lowest_rank_first(backend, text):
    tokenizer = small_tokenizer(backend)
    expected = [
        token_id for piece in split(backend, text) for token_id in naive_merge(piece, tokenizer)
    ]
    assert tokenizer.encode_ordinary(text) == expected


@given(st.text(alphabet="ab", max_size=200))
def test_long_runs_of_few_letters_merge_by_the_definition(backend, text):
    merges = [
        (b"a", b"a"),
        (b"a", b"b"),
        (b"aa", b"aa"),
        (b"b", b"ab"),
        (b"aa", b"ab"),
        (b"b", b"b"),
    ]
    vocab = dict(enumerate([bytes([byte]) for byte in range(256)]))
    vocab |= {256 + rank: left + right for rank, (left, right) in enumerate(merges)}
    tokenizer = Tokenizer(vocab, merges, backend=backend)
    assert tokenizer.encode(text) == naive_merge(text.encode(), tokenizer)


@given(broken_texts | st.binary(max_size=300))
def test_arbitrary_bytes_survive_the_round_trip(backend, text):
    tokenizer = small_tokenizer(backend)
    assert tokenizer.decode_bytes(tokenizer.encode(text)) == text
    assert tokenizer.decode_bytes(tokenizer.encode_ordinary(text)) == text


@given(texts | broken_texts, st.data())
def test_encode_iterable_gives_the_ids_of_the_whole_for_every_chunking(backend, text, data):
    tokenizer = small_tokenizer(backend)
    places = st.lists(st.integers(0, len(text)), max_size=8).map(sorted)
    cuts = [0, *data.draw(places), len(text)]
    pieces = [text[start:stop] for start, stop in pairwise(cuts)]
    assert list(tokenizer.encode_iterable(pieces)) == tokenizer.encode(text)


@given(broken_texts, st.integers(1, 12), st.integers(1, 9))
def test_chunks_cut_at_sure_borders_encode_to_the_ids_of_the_whole(text, chunk_size, block_size):
    # The chunks of the stream are far longer than these texts, so the cutting is tried by itself.
    tokenizer = small_tokenizer("python")
    blocks = [text[start : start + block_size] for start in range(0, len(text), block_size)]
    characters = decode_blocks(blocks, "surrogateescape")
    chunks = [
        chunk.encode("utf-8", "surrogateescape")
        for chunk in separable_chunks(characters, tuple(SPECIAL_TOKENS), chunk_size, "gpt2")
    ]
    assert b"".join(chunks) == text
    assert [i for chunk in chunks for i in tokenizer.encode(chunk)] == tokenizer.encode(text)


def test_special_tokens_match_leftmost_and_longest_first(backend):
    tokenizer = small_tokenizer(backend)
    names = tokenizer.encode("<|endoftext|><|endoftext|><|endoftext|><|endx \n")
    assert [tokenizer.decode([token_id]) for token_id in names] == [
        "<|endoftext|><|endoftext|>",
        "<|endoftext|>",
        "<|end",
        "x",
        " \n",
    ]
    assert tokenizer.end_of_text_id not in tokenizer.encode_ordinary("<|endoftext|>")


def test_special_tokens_missing_from_the_vocabulary_are_appended(backend):
    vocab, merges = small_vocabulary()
    gap = {
        token_id if token_id < 300 else token_id + 1_000: token for token_id, token in vocab.items()
    }
    tokenizer = Tokenizer(gap, merges, ["<|endoftext|>", "<new>", "<new>"], backend=backend)
    assert tokenizer.special_tokens == ["<|endoftext|>", "<new>"]
    assert tokenizer.token_to_id("<new>") == max(gap) + 1
    assert tokenizer.encode("a<new>") == [tokenizer.token_to_id("a"), max(gap) + 1]
    assert len(tokenizer) == len(vocab) + 1
    assert tokenizer.vocab_size == max(gap) + 2


def test_a_special_token_spelt_like_an_ordinary_one_keeps_its_id(backend):
    vocab, merges = small_vocabulary()
    tokenizer = Tokenizer(vocab, merges, ["a"], backend=backend)
    assert tokenizer.encode("banana") == list(b"banana")
    assert len(tokenizer) == len(vocab)


def test_token_byte_lengths_count_text_only():
    tokenizer = small_tokenizer("python")
    lengths = tokenizer.token_byte_lengths()
    assert lengths.dtype == np.int64
    assert len(lengths) == tokenizer.vocab_size
    text = "the dog don't"
    assert sum(lengths[tokenizer.encode(text)]) == len(text)
    assert lengths[tokenizer.end_of_text_id] == 0


@pytest.mark.parametrize(
    "text",
    ["a" * 200_000, " " * 200_000 + "x", "".join(random.Random(1).choices("abcdehot", k=200_000))],
)
def test_a_long_pre_token_takes_no_quadratic_time(backend, text):
    tokenizer = small_tokenizer(backend)
    token_ids = tokenizer.encode(text)
    assert tokenizer.decode(token_ids) == text
    assert list(tokenizer.encode_iterable([text])) == token_ids


def test_encode_iterable_holds_a_bounded_part_of_the_text(backend):
    tokenizer = small_tokenizer(backend)
    line = "the dog and the zebra don't\n" * 10
    list(tokenizer.encode_iterable([line]))
    tracemalloc.start()
    try:
        count = sum(1 for _ in tokenizer.encode_iterable(line for _ in range(2_000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count > 50_000
    assert peak < 500_000  # bytes; the text has 560,000


def test_decode_takes_arrays_and_replaces_what_is_no_utf8(backend):
    tokenizer = small_tokenizer(backend)
    assert tokenizer.decode(np.array([0x61, 0xFF, 0x62])) == "a\ufffdb"
    assert tokenizer.decode_bytes([0x61, 0xFF]) == b"a\xff"


@pytest.mark.parametrize("token_id", [-1, 10_000, 2**40])
def test_decode_refuses_an_unknown_id(backend, token_id):
    with pytest.raises(TokenizerError, match=str(token_id)):
        small_tokenizer(backend).decode([97, token_id])


def test_a_lone_surrogate_is_refused_with_its_index(backend):
    with pytest.raises(TokenizerError, match=r"U\+D83D at index 2"):
        small_tokenizer(backend).encode("ab\ud83dc")


def test_a_tokenizer_survives_saving_and_pickling(backend, tmp_path):
    tokenizer = small_tokenizer(backend)
    tokenizer.save_gpt2(tmp_path / "vocab.json", tmp_path / "merges.txt")
    loaded = Tokenizer.from_files(
        tmp_path / "vocab.json", tmp_path / "merges.txt", SPECIAL_TOKENS, backend=backend
    )
    copied = pickle.loads(pickle.dumps(tokenizer))
    for other in (loaded, copied):
        assert other == tokenizer
        assert (other.vocab, other.merges) == (tokenizer.vocab, tokenizer.merges)
        assert other.encode("the dog<|endoftext|>") == tokenizer.encode("the dog<|endoftext|>")
        assert other.backend_name == backend


def test_the_digest_sees_every_part_and_no_backend():
    vocab, merges = small_vocabulary()
    tokenizer = Tokenizer(vocab, merges, ["<|endoftext|>"], backend="python")
    others = [
        Tokenizer(vocab, merges, [], backend="python"),
        Tokenizer(vocab, merges[::-1], ["<|endoftext|>"], backend="python"),
        Tokenizer(vocab | {5_000: b"unused"}, merges, ["<|endoftext|>"], backend="python"),
    ]
    assert len({tokenizer.digest, *(other.digest for other in others)}) == 4
    assert tokenizer == Tokenizer(vocab, merges, ["<|endoftext|>"])


def vocabulary_without(byte: int) -> dict[int, bytes]:
    return {other: bytes([other]) for other in range(256) if other != byte}


@pytest.mark.parametrize(
    ("vocab", "merges", "specials", "message"),
    [
        (vocabulary_without(7), [], [], "lacks 1 of the 256 single bytes, the first of them 0x07"),
        (vocabulary_without(256), [(b"a", b"b")], [], "merge 1 .* b'ab' is not in the vocabulary"),
        (vocabulary_without(256) | {300: b"a"}, [], [], "ids 97 and 300 both stand for b'a'"),
        (vocabulary_without(256) | {300: b""}, [], [], "id 300 stands for no bytes"),
        (vocabulary_without(256) | {-1: b"ab"}, [], [], "token id -1"),
        (vocabulary_without(256), [], [""], "empty string"),
        (vocabulary_without(256) | {256: b"ab"}, [(b"a", b"b")] * 2, [], "merge 2 repeats"),
    ],
)
def test_parts_that_do_not_fit_make_no_tokenizer(backend, vocab, merges, specials, message):
    with pytest.raises(TokenizerError, match=message):
        Tokenizer(vocab, merges, specials, backend=backend)


def test_an_unknown_backend_is_refused():
    vocab, merges = small_vocabulary()
    with pytest.raises(ConfigError, match='"auto", "native" or "python"'):
        Tokenizer(vocab, merges, backend="rust")


def test_without_the_extension_auto_says_once_that_python_is_slow():
    code = (
        "import sys; sys.modules['nano_transformer._native'] = None\n"
        "from nano_transformer.tokenization import train_bpe, Tokenizer\n"
        "for _ in range(2):\n"
        "    tokenizer = Tokenizer(*train_bpe(texts=['ab ab'], vocab_size=260))\n"
        "print(tokenizer.backend_name, len(tokenizer))\n"
    )
    result = run_python(code)
    assert result.stdout.split() == ["python", "259"]
    assert result.stderr.count("install Rust's cargo") == 1


def test_tokenization_and_token_caches_import_without_torch():
    code = (
        "import sys, nano_transformer.tokenization, nano_transformer.data.token_cache\n"
        "print('torch' in sys.modules)"
    )
    assert run_python(code).stdout.strip() == "False"


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_gpt2s_own_files_give_the_known_ids(backend, shared_folder: Path):
    folder = shared_folder / "models" / "gpt2-tokenizer"
    double = "<|endoftext|><|endoftext|>"
    tokenizer = Tokenizer.from_files(
        folder / "gpt2_vocab.json",
        folder / "gpt2_merges.txt",
        ["<|endoftext|>", double],
        backend=backend,
    )
    assert tokenizer.encode("Hello" + double + " x<|endoftext|>") == [15496, 50257, 2124, 50256]
    assert tokenizer.encode("hello world") == [31373, 995]
    assert tokenizer.end_of_text_id == 50256
