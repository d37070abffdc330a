"""What the two implementations of the tokenizer, in Rust and in Python, have in common."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

BackendKind = Literal["auto", "native", "python"]
Progress = Callable[[str, int, int], None]
"""Called as `progress(stage, done, total)` a few times a second."""

Span = tuple[str, int, int]
"""Path of a file, first byte, and the byte after the last."""


class TokenizerBackend(Protocol):
    """What both implementations offer; texts are bytes, and every byte is kept."""

    @property
    def name(self) -> str:
        """Return "native" or "python"."""

    def encode(self, text: bytes, with_special_tokens: bool) -> list[int]:
        """Return the ids of `text`; special tokens in it become their ids when asked for."""

    def decode(self, token_ids: Sequence[int]) -> bytes:
        """Return the bytes of `token_ids`, joined.

        Raises:
            TokenizerError: When an id is not in the vocabulary.
        """

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
