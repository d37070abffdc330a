"""Ids of texts of any length, to files and streams and back."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.errors import DataError
from nano_transformer.tokenization import Tokenizer, file_encoding, file_ids
from text_strategies import SPECIAL_TOKENS, broken_texts, small_tokenizer


def test_wide_vocabularies_get_wide_ids(tmp_path):
    arrays = [np.array([0, 65_536], np.uint32), np.array([7], np.int64)]
    for size, dtype in ((65_537, np.uint32), (65_538, np.uint32)):
        assert file_ids.save_token_ids(tmp_path / "x.npy", arrays, size) == 3
        assert np.load(tmp_path / "x.npy").dtype == dtype
        assert np.load(tmp_path / "x.npy").tolist() == [0, 65_536, 7]
    assert file_ids.save_token_ids(tmp_path / "x.npy", arrays[1:], 65_536) == 1
    assert np.load(tmp_path / "x.npy").dtype == np.uint16


@given(st.lists(broken_texts, max_size=4), st.sampled_from([1, 3, 50]))
def test_a_text_in_blocks_has_the_ids_of_the_whole(backend, blocks, chunk_characters):
    tokenizer = small_tokenizer(backend, tuple(SPECIAL_TOKENS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_ids, "CHUNK_CHARACTERS", chunk_characters)
        patch.setattr(file_ids, "IDS_AT_ONCE", chunk_characters)
        for ordinary, encode in ((False, tokenizer.encode), (True, tokenizer.encode_ordinary)):
            arrays = file_ids.encode_blocks(tokenizer, blocks, ordinary=ordinary)
            written = "".join(file_ids.ids_as_text(arrays))
            assert written == " ".join(map(str, encode(b"".join(blocks)))) + "\n"


@given(
    text=broken_texts,
    stretch_bytes=st.sampled_from([1, 5, 1 << 28]),
    num_threads=st.sampled_from([1, 2]),
    has_wide_ids=st.booleans(),
)
def test_a_file_has_the_ids_of_its_bytes(backend, text, stretch_bytes, num_threads, has_wide_ids):
    special_tokens = tuple(SPECIAL_TOKENS)
    tokenizer = small_tokenizer(backend, special_tokens)
    if has_wide_ids:
        vocab = {70_000 + i: token for i, token in tokenizer.vocab.items()}
        tokenizer = Tokenizer(vocab, tokenizer.merges, special_tokens, backend=backend)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_encoding, "STRETCH_BYTES", stretch_bytes)
        path = Path(folder) / "text"
        path.write_bytes(text)
        for ordinary, encode in ((False, tokenizer.encode), (True, tokenizer.encode_ordinary)):
            ids = tokenizer.encode_file(path, ordinary=ordinary, num_threads=num_threads)
            assert ids.tolist() == encode(text)
            assert ids.dtype == (np.uint32 if has_wide_ids else np.uint16)


def test_only_a_file_has_ids(backend, tmp_path):
    tokenizer = small_tokenizer(backend, ())
    with pytest.raises(FileNotFoundError):
        tokenizer.encode_file(tmp_path / "none")
    with pytest.raises(DataError, match="is no regular file"):
        tokenizer.encode_file(tmp_path)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("block_bytes", [8, 16, 1 << 20])
def test_ids_are_read_from_every_form(monkeypatch, block_bytes):
    monkeypatch.setattr(file_ids, "BLOCK_BYTES", block_bytes)
    ids = [0, 7, 300, 65_535, 12]
    forms = [npy(np.array(ids, dtype)) for dtype in ("<u2", ">u2", "<u4", "<i8", "i4")]
    forms += [" ".join(map(str, ids)).encode(), "\n".join(map(str, ids)).encode() + b"\n"]
    forms += [str(ids).encode(), b"\t".join(str(i).encode() for i in ids), b"\r\n0,7,300,65535,12"]
    for form in forms:
        arrays = file_ids.read_token_ids(io.BytesIO(form), "x")
        assert [i for array in arrays for i in array.tolist()] == ids, form


def test_what_is_no_ids_is_refused():
    for form, message in (
        (b"1 2 three", "holds 'three', which is no token id"),
        (b"1 -2", "holds '-2'"),
        (b"9" * 5_000_000, "which is no token id"),
        (npy(np.zeros((2, 2), np.int64)), r"shape \(2, 2\)"),
        (npy(np.zeros(3)), "type float64"),
        (npy(np.arange(9))[:-3], "cut short"),
        (b"\x93NUMPY\x01\x00\x04\x00oops", "no .npy header"),
        (b"\x93NUMPY\x09\x00", "no .npy header"),
    ):
        with pytest.raises(DataError, match=message):
            list(file_ids.read_token_ids(io.BytesIO(form), "x"))
