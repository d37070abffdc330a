"""Long proofs, run by hand: the ids of tiktoken and tokenizers on all real text and on 200,000 strings."""

import lzma
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from nano_transformer.tokenization import Tokenizer
from text_strategies import broken_texts, small_vocabulary, texts

tiktoken = pytest.importorskip("tiktoken")
tokenizers = pytest.importorskip("tokenizers")
openai_public = pytest.importorskip("tiktoken_ext.openai_public")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200)]

BATCHES, BATCH = 20, 10_000
NAMES = {"gpt2": "r50k_base", "gpt4": "cl100k_base", "gpt4o": "o200k_base"}
# tiktoken tries special tokens in no fixed order, so none of these may begin another.
SPECIALS = ("<|endoftext|>", "of text", " \n", "é😀")


@cache
def tiktoken_pattern(name: str) -> str:
    """Return the regular expression that tiktoken gives one of its encodings."""
    found: list[str] = []
    load = openai_public.load_tiktoken_bpe
    # Its functions load the ranks from the network before they name the pattern.
    openai_public.load_tiktoken_bpe = lambda *_, **__: {}
    try:
        function = getattr(openai_public, NAMES[name])
        found.append(openai_public.r50k_pat_str if name == "gpt2" else function()["pat_str"])
    finally:
        openai_public.load_tiktoken_bpe = load
    return found[0]


def with_pattern(tokenizer: Tokenizer, pattern: str, backend: str) -> Tokenizer:
    return Tokenizer(
        tokenizer.vocab,
        tokenizer.merges,
        tokenizer.special_tokens,
        pattern=pattern,
        backend=backend,
    )


def tiktoken_of(tokenizer: Tokenizer):
    specials = {token: tokenizer.token_to_id(token) for token in tokenizer.special_tokens}
    ranks = {token: i for i, token in tokenizer.vocab.items() if i not in specials.values()}
    return tiktoken.Encoding(
        "peer",
        pat_str=tiktoken_pattern(tokenizer.pattern),
        mergeable_ranks=ranks,
        special_tokens=specials,
    )


def tokenizers_of(tokenizer: Tokenizer, folder: Path):
    path = folder / f"{tokenizer.pattern}.json"
    tokenizer.save_huggingface(path)
    return tokenizers.Tokenizer.from_file(str(path))


@pytest.fixture(scope="module", params=NAMES)
def pattern(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def gpt2_vocabulary(shared_folder) -> Tokenizer:
    folder = shared_folder / "models" / "gpt2-tokenizer"
    return Tokenizer.from_files(
        folder / "gpt2_vocab.json", folder / "gpt2_merges.txt", ["<|endoftext|>"]
    )


def corpora() -> list[Path]:
    folder = Path(__file__).resolve().parent.parent.parent / "shared" / "corpora"
    files = [path for path in folder.rglob("*") if ".txt" in path.name or "robust" in path.parts]
    return sorted(path for path in files if path.is_file())


@pytest.mark.parametrize("path", corpora(), ids=lambda path: path.name)
def test_every_corpus_gives_the_ids_of_both_libraries(
    both_backends, gpt2_vocabulary, pattern, path, tmp_path
):
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        data = file.read()
    text = data.decode("utf-8", "replace")
    native, python = (with_pattern(gpt2_vocabulary, pattern, b) for b in ("native", "python"))
    token_ids = native.encode(text)
    assert token_ids == tiktoken_of(native).encode(text, allowed_special="all")
    peer = tokenizers_of(native, tmp_path)
    # Hugging Face's library is slow, and slower on long texts: documents one by one.
    documents = text.split("<|endoftext|>")
    encoded = peer.encode_batch_fast(documents, add_special_tokens=False)
    assert [e.ids for e in encoded] == native.encode_batch(documents)
    assert token_ids == python.encode(text)
    assert native.encode(data) == python.encode(data)
    assert native.decode_bytes(native.encode(data)) == data
    assert list(native.encode_iterable(text.splitlines(keepends=True))) == token_ids


@pytest.mark.parametrize("batch", range(BATCHES))
def test_200_000_strings_give_the_ids_of_both_libraries(both_backends, pattern, batch, tmp_path):
    vocab, merges = small_vocabulary()
    native, python = (
        Tokenizer(vocab, merges, SPECIALS, pattern=pattern, backend=backend)
        for backend in ("native", "python")
    )
    first, second = tiktoken_of(native), tokenizers_of(native, tmp_path)

    @seed(batch)
    @settings(max_examples=BATCH, database=None, suppress_health_check=list(HealthCheck))
    @given(texts | st.text(), broken_texts)
    def same_ids(text, data):
        token_ids = native.encode(text)
        assert token_ids == python.encode(text)
        assert token_ids == first.encode(text, allowed_special="all")
        assert token_ids == second.encode(text, add_special_tokens=False).ids
        assert native.encode_ordinary(text) == first.encode_ordinary(text)
        data_ids = native.encode(data)
        assert data_ids == python.encode(data)
        assert native.decode_bytes(data_ids) == data

    same_ids()
