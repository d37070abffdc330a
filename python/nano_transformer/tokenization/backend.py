"""What the two implementations of the tokenizer, in Rust and in Python, have in common."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

BackendKind = Literal["auto", "native", "python"]
Progress = Callable[[str, int, int], None]
"""Called as `progress(stage, done, total)` a few times a second."""

Span = tuple[str, int, int]
"""Path of a file, first byte, and the byte after the last."""


TokenIds = Sequence[int] | npt.NDArray[np.integer]
"""Ids in a list, or in a one-dimensional array of integers."""


class TokenizerBackend(Protocol):
    """What both implementations offer; texts are bytes, and every byte is kept."""

    @property
    def name(self) -> str:
        """Return "native" or "python"."""

    def encode(self, text: bytes, with_special_tokens: bool) -> list[int]:
        """Return the ids of `text`; special tokens in it become their ids when asked for."""

    def encode_batch(
        self, texts: Sequence[bytes], with_special_tokens: bool, num_threads: int
    ) -> list[list[int]]:
        """Return the ids of each text, by several threads; 0 means one for each core."""

    def encode_to_arrays(
        self, texts: Sequence[bytes], with_special_tokens: bool, num_threads: int
    ) -> tuple[memoryview, bytearray]:
        """Return the ids of all texts as `<u4`, and as `<i8` where each text's begin, with the end."""

    def encode_file(
        self,
        path: str,
        start: int,
        least_bytes: int,
        with_special_tokens: bool,
        num_threads: int,
        progress: Progress | None,
    ) -> tuple[memoryview, int]:
        """Encode a file from `start` to a border after `least_bytes` where a cut changes no id.

        Returns:
            The ids as `<u2` where the largest one fits, else as `<u4`, and where that border is.

        Raises:
            DataError: When the file becomes shorter meanwhile.
            OSError: When it cannot be read.
        """

    def decode(self, token_ids: TokenIds) -> bytes:
        """Return the bytes of `token_ids`, joined.

        Raises:
            TokenizerError: When an id is not in the vocabulary.
        """

    def decode_batch(self, batches: Sequence[TokenIds], num_threads: int) -> list[bytes]:
        """Return the bytes of each list of ids, joined; errors as in `decode`."""

    def write_token_arrays(
        self,
        spans: Sequence[Span],
        tokens_path: str,
        documents_path: str,
        delimiter: bytes | None,
        replace_invalid_utf8: bool,
        held_out_below: int,
        keep_held_out: bool,
        num_threads: int,
        progress: Progress | None,
    ) -> tuple[int, int]:
        """Encode the documents of byte spans of files into two .npy files.

        Returns:
            The number of tokens and the number of documents.

        Raises:
            DataError: When a file is malformed or ends before its span does.
            OSError: When a file cannot be read or written.
        """


class PreTokenCounter(Protocol):
    """What both implementations count with and learn from."""

    def count_files(
        self,
        paths: Sequence[str],
        replace_invalid_utf8: bool,
        num_threads: int,
        progress: Progress | None,
    ) -> None:
        """Count the pre-tokens of files, each a text by itself; after an error, none.

        Raises:
            DataError: When a file is not UTF-8.
            OSError: When a file cannot be read.
        """

    def count_texts(
        self,
        texts: Sequence[bytes],
        first_number: int,
        replace_invalid_utf8: bool,
        num_threads: int,
        progress: Progress | None,
    ) -> None:
        """Count the pre-tokens of texts, the first of which messages call by `first_number`."""

    def add(self, pieces: Sequence[tuple[bytes, int]]) -> None:
        """Add counts that were made elsewhere."""

    def items(self) -> list[tuple[bytes, int]]:
        """Return every pre-token with its count, in the order of their bytes."""

    def learn_merges(
        self, num_merges: int, tie_break: str, min_frequency: int, progress: Progress | None
    ) -> list[tuple[bytes, bytes]]:
        """Learn up to `num_merges` merges, in the order learnt."""
