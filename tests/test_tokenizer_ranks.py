"""Ranks mean the same to us and to tiktoken, whichever of the two wrote them."""

import base64
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from definition_strategies import rank_tables
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization import Tokenizer, formats
from nano_transformer.tokenization.definition import TokenizerDefinition
from nano_transformer.tokenization.formats.tiktoken import merges_of_ranks
from text_strategies import small_vocabulary, texts

tiktoken = pytest.importorskip("tiktoken")
tiktoken_load = pytest.importorskip("tiktoken.load")

BYTES = {bytes([byte]): byte for byte in range(256)}
TIKTOKEN_PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "gpt4": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
}
rank_texts = st.text(alphabet="abc ", max_size=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One folder for all examples of a test: hypothesis makes no new one for each."""
    return tmp_path_factory.mktemp("formats")


@pytest.fixture(autouse=True)
def no_cache_of_rank_files(monkeypatch):
    # Else tiktoken keeps a file of each name it ever read, and reads that one next time.
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")


def write_ranks(path: Path, ranks: dict[bytes, int]) -> Path:
    lines = [f"{base64.b64encode(token).decode()} {rank}" for token, rank in ranks.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def encoding_of(ranks: dict[bytes, int], pattern: str, specials: dict[str, int]):
    return tiktoken.Encoding(
        "peer",
        pat_str=TIKTOKEN_PATTERNS.get(pattern, pattern),
        mergeable_ranks=ranks,
        special_tokens=specials,
    )


@given(rank_tables(), rank_texts)
@example(BYTES | {b"abc": 256, b"ab": 300}, "abcab")  # made of a part of a higher rank
@example(BYTES | {b"ab": 256, b"bc": 257, b"abcb": 258}, "abcb abc")  # never merged
@example(BYTES | {b"bc": 256, b"abc": 257, b"ab": 258, b"aab": 259}, "aabc aab")
def test_any_table_of_ranks_gives_the_ids_of_tiktoken(backend, folder, ranks, text):
    path = write_ranks(folder / "any.tiktoken", ranks)
    tokenizer = Tokenizer.from_tiktoken(path, pattern="gpt2", backend=backend)
    assert tokenizer.encode(text) == encoding_of(ranks, "gpt2", {}).encode_ordinary(text)


@given(rank_tables(), rank_texts)
def test_a_table_of_ranks_is_written_as_it_was_read(folder, ranks, text):
    path = write_ranks(folder / "read.tiktoken", ranks)
    definition = formats.read_tiktoken(path, pattern="gpt2")
    formats.write_tiktoken(folder / "written.tiktoken", definition)
    assert formats.read_tiktoken(folder / "written.tiktoken", pattern="gpt2") == definition
    assert tiktoken_load.load_tiktoken_bpe(str(folder / "written.tiktoken")) == ranks


def test_whole_pre_tokens_are_looked_up_only_where_merging_does_not_reach_them(tmp_path):
    assert merges_of_ranks(BYTES | {b"ab": 300, b"abc": 301}) == (
        [(b"a", b"b"), (b"ab", b"c")],
        False,
    )
    assert merges_of_ranks(BYTES | {b"bc": 300, b"abc": 301, b"dcba": 302}) == (
        [(b"b", b"c"), (b"a", b"bc")],
        True,
    )


def test_every_order_of_merges_gives_tiktokens_ids_or_is_refused(tmp_path):
    path = tmp_path / "permuted.tiktoken"
    words = [
        "".join(word) for size in range(1, 6) for word in itertools.product("abc", repeat=size)
    ]
    orders = list(
        itertools.permutations([(b"a", b"b"), (b"b", b"c"), (b"ab", b"c"), (b"a", b"bc")])
    )
    written = 0
    for merges in orders:
        made = dict.fromkeys(left + right for left, right in merges)
        definition = TokenizerDefinition(
            vocab=dict(enumerate([*BYTES, *made])), merges=list(merges), special_tokens=[]
        )
        try:
            formats.write_tiktoken(path, definition)
        except TokenizerError:
            continue
        written += 1
        peer = encoding_of(tiktoken_load.load_tiktoken_bpe(str(path)), "gpt2", {})
        ours = Tokenizer.from_definition(definition, backend="python")
        assert peer.encode_batch(words, num_threads=1) == ours.encode_batch(words)
    assert 0 < written < len(orders)  # one of the pairs that make `abc` is never joined


@pytest.mark.parametrize("pattern", TIKTOKEN_PATTERNS)
@given(text=texts)
def test_tiktoken_loads_our_ranks_and_gives_equal_ids(folder, pattern, text):
    vocab, merges = small_vocabulary()
    tokenizer = Tokenizer(vocab, merges, ["<|endoftext|>", "é😀"], pattern=pattern)
    tokenizer.save_tiktoken(folder / "ours.tiktoken")
    ranks = tiktoken_load.load_tiktoken_bpe(str(folder / "ours.tiktoken"))
    specials = {name: tokenizer.token_to_id(name) for name in tokenizer.special_tokens}
    peer = encoding_of(ranks, pattern, specials)
    assert peer.encode(text, allowed_special="all") == tokenizer.encode(text)
    back = Tokenizer.from_tiktoken(
        folder / "ours.tiktoken", pattern=pattern, special_tokens=specials
    )
    assert back == tokenizer


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (
            TokenizerDefinition(
                vocab=dict(enumerate(BYTES)) | {257: b"ab", 256: b"abc"},
                merges=[(b"a", b"b"), (b"ab", b"c")],
                special_tokens=[],
            ),
            r"next it joins \(b'a', b'b'\), and tiktoken would join \(b'ab', b'c'\)",
        ),
        (
            TokenizerDefinition(
                vocab=dict(enumerate(BYTES)) | {256: b"ab"}, merges=[], special_tokens=[]
            ),
            r"next it joins nothing, and tiktoken would join \(b'a', b'b'\)",
        ),
        (
            TokenizerDefinition(
                vocab=dict(enumerate(BYTES)) | {256: b"abc"}, merges=[], special_tokens=[]
            ),
            "takes a pre-token that is a token as a whole",
        ),
    ],
)
def test_ids_that_are_no_ranks_are_refused_with_the_merge(tmp_path, definition, message):
    with pytest.raises(TokenizerError, match=message):
        formats.write_tiktoken(tmp_path / "x.tiktoken", definition)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_gpt2s_real_tokenizer_passes_through_every_format(shared_folder: Path, tmp_path):
    source = shared_folder / "models" / "gpt2-tokenizer"
    files = source / "gpt2_vocab.json", source / "gpt2_merges.txt"
    tokenizer = Tokenizer.from_files(*files, ["<|endoftext|>"])
    tokenizer.save(tmp_path / "own.json")
    assert Tokenizer.load(tmp_path / "own.json") == tokenizer
    tokenizer.save_huggingface(tmp_path / "tokenizer.json")
    assert Tokenizer.from_huggingface(tmp_path / "tokenizer.json") == tokenizer
    tokenizer.save_tiktoken(tmp_path / "r50k.tiktoken")
    specials = {"<|endoftext|>": 50_256}
    again = Tokenizer.from_tiktoken(
        tmp_path / "r50k.tiktoken", pattern="gpt2", special_tokens=specials
    )
    assert again == tokenizer
    written = tmp_path / "vocab.json", tmp_path / "merges.txt"
    again.save_gpt2(*written)
    merges = [path.read_bytes().removeprefix(b"#version: 0.2\n") for path in (written[1], files[1])]
    assert merges[0] == merges[1], "the merges differ"
    vocab = [json.loads(path.read_bytes()) for path in (written[0], files[0])]
    assert vocab[0] == vocab[1], "the vocabularies differ"
    text = (shared_folder / "corpora" / "tinyshakespeare.txt").read_text(encoding="utf-8")[:100_000]
    ranks = tiktoken_load.load_tiktoken_bpe(str(tmp_path / "r50k.tiktoken"))
    assert encoding_of(ranks, "gpt2", specials).encode_ordinary(text) == tokenizer.encode(text)
