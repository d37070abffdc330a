"""How the documents in spans of files become the two arrays of a token cache, in plain Python."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from nano_transformer.errors import DataError
from nano_transformer.tokenization.backend import Progress, Span
from nano_transformer.tokenization.streaming import (
    EncodingErrors,
    decode_blocks,
    separable_chunks,
)
from nano_transformer.tokenization.throttle import throttled

DOCUMENT_DTYPE = np.dtype(
    [
        ("token_start", "<i8"),
        ("byte_start", "<i8"),
        ("byte_length", "<i8"),
        ("source", "<i4"),
        ("content_hash", "<u8"),
    ]
)
"""One row a document: 36 bytes, packed."""

TOKENS_HEADER_BYTES = 128
DOCUMENTS_HEADER_BYTES = 256

BLOCK_BYTES = 1 << 20


def token_dtype(largest_id: int) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
    """Return the narrowest little-endian type of a token id."""
    return np.dtype("<u2") if largest_id < 1 << 16 else np.dtype("<u4")


def tokens_header(dtype: npt.DTypeLike, num_tokens: int) -> bytes:
    """Return the first bytes of the .npy file of `num_tokens` ids."""
    return _npy_header(np.dtype(dtype).str, num_tokens, TOKENS_HEADER_BYTES)


def documents_header(num_documents: int) -> bytes:
    """Return the first bytes of the .npy file of `num_documents` rows."""
    return _npy_header(DOCUMENT_DTYPE.descr, num_documents, DOCUMENTS_HEADER_BYTES)


def _npy_header(descr: object, count: int, header_bytes: int) -> bytes:
    """Lay out a version 1.0 header of fixed length, so that the count can be filled in later."""
    magic = b"\x93NUMPY\x01\x00"
    text_bytes = header_bytes - len(magic) - 2
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': ({count},), }}"
    return magic + text_bytes.to_bytes(2, "little") + f"{text:<{text_bytes - 1}}\n".encode()


class Piece(NamedTuple):
    """The bytes `start:stop` of a file, between two delimiters."""

    start: int
    stop: int


@dataclass(frozen=True)
class TokenArraysWriter:
    """Reads each piece twice: once to identify it, and, if it is kept, once more to encode it.

    So a document of any length is hashed before its first token is written, in bounded memory.
    """

    encode: Callable[[bytes], list[int]]
    special_tokens: tuple[str, ...]
    pattern: str
    largest_id: int
    delimiter: bytes | None
    delimiter_id: int | None
    errors: EncodingErrors
    is_kept: Callable[[int], bool]

    def write(
        self,
        spans: Sequence[Span],
        tokens_path: str,
        documents_path: str,
        progress: Progress | None,
    ) -> tuple[int, int]:
        """Write both files; return the number of tokens and of documents."""
        dtype = token_dtype(self.largest_id)
        sources = {path: index for index, path in enumerate(dict.fromkeys(s[0] for s in spans))}
        report = throttled(progress, "encoding", sum(stop - start for _, start, stop in spans))
        num_tokens = num_documents = done_bytes = 0
        with Path(tokens_path).open("wb") as tokens, Path(documents_path).open("wb") as documents:
            tokens.write(tokens_header(dtype, 0))
            documents.write(documents_header(0))
            for path, start, stop in spans:
                with Path(path).open("rb", buffering=0) as file:
                    for piece in find_pieces(file, path, Piece(start, stop), self.delimiter):
                        content_hash = _hash_unless_blank(file, path, piece)
                        if content_hash is None or not self.is_kept(content_hash):
                            continue
                        length = piece.stop - piece.start
                        row = (num_tokens, piece.start, length, sources[path], content_hash)
                        documents.write(np.array(row, DOCUMENT_DTYPE).tobytes())
                        num_documents += 1
                        for token_ids in self._encode_document(file, path, piece):
                            tokens.write(np.array(token_ids, dtype).tobytes())
                            num_tokens += len(token_ids)
                        report(done_bytes + piece.stop - start)
                done_bytes += stop - start
            report(done_bytes)
            for array, header in (
                (tokens, tokens_header(dtype, num_tokens)),
                (documents, documents_header(num_documents)),
            ):
                array.seek(0)
                array.write(header)
        return num_tokens, num_documents

    def _encode_document(self, file: BinaryIO, path: str, piece: Piece) -> Iterator[list[int]]:
        if self.delimiter_id is not None:
            yield [self.delimiter_id]
        texts = decode_blocks(
            _read_blocks(file, path, piece),
            self.errors,
            name=f"`{path}`",
            first_offset=piece.start,
        )
        for chunk in separable_chunks(texts, self.special_tokens, BLOCK_BYTES, self.pattern):
            yield self.encode(chunk.encode())


def find_pieces(file: BinaryIO, path: str, span: Piece, delimiter: bytes | None) -> Iterator[Piece]:
    r"""Yield what lies between delimiters in `span`; one `\n` or `\r\n` after one belongs to it."""
    if delimiter is None:
        yield span
        return
    pattern = re.compile(re.escape(delimiter) + rb"(?:\r?\n)?")
    start = offset = span.start  # of the next piece, and of the first byte in `buffer`
    buffer = b""
    for block in _read_blocks(file, path, span):
        buffer += block
        is_last = offset + len(buffer) == span.stop
        # A delimiter, or its line break, may begin in this block and end in the next one.
        keep_from = max(0, len(buffer) - len(delimiter) - 1)
        for match in pattern.finditer(buffer):
            if match.end() > len(buffer) - 2 and not is_last:
                keep_from = min(keep_from, match.start())
                break
            yield Piece(start, offset + match.start())
            start = offset + match.end()
            keep_from = max(keep_from, match.end())
        offset += keep_from
        buffer = buffer[keep_from:]
    yield Piece(start, span.stop)


def _hash_unless_blank(file: BinaryIO, path: str, piece: Piece) -> int | None:
    """Return the content hash of a piece, or None when it is empty or ASCII white space alone."""
    digest = hashlib.sha256()
    is_blank = True
    for block in _read_blocks(file, path, piece):
        digest.update(block)
        is_blank = is_blank and block.isspace()
    return None if is_blank else int.from_bytes(digest.digest()[:8], "little")


def _read_blocks(file: BinaryIO, path: str, piece: Piece) -> Iterator[bytes]:
    for start in range(piece.start, piece.stop, BLOCK_BYTES):
        yield _read(file, path, Piece(start, min(start + BLOCK_BYTES, piece.stop)))


def _read(file: BinaryIO, path: str, piece: Piece) -> bytes:
    file.seek(piece.start)
    data = file.read(piece.stop - piece.start)
    if len(data) < piece.stop - piece.start:
        raise DataError(
            f"`{path}` ends at byte {piece.start + len(data)} where at least {piece.stop} bytes "
            "were expected; it is being changed by something else"
        )
    return data
