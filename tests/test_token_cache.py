"""A token cache holds what its definition says, alike from either backend, or is not read."""

import hashlib
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.data import token_cache
from nano_transformer.data.token_cache import (
    TokenDataset,
    build_token_cache,
    open_or_build_token_cache,
    open_token_cache,
)
from nano_transformer.errors import ConfigError, DataError
from nano_transformer.tokenization import Tokenizer, token_arrays
from text_strategies import broken_texts, small_tokenizer, small_vocabulary, texts

END = "<|endoftext|>"
STORIES = f"the dog{END}\nthe zebra don't\n{END}\r\n  \n{END}{END}\n\n a 42{END}"
DOCUMENTS = ["the dog", "the zebra don't\n", "\n a 42"]


def whole(path: Path) -> tuple[Path, int, int]:
    return path, 0, path.stat().st_size


def write_stories(folder: Path, name: str = "stories.txt", text: str = STORIES) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def expected_rows(
    data: bytes, span: tuple[int, int], delimiter: bytes | None
) -> list[tuple[int, bytes]]:
    """Cut by the definition; return offset and bytes of each document."""
    start, stop = span
    rows: list[tuple[int, bytes]] = []
    while True:
        found = -1 if delimiter is None else data.find(delimiter, start, stop)
        piece = data[start : stop if found < 0 else found]
        if piece.strip(b" \t\n\r\v\f"):
            rows.append((start, piece))
        if found < 0:
            return rows
        start = found + len(delimiter or b"")
        for line_break in (b"\r\n", b"\n"):
            if data.startswith(line_break, start, stop):
                start += len(line_break)
                break


def content_hash(piece: bytes) -> int:
    return int.from_bytes(hashlib.sha256(piece).digest()[:8], "little")


def write_arrays(tokenizer: Tokenizer, spans: Sequence[Any], **options: Any) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        tokens, documents = Path(folder) / "t.npy", Path(folder) / "d.npy"
        counts = tokenizer.write_token_arrays(spans, tokens, documents, **options)
        assert counts == (len(np.load(tokens)), len(np.load(documents)))
        return tokens.read_bytes(), documents.read_bytes()


many_documents = st.lists(
    broken_texts | texts.map(str.encode) | st.sampled_from([b" \n", b"\r\n", b"\n", b""]),
    max_size=6,
).map(END.encode().join)


@given(many_documents, st.data(), st.sampled_from([0, 1 << 63]), st.booleans())
def test_documents_and_tokens_are_those_of_the_definition(backend, data, draw, below, keep):
    tokenizer = small_tokenizer(backend)
    start, stop = sorted(draw.draw(st.tuples(*[st.integers(0, len(data))] * 2)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text"
        path.write_bytes(data)
        files = write_arrays(
            tokenizer,
            [(str(path), start, stop), (str(path), 0, len(data))],
            encoding_errors="replace",
            held_out_below=below,
            keep_held_out=keep,
        )
    tokens: list[int] = []
    rows: list[tuple[int, int, int, int, int]] = []
    for span in [(start, stop), (0, len(data))]:
        for offset, piece in expected_rows(data, span, END.encode()):
            if (content_hash(piece) < below) == keep:
                rows.append((len(tokens), offset, len(piece), 0, content_hash(piece)))
                tokens.append(tokenizer.end_of_text_id)
                tokens.extend(tokenizer.encode(piece.decode("utf-8", "replace")))
    assert files[0][128:] == np.array(tokens, "<u2").tobytes()
    assert files[1][256:] == np.array(rows, token_arrays.DOCUMENT_DTYPE).tobytes()


@given(
    st.lists(many_documents, min_size=1, max_size=3),
    st.sampled_from([1, 3]),
    st.sampled_from([0, 1 << 62, (1 << 64) - 1]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["gpt2", "gpt4", "gpt4o", r"\p{L}+|\s+(?!\S)|."]),
)
def test_both_backends_write_the_same_bytes(
    both_backends, data, threads, below, keep, delimited, pattern
):
    vocab, merges = small_vocabulary()
    specials = [END, "of text"] if delimited else ["of text"]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(index) for index in range(len(data))]
        for path, content in zip(paths, data, strict=True):
            path.write_bytes(content)
        native, python = (
            write_arrays(
                Tokenizer(vocab, merges, specials, pattern=pattern, backend=backend),
                [(str(path), *whole(path)[1:]) for path in paths],
                encoding_errors="replace",
                held_out_below=below,
                keep_held_out=keep,
                num_threads=threads,
            )
            for backend in ("native", "python")
        )
    assert native == python


@pytest.mark.parametrize("num_threads", [1, 3])
def test_both_backends_write_the_same_bytes_of_a_text_of_many_chunks(both_backends, num_threads):
    line = "the dog and the zebra don't, 42 times.\r\n"
    giant, small = line * 60_000, line * 3 + END + "\n"
    vocab, merges = small_vocabulary()
    with tempfile.TemporaryDirectory() as folder:
        path = write_stories(Path(folder), text=small * 500 + giant + END + small * 500 + giant)
        native, python = (
            write_arrays(
                Tokenizer(vocab, merges, [END], backend=backend),
                [(str(path), *whole(path)[1:])],
                num_threads=num_threads,
            )
            for backend in ("native", "python")
        )
    assert native == python


@pytest.mark.parametrize(
    "name", ["latin1-french.txt", "utf16le-japanese.bin", "utf32be-arabic.bin", "emoji-test.txt"]
)
def test_both_backends_write_the_same_bytes_of_real_odd_files(both_backends, shared_folder, name):
    path = shared_folder / "corpora" / "robust" / name
    native, python = (
        write_arrays(
            small_tokenizer(backend),
            [(str(path), 0, 100_000)],
            encoding_errors="replace",
            num_threads=2,
        )
        for backend in ("native", "python")
    )
    assert native == python


@given(many_documents, st.integers(1, 40))
def test_the_python_twin_writes_the_same_bytes_for_every_block_size(data, block_bytes):
    tokenizer = small_tokenizer("python")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "text"
        path.write_bytes(data)
        spans = [(str(path), 0, len(data))]
        expected = write_arrays(tokenizer, spans, encoding_errors="replace")
        patch.setattr(token_arrays, "BLOCK_BYTES", block_bytes)
        assert write_arrays(tokenizer, spans, encoding_errors="replace") == expected


def test_a_built_cache_reads_back_as_the_documents_it_was_made_from(backend, tmp_path):
    tokenizer = small_tokenizer(backend)
    stories = write_stories(tmp_path)
    other = write_stories(tmp_path, "other.txt", f"é{END}\nof text!")
    dataset = build_token_cache(tokenizer, [whole(stories), whole(other)], tmp_path / "x.npy")
    found = [tokenizer.decode(dataset.document_tokens(i)) for i in range(dataset.num_documents)]
    assert found == [END + text for text in [*DOCUMENTS, "é", "of text!"]]
    assert dataset.num_bytes == sum(len(text.encode()) for text in [*DOCUMENTS, "é", "of text!"])
    assert (dataset.tokens.dtype, dataset.tokens.ndim) == (np.uint16, 1)
    assert isinstance(dataset.tokens, np.memmap)
    assert dataset.end_of_text_id == tokenizer.end_of_text_id
    assert dataset.tokenizer_digest == tokenizer.digest
    assert np.array_equal(np.load(tmp_path / "x.npy"), dataset.tokens)
    assert np.array_equal(np.load(tmp_path / "x.documents.npy"), dataset.documents)


def test_document_ids_and_traces_lead_back_to_the_bytes(tmp_path):
    tokenizer = small_tokenizer("python")
    paths = [write_stories(tmp_path), write_stories(tmp_path, "other.txt", "ab ab")]
    dataset = build_token_cache(tokenizer, [whole(path) for path in paths], tmp_path / "x.npy")
    is_start = dataset.tokens == tokenizer.end_of_text_id
    expected = np.cumsum(is_start) - 1
    assert np.array_equal(dataset.document_ids[:], expected)
    assert np.array_equal(dataset.document_ids[3:-2], expected[3:-2])
    places = np.array([[0, 5], [7, len(dataset) - 1]])
    assert np.array_equal(dataset.document_ids_at(places), expected[places])
    assert dataset.document_ids[3:9].dtype == np.int64
    for position in range(len(dataset)):
        origin = dataset.trace(position)
        data = Path(origin.source).read_bytes()
        text = data[origin.byte_start : origin.byte_start + origin.byte_length]
        tokens = dataset.document_tokens(origin.document)
        assert origin.document == expected[position]
        assert tokenizer.decode_bytes(tokens) == END.encode() + text
    with pytest.raises(IndexError):
        dataset.trace(len(dataset))


def test_held_out_documents_and_the_others_make_up_the_whole(backend, tmp_path):
    tokenizer = small_tokenizer(backend)
    documents = [f"the dog {number}" for number in range(300)]
    span = whole(write_stories(tmp_path, text=END.join(documents)))
    sides = [
        build_token_cache(
            tokenizer, [span], tmp_path / f"{kept}.npy", held_out_share=0.25, keep_held_out=kept
        )
        for kept in (False, True)
    ]
    texts_of = [
        [tokenizer.decode(side.document_tokens(i)[1:]) for i in range(side.num_documents)]
        for side in sides
    ]
    assert 40 < len(texts_of[1]) < 110
    assert sorted(texts_of[0] + texts_of[1]) == sorted(documents)


def test_a_large_vocabulary_takes_four_bytes_an_id(backend, tmp_path):
    vocab, merges = small_vocabulary()
    tokenizer = Tokenizer(vocab | {70_000: b"unused"}, merges, [END], backend=backend)
    dataset = build_token_cache(tokenizer, [whole(write_stories(tmp_path))], tmp_path / "x.npy")
    assert dataset.tokens.dtype == np.uint32
    assert tokenizer.decode(dataset.document_tokens(0)) == END + DOCUMENTS[0]


def test_without_an_end_of_text_token_each_span_is_one_document(backend, tmp_path):
    vocab, merges = small_vocabulary()
    plain = {token_id: token for token_id, token in vocab.items() if token != END.encode()}
    tokenizer = Tokenizer(plain, merges, backend=backend)
    dataset = build_token_cache(tokenizer, [whole(write_stories(tmp_path))], tmp_path / "x.npy")
    assert dataset.num_documents == 1
    assert dataset.end_of_text_id is None
    assert tokenizer.decode(dataset.tokens) == STORIES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (f" \n{END}\r\n\t{END}".encode(), "holds no documents"),
        (
            b"caf\xc3\xa9 <|endoftext|>\n caf\xe9 <|endoftext|>",
            "offset 24.*--encoding-errors",
        ),
        (b"abc <|endoftext|>\xe2\x82<|endoftext|>\xac", "at byte offset 17;"),
    ],
)
def test_a_text_that_makes_no_cache_is_refused_with_the_reason(backend, tmp_path, content, message):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"text\.txt` .*{message}"):
        build_token_cache(small_tokenizer(backend), [whole(path)], tmp_path / "out" / "x.npy")
    assert {file.name for file in tmp_path.glob("out/*")} <= {".x.npy.lock"}


def test_a_missing_file_a_folder_and_bytes_out_of_range_are_refused(tmp_path):
    tokenizer, path = small_tokenizer("python"), write_stories(tmp_path)
    for span, message in [
        ((tmp_path / "none.txt", 0, 1), "does not exist"),
        ((tmp_path, 0, 1), "is a folder"),
        ((path, 0, 10_000), "do not lie in"),
    ]:
        with pytest.raises(DataError, match=message):
            build_token_cache(tokenizer, [span], tmp_path / "x.npy")
    with pytest.raises(DataError, match="none was given"):
        build_token_cache(tokenizer, [], tmp_path / "x.npy")
    with pytest.raises(ConfigError, match=r"\.npy"):
        build_token_cache(tokenizer, [whole(path)], tmp_path / "x.bin")
    with pytest.raises(ConfigError, match="held_out_share"):
        build_token_cache(tokenizer, [whole(path)], tmp_path / "x.npy", held_out_share=1.0)


def test_a_text_that_changes_while_it_is_read_makes_no_cache(tmp_path):
    path, cache_path = write_stories(tmp_path), tmp_path / "x.npy"

    def append(*_: object) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(DataError, match="changed while reading"):
        build_token_cache(small_tokenizer("python"), [whole(path)], cache_path, progress=append)
    assert {file.name for file in tmp_path.iterdir()} == {"stories.txt", ".x.npy.lock"}


def test_an_interrupted_build_leaves_the_old_cache_and_no_leftovers(tmp_path):
    path, cache_path = write_stories(tmp_path), tmp_path / "x.npy"
    build_token_cache(small_tokenizer("python"), [whole(path)], cache_path)
    before = sorted(tmp_path.iterdir())

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_token_cache(small_tokenizer("python"), [whole(path)], cache_path, progress=interrupt)
    assert sorted(tmp_path.iterdir()) == before
    assert open_token_cache(cache_path, verify=True).num_documents == 3


def test_leftovers_of_a_killed_build_are_swept_and_others_are_not(tmp_path):
    path = write_stories(tmp_path)
    stale = [tmp_path / f".{name}.123.partial" for name in ("x.npy", "x.documents.npy", "x.json")]
    foreign = tmp_path / ".y.npy.123.partial"
    for leftover in [*stale, foreign]:
        leftover.touch()
    build_token_cache(small_tokenizer("python"), [whole(path)], tmp_path / "x.npy")
    assert not any(leftover.exists() for leftover in stale)
    assert foreign.exists()


class Reopened:
    """Opens or builds one cache again and again, and remembers why it was built."""

    def __init__(self, folder: Path) -> None:
        self.path = write_stories(folder)
        self.cache_path = folder / "x.npy"
        self.events: list[str] = []

    def __call__(self, tokenizer: Tokenizer | None = None, **options: Any) -> TokenDataset:
        return open_or_build_token_cache(
            tokenizer or small_tokenizer("python"),
            [whole(self.path)],
            self.cache_path,
            on_event=self.events.append,
            **options,
        )


@pytest.fixture
def reopened(tmp_path) -> Reopened:
    cache = Reopened(tmp_path)
    cache()
    assert len(cache.events) == 1
    assert "there is none yet" in cache.events.pop()
    return cache


def test_a_fitting_cache_is_opened_and_not_built(reopened, monkeypatch):
    monkeypatch.setattr(token_cache, "_write", lambda *_: pytest.fail("built again"))
    assert reopened().num_documents == 3
    moment = reopened.path.stat().st_mtime_ns + 10**9
    os.utime(reopened.path, ns=(moment, moment))  # the SHA-256 tells that nothing else changed
    assert reopened().num_documents == 3
    assert reopened.events == []


def test_a_cache_whose_text_has_moved_traces_to_where_it_is_now(reopened, tmp_path):
    reopened.path = Path(shutil.move(reopened.path, tmp_path / "moved.txt"))
    assert reopened().trace(0).source == str(tmp_path / "moved.txt")
    assert reopened.events == []


def test_a_cache_that_does_not_fit_is_built_again_and_the_reason_told(reopened):
    vocab, merges = small_vocabulary()
    reopened(Tokenizer(vocab, merges[:-1], [END], backend="python"))
    assert "another tokenizer" in reopened.events[-1]
    reopened()
    reopened(encoding_errors="replace")
    assert "`encoding_errors` 'strict' instead of 'replace'" in reopened.events[-1]
    reopened(encoding_errors="replace", force_rebuild=True)
    assert "asked for" in reopened.events[-1]
    reopened()
    reopened.path.write_bytes(STORIES.replace("dog", "cat").encode())
    assert reopened().num_documents == 3
    assert "is not the text" in reopened.events[-1]
    assert small_tokenizer("python").decode(reopened().document_tokens(0)) == END + "the cat"
    assert len(reopened.events) == 6


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("x.npy", lambda data: data[:-1], "bytes instead of"),
        ("x.npy", lambda data: data + b"\0\0", "bytes instead of"),
        ("x.npy", lambda data: data.replace(b"<u2", b"<i2"), "another header"),
        ("x.documents.npy", lambda data: data[:-36], "bytes instead of"),
        ("x.documents.npy", lambda data: data[:256] + b"\1" + data[257:], "table .* is damaged"),
        ("x.json", lambda data: data[:-20], "is not the JSON"),
        (
            "x.json",
            lambda data: data.replace(b"num_bytes", b"num_butes"),
            "unknown key `num_butes`",
        ),
        ("x.json", lambda data: data.replace(b'version": 1', b'version": 2'), "format version 2"),
        ("x.json", None, "does not exist"),
        ("x.npy", None, "is missing"),
    ],
)
def test_a_torn_or_foreign_cache_is_refused_and_then_replaced(reopened, name, damage, message):
    path = reopened.cache_path.parent / name
    data = path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(data))
    with pytest.raises(DataError, match=message):
        open_token_cache(reopened.cache_path)
    assert reopened().num_documents == 3
    assert path.read_bytes() == data
    assert len(reopened.events) == 1


def test_a_dataset_carries_the_tokenizer_it_was_made_with_and_refuses_another(tmp_path):
    tokenizer, path = small_tokenizer("python"), tmp_path / "x.npy"
    built = build_token_cache(tokenizer, [whole(write_stories(tmp_path))], path)
    opened = open_token_cache(path, tokenizer=tokenizer)
    assert built.tokenizer == opened.tokenizer == tokenizer
    assert built.digest == opened.digest == open_token_cache(path).digest
    assert open_token_cache(path).tokenizer is None
    other = Tokenizer(tokenizer.vocab, tokenizer.merges[:-1], tokenizer.special_tokens)
    with pytest.raises(DataError, match="made with another tokenizer"):
        open_token_cache(path, tokenizer=other)


def test_verifying_finds_one_flipped_bit(reopened):
    data = bytearray(reopened.cache_path.read_bytes())
    data[-1] ^= 0x10
    reopened.cache_path.write_bytes(data)
    open_token_cache(reopened.cache_path)
    with pytest.raises(DataError, match="is damaged between bytes 0 and"):
        open_token_cache(reopened.cache_path, verify=True)


def test_a_dataset_sent_to_another_process_maps_the_files_again(reopened):
    reopened()
    dataset = open_token_cache(reopened.cache_path)
    data = pickle.dumps(dataset)
    assert len(data) < 1_000  # a path, and no arrays
    copied = pickle.loads(data)
    assert isinstance(copied.tokens, np.memmap)
    assert np.array_equal(copied.tokens, dataset.tokens)


def test_the_record_says_what_the_cache_was_made_from(reopened):
    record = json.loads((reopened.cache_path.parent / "x.json").read_text())
    data = reopened.path.read_bytes()
    assert record["format_version"] == 1
    assert (record["dtype"], record["num_documents"]) == ("uint16", 3)
    assert record["num_bytes"] == sum(map(len, DOCUMENTS))
    assert record["tokenizer"]["digest"] == small_tokenizer("python").digest
    assert record["sources"][0]["sha256"] == hashlib.sha256(data).hexdigest()
    assert record["sources"][0]["size"] == len(data)
    assert record["spans"] == [[0, 0, len(data)]]
    tokens = (reopened.cache_path).read_bytes()
    assert record["digests"]["tokens"] == [hashlib.sha256(tokens).hexdigest()]


def test_the_headers_have_their_fixed_lengths_and_are_numpys():
    for dtype, count, header, length in [
        (np.dtype("<u2"), 5, token_arrays.tokens_header("<u2", 5), 128),
        (np.dtype("<u4"), 10**12, token_arrays.tokens_header("<u4", 10**12), 128),
        (token_arrays.DOCUMENT_DTYPE, 7, token_arrays.documents_header(7), 256),
    ]:
        assert len(header) == length
        text = header[10:].decode()
        assert text.endswith("\n")
        fields = eval(text)  # numpy itself reads it so, by `ast.literal_eval`
        assert (np.dtype(fields["descr"]), fields["shape"]) == (dtype, (count,))
    assert token_arrays.DOCUMENT_DTYPE.itemsize == 36
