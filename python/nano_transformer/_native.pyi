"""Typed face of the Rust extension `nano_transformer._native` (built from rust/python)."""

from collections.abc import Callable, Sequence
from typing import final

__all__ = ["UNICODE_VERSION", "split_into_pre_tokens", "train_bpe", "BpeEncoder"]

UNICODE_VERSION: str
"""Unicode version of the character-class table compiled into the extension."""

def split_into_pre_tokens(text: bytes, pattern: str) -> list[bytes]:
    """Cut `text` where `pattern` does; the pieces joined are `text` again."""

def train_bpe(
    sources: Sequence[str] | Sequence[bytes],
    num_merges: int,
    special_tokens: Sequence[bytes],
    pattern: str,
    replace_invalid_utf8: bool,
    num_threads: int,
    progress: Callable[[str, int, int], None] | None,
) -> list[tuple[bytes, bytes]]:
    """Learn up to `num_merges` merges from files (str paths) or from texts (bytes), in the order learnt."""

@final
class BpeEncoder:
    """An immutable byte-level BPE encoder and decoder; safe to share between threads."""

    def __new__(
        cls,
        vocab: Sequence[tuple[int, bytes]],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Sequence[tuple[bytes, int]],
        pattern: str,
    ) -> BpeEncoder: ...
    def encode(self, text: bytes, with_special_tokens: bool) -> list[int]: ...
    def decode(self, token_ids: Sequence[int]) -> bytes: ...
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
