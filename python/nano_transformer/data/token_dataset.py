"""How a token cache is opened and read: token ids, their documents, and where each came from."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from nano_transformer import files
from nano_transformer.data.cache_record import CachePaths, CacheRecord, content_digest, read_record
from nano_transformer.errors import DataError
from nano_transformer.tokenization.token_arrays import (
    DOCUMENT_DTYPE,
    documents_header,
    tokens_header,
)
from nano_transformer.tokenization.tokenizer import Tokenizer


class TokenOrigin(NamedTuple):
    """The document a token belongs to, and that document's bytes in its file."""

    source: str
    document: int
    byte_start: int
    byte_length: int


@dataclass(frozen=True, eq=False)
class TokenDataset:
    """An open token cache: arrays mapped from disk, read only, with what they were made from."""

    tokens: npt.NDArray[np.unsignedinteger]
    """Ids of all documents one after another, [num_tokens], uint16 or uint32, mapped from disk."""
    documents: npt.NDArray[np.void]
    """Table of documents, [num_documents], mapped from disk."""
    document_starts: npt.NDArray[np.int64]
    """First token of each document, [num_documents], rising from 0."""
    num_bytes: int
    """Bytes of text in all documents, end-of-text tokens not counted."""
    sources: tuple[str, ...]
    """Paths of the text files; column `source` of the table counts into them."""
    tokenizer_digest: str
    vocab_size: int
    end_of_text_id: int | None
    cache_path: Path
    digest: str
    """Hexadecimal SHA-256 that stands for the content of both arrays."""
    tokenizer: Tokenizer | None = None
    """The tokenizer the ids belong to, where the cache was opened with it."""

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def num_documents(self) -> int:
        """Number of documents."""
        return len(self.documents)

    @property
    def document_ids(self) -> "DocumentIds":
        """The document each token belongs to: `document_ids[i:j]`, int64."""
        return DocumentIds(self.document_starts, len(self))

    def document_ids_at(self, positions: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Return the document of the token at each of `positions`, in an array of their shape.

        A search in the table takes about 0.1 ms a batch; an id stored beside each token would
        triple the cache.
        """
        return np.searchsorted(self.document_starts, positions, side="right") - 1

    def document_tokens(self, index: int) -> npt.NDArray[np.unsignedinteger]:
        """Return the ids of document `index`, the leading end-of-text token included.

        Raises:
            IndexError: When there is no such document.
        """
        if not 0 <= index < self.num_documents:
            raise IndexError(f"document {index} is not in 0 to {self.num_documents - 1}")
        stop = (
            self.document_starts[index + 1] if index + 1 < self.num_documents else len(self.tokens)
        )
        return self.tokens[self.document_starts[index] : stop]

    def trace(self, position: int) -> TokenOrigin:
        """Return which bytes of which file the token at `position` was made from.

        Raises:
            IndexError: When there is no such token.
        """
        index = self.document_ids[position]
        row = self.documents[index]
        return TokenOrigin(
            self.sources[row["source"]], index, int(row["byte_start"]), int(row["byte_length"])
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process maps the files again; arrays would be copied through a pipe.
        return _open_again, (self.cache_path, self.tokenizer)


def _open_again(cache_path: Path, tokenizer: Tokenizer | None) -> TokenDataset:
    return open_token_cache(cache_path, tokenizer=tokenizer)


class DocumentIds:
    """A view of document ids, one a token, that computes the stretch asked for."""

    def __init__(self, starts: npt.NDArray[np.int64], num_tokens: int) -> None:
        self._starts = starts
        self._num_tokens = num_tokens

    def __len__(self) -> int:
        return self._num_tokens

    @overload
    def __getitem__(self, key: slice) -> npt.NDArray[np.int64]: ...
    @overload
    def __getitem__(self, key: int) -> int: ...
    def __getitem__(self, key: slice | int) -> npt.NDArray[np.int64] | int:
        if isinstance(key, slice):
            positions = np.arange(*key.indices(len(self)), dtype=np.int64)
            return np.searchsorted(self._starts, positions, side="right") - 1
        if not 0 <= key < len(self):
            raise IndexError(f"token {key} is not in 0 to {len(self) - 1}")
        return int(np.searchsorted(self._starts, key, side="right")) - 1


def open_token_cache(
    cache_path: str | PathLike[str], *, tokenizer: Tokenizer | None = None, verify: bool = False
) -> TokenDataset:
    """Map a token cache after checking sizes, headers and the table of documents.

    Args:
        cache_path: Where the tokens are, `x.npy`.
        tokenizer: The tokenizer it was made with, which the dataset then carries.
        verify: Also read all of both arrays and compare them with their digests.

    Raises:
        DataError: When the cache is missing, torn, damaged or made with another tokenizer; nothing
            of it is read then.
    """
    paths = CachePaths.of(Path(cache_path))
    record = read_record(paths.record)
    if tokenizer is not None and tokenizer.digest != record.tokenizer.digest:
        raise DataError(
            f"`{paths.tokens}` was made with another tokenizer (digest "
            f"{record.tokenizer.digest[:12]}, given {tokenizer.digest[:12]}); build it again"
        )
    dtype = np.dtype(record.dtype).newbyteorder("<")
    tokens = _map_array(
        paths.tokens, tokens_header(dtype, record.num_tokens), dtype, record.num_tokens
    )
    documents = _map_array(
        paths.documents,
        documents_header(record.num_documents),
        DOCUMENT_DTYPE,
        record.num_documents,
    )
    # The table's columns lie 36 bytes apart; a search wants them side by side.
    starts = np.ascontiguousarray(documents["token_start"])
    if not _is_table_sound(documents, starts, record):
        raise DataError(f"the table `{paths.documents}` is damaged; build the token cache again")
    if verify:
        _check_digests(paths.tokens, record.digests.tokens, record.digests.block_bytes)
        _check_digests(paths.documents, record.digests.documents, record.digests.block_bytes)
    # A build removes the record first and writes it last: the same record at both ends of opening
    # means that the arrays mapped in between are its own.
    if read_record(paths.record) != record:
        raise DataError(f"`{paths.tokens}` was replaced while it was opened; open it again")
    return TokenDataset(
        tokens=tokens,
        documents=documents,
        document_starts=starts,
        num_bytes=record.num_bytes,
        sources=tuple(source.path for source in record.sources),
        tokenizer_digest=record.tokenizer.digest,
        vocab_size=record.tokenizer.vocab_size,
        end_of_text_id=record.tokenizer.end_of_text_id,
        cache_path=paths.tokens,
        digest=content_digest(record),
        tokenizer=tokenizer,
    )


def _map_array(path: Path, header: bytes, dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
    """Map a .npy file that must consist of `header` and `count` elements."""
    expected = len(header) + count * np.dtype(dtype).itemsize
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            if found == expected and file.read(len(header)) == header and count > 0:
                return np.memmap(file, dtype, mode="r", offset=len(header), shape=(count,))
    except FileNotFoundError:
        raise DataError(f"`{path}` is missing; build the token cache again") from None
    fault = "another header" if found == expected else f"{found} bytes instead of {expected}"
    raise DataError(
        f"`{path}` has {fault} than its record says, so it is torn or foreign; "
        "build the token cache again"
    )


def _is_table_sound(
    documents: npt.NDArray[np.void], starts: npt.NDArray[np.int64], record: CacheRecord
) -> bool:
    lengths, sources = documents["byte_length"], documents["source"]
    return bool(
        starts[0] == 0
        and starts[-1] < record.num_tokens
        and (np.diff(starts) > 0).all()
        and lengths.min() > 0
        and lengths.sum() == record.num_bytes
        and sources.min() >= 0
        and sources.max() < len(record.sources)
    )


def _check_digests(path: Path, expected: Sequence[str], block_bytes: int) -> None:
    found = files.sha256_of_blocks(path, block_bytes)
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        if one != other:
            raise DataError(
                f"`{path}` is damaged between bytes {index * block_bytes} and "
                f"{(index + 1) * block_bytes}; build the token cache again"
            )
