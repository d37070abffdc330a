"""The tokenizer gives the ids and cuts of tiktoken and Hugging Face's tokenizers."""

import lzma
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.tokenization import Tokenizer
from nano_transformer.tokenization.backend_choice import native_module
from nano_transformer.tokenization.formats.gpt2 import bytes_to_token
from nano_transformer.tokenization.reference import split_into_pre_tokens
from text_strategies import small_tokenizer, texts

tiktoken = pytest.importorskip("tiktoken")
tokenizers = pytest.importorskip("tokenizers")

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SLICE_BYTES = 300_000


def split(backend: str, text: str) -> list[bytes]:
    if backend == "python":
        return split_into_pre_tokens(text.encode(), "gpt2")
    return native_module().split_into_pre_tokens(text.encode(), "gpt2")


@cache
def peer_splitter():
    return tokenizers.pre_tokenizers.Split(tokenizers.Regex(PATTERN), "isolated")


def peer_split(text: str) -> list[bytes]:
    return [piece.encode() for piece, _ in peer_splitter().pre_tokenize_str(text)]


@cache
def tiktoken_of(tokenizer: Tokenizer):
    """Build tiktoken's tokenizer of the same vocabulary: single bytes first, then the merges."""
    specials = {token: tokenizer.token_to_id(token) for token in tokenizer.special_tokens}
    ranks = {t: i for i, t in tokenizer.vocab.items() if i not in specials.values()}
    return tiktoken.Encoding(
        "peer", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=specials
    )


@given(texts | st.text())
def test_the_cuts_are_those_of_tokenizers(backend, text):
    assert split(backend, text) == peer_split(text)


def assigned_blocks() -> Iterator[str]:
    """Yield the code points of the planes in use, between others that tell classes apart."""
    for block in [*range(0, 0x34000, 0x4000), 0xE0000, 0x100000]:
        codes = [code for code in range(block, block + 0x4000) if not 0xD800 <= code < 0xE000]
        yield "".join(f"a{chr(code)}1{chr(code)}." for code in codes)


@cache
def peer_splits_of_assigned_blocks() -> list[list[bytes]]:
    return [peer_split(text) for text in assigned_blocks()]


def test_every_code_point_has_the_class_that_tokenizers_gives_it(backend):
    for text, expected in zip(assigned_blocks(), peer_splits_of_assigned_blocks(), strict=True):
        assert split(backend, text) == expected, f"in the block at U+{ord(text[1]):04X}"


# tiktoken tries special tokens in no fixed order, so none of these may begin another.
PLAIN_SPECIALS = ("<|endoftext|>", "of text", " \n", "é😀")


@given(texts)
def test_ids_are_those_of_tiktoken_for_the_same_ranks(backend, text):
    tokenizer = small_tokenizer(backend, PLAIN_SPECIALS)
    peer = tiktoken_of(tokenizer)
    assert tokenizer.encode(text) == peer.encode(text, allowed_special="all")
    assert tokenizer.encode_ordinary(text) == peer.encode_ordinary(text)


@cache
def tokenizers_of(tokenizer: Tokenizer):
    ranks = {bytes_to_token(t): i for i, t in tokenizer.vocab.items()}
    merges = [tuple(map(bytes_to_token, pair)) for pair in tokenizer.merges]
    for token in tokenizer.special_tokens:  # their names are plain text, not mapped bytes
        ranks[token] = ranks.pop(bytes_to_token(token.encode()))
    peer = tokenizers.Tokenizer(tokenizers.models.BPE(ranks, merges))
    peer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    peer.add_special_tokens(
        [tokenizers.AddedToken(token, normalized=False) for token in tokenizer.special_tokens]
    )
    return peer


@given(texts)
def test_ids_are_those_of_tokenizers_when_special_tokens_overlap(backend, text):
    tokenizer = small_tokenizer(backend)
    peer = tokenizers_of(small_tokenizer("python"))
    assert tokenizer.encode(text) == peer.encode(text, add_special_tokens=False).ids


@pytest.fixture(scope="module")
def gpt2(backend, shared_folder: Path) -> Tokenizer:
    folder = shared_folder / "models" / "gpt2-tokenizer"
    return Tokenizer.from_files(
        folder / "gpt2_vocab.json",
        folder / "gpt2_merges.txt",
        ["<|endoftext|>"],
        backend=backend,
    )


@pytest.mark.parametrize(
    "name",
    [
        "tinystories.txt.xz",
        "code.txt.xz",
        "multilingual.txt.xz",
        "tinyshakespeare.txt",
        "robust/emoji-test.txt",
        "robust/crlf-bom-novel.txt",
        "robust/long-line-jquery.min.js",
        "robust/utf8-all-assigned-unseparated.txt",
    ],
)
def test_real_text_gives_the_ids_of_tiktoken(gpt2, shared_folder: Path, name):
    path = shared_folder / "corpora" / name
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        text = file.read(SLICE_BYTES).decode("utf-8", "ignore")
    token_ids = gpt2.encode(text)
    assert token_ids == tiktoken_of(gpt2).encode(text, allowed_special="all")
    assert list(gpt2.encode_iterable(text.splitlines(keepends=True))) == token_ids
    assert gpt2.decode(token_ids) == text
