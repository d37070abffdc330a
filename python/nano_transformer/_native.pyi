"""Typed face of the Rust extension `nano_transformer._native` (built from rust/python)."""

from collections.abc import Callable, Iterable, Sequence
from typing import final

__all__ = ["UNICODE_VERSION", "split_into_pre_tokens", "PreTokenCounter", "BpeEncoder"]

UNICODE_VERSION: str
"""Unicode version of the character-class table compiled into the extension."""

def split_into_pre_tokens(text: bytes, pattern: str) -> list[bytes]:
    """Cut `text` where `pattern` does; the pieces joined are `text` again."""

@final
class PreTokenCounter:
    """Counts pre-tokens of one text after another, and learns merges from the counts."""

    def __new__(cls, pattern: str, special_tokens: Sequence[bytes]) -> PreTokenCounter: ...
    def count_files(
        self,
        paths: Sequence[str],
        replace_invalid_utf8: bool,
        num_threads: int,
        progress: Callable[[str, int, int], None] | None,
    ) -> None:
        """Count the pre-tokens of files, in parallel and in bounded memory; after an error, none."""

    def count_texts(
        self,
        texts: Sequence[bytes],
        first_number: int,
        replace_invalid_utf8: bool,
        num_threads: int,
        progress: Callable[[str, int, int], None] | None,
    ) -> None:
        """Count the pre-tokens of texts, the first of which messages call by `first_number`."""

    def add(self, pieces: Sequence[tuple[bytes, int]]) -> None:
        """Add counts that were made elsewhere."""

    def items(self) -> list[tuple[bytes, int]]:
        """Return every pre-token with its count, in the order of their bytes."""

    def learn_merges(
        self,
        num_merges: int,
        tie_break: str,
        min_frequency: int,
        progress: Callable[[str, int, int], None] | None,
    ) -> list[tuple[bytes, bytes]]:
        """Learn up to `num_merges` merges, in the order learnt."""

@final
class BpeEncoder:
    """An immutable byte-level BPE encoder and decoder; safe to share between threads."""

    def __new__(
        cls,
        vocab: Sequence[tuple[int, bytes]],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Sequence[tuple[bytes, int]],
        pattern: str,
        ignore_merges: bool,
    ) -> BpeEncoder: ...
    def encode(self, text: bytes, with_special_tokens: bool) -> list[int]: ...
    def encode_batch(
        self, texts: Sequence[bytes], with_special_tokens: bool, num_threads: int
    ) -> list[list[int]]:
        """Return the ids of each text."""

    def encode_to_arrays(
        self, texts: Sequence[bytes], with_special_tokens: bool, num_threads: int
    ) -> tuple[memoryview, bytearray]:
        """Return the ids of all texts as little-endian uint32, and as int64 where each text begins."""

    def encode_file(
        self,
        path: str,
        start: int,
        least_bytes: int,
        with_special_tokens: bool,
        num_threads: int,
        progress: Callable[[str, int, int], None] | None,
    ) -> tuple[memoryview, int]:
        """Return the ids of a file from `start` to a sure border after `least_bytes` as little-endian
        integers, of 16 bits where the largest id fits, else of 32, and where that border is."""

    def decode(self, token_ids: Iterable[int]) -> bytes: ...
    def decode_batch(self, batches: Sequence[Iterable[int]], num_threads: int) -> list[bytes]:
        """Return the bytes of each list of ids, joined."""

    def write_token_arrays(
        self,
        spans: Sequence[tuple[str, int, int]],
        tokens_path: str,
        documents_path: str,
        delimiter: bytes | None,
        replace_invalid_utf8: bool,
        held_out_below: int,
        keep_held_out: bool,
        num_threads: int,
        progress: Callable[[str, int, int], None] | None,
    ) -> tuple[int, int]:
        """Encode the documents of byte spans of files into two .npy files; return (tokens, documents)."""
