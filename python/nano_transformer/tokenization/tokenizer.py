"""The tokenizer as its users see it: text to ids and back, over either backend."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization import formats
from nano_transformer.tokenization.backend import BackendKind, Progress, Span
from nano_transformer.tokenization.backend_choice import create_backend
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN, check_pattern, text_to_bytes
from nano_transformer.tokenization.streaming import (
    EncodingErrors,
    decode_blocks,
    separable_chunks,
)
from nano_transformer.tokenization.unicode_classes import UNICODE_VERSION
from nano_transformer.tokenization.vocabulary import (
    append_special_tokens,
    check_merges,
    check_vocabulary,
    text_bytes,
)

END_OF_TEXT = "<|endoftext|>"

STREAM_CHARACTERS = 1 << 13
"""What `encode_iterable` gathers before it encodes: few kilobytes, so that memory stays flat."""


class Tokenizer:
    """Byte-level BPE with GPT-2's pre-token pattern; immutable.

    Args:
        vocab: Bytes of each id; all 256 single bytes must be among them.
        merges: Pairs of byte strings in the order learnt; the earlier wins.
        special_tokens: Strings that become one id wherever they stand, the longest first. One that
            the vocabulary lacks is appended after its largest id.
        pattern: What cuts a text into pre-tokens.
        backend: "native" (Rust), "python", or "auto": native where it is built.

    Raises:
        TokenizerError: When vocabulary, merges and special tokens do not fit together.
        ConfigError: When the backend is unknown or not built.

    Example:
        >>> vocab = {byte: bytes([byte]) for byte in range(256)} | {256: b"hi"}
        >>> tokenizer = Tokenizer(vocab, [(b"h", b"i")], ["<|endoftext|>"], backend="python")
        >>> tokenizer.encode("hi!<|endoftext|>")
        [256, 33, 257]
        >>> tokenizer.decode([256, 33])
        'hi!'
    """

    def __init__(
        self,
        vocab: dict[int, bytes],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Sequence[str] | None = None,
        *,
        pattern: str = DEFAULT_PATTERN,
        backend: BackendKind = "auto",
    ) -> None:
        check_pattern(pattern)
        self.pattern = pattern
        self.special_tokens = list(dict.fromkeys(special_tokens or ()))
        self.merges = [(bytes(left), bytes(right)) for left, right in merges]
        self.vocab = append_special_tokens(vocab, self.special_tokens)
        """Bytes of each id, special tokens included; not to be changed."""
        self._ids = check_vocabulary(self.vocab)
        check_merges(self.merges, self._ids)
        self._special_ids = {
            text_bytes(token): self._ids[text_bytes(token)] for token in self.special_tokens
        }
        self._backend_kind = backend
        self._backend = create_backend(backend, self.vocab, self.merges, self._special_ids, pattern)

    @classmethod
    def from_files(
        cls,
        vocab_filepath: str | PathLike[str],
        merges_filepath: str | PathLike[str],
        special_tokens: Sequence[str] | None = None,
        *,
        backend: BackendKind = "auto",
    ) -> Self:
        """Load GPT-2's `vocab.json` and `merges.txt`.

        Raises:
            TokenizerError: When a file is malformed; names the line.
            OSError: When a file cannot be read.
        """
        vocab = formats.read_vocab(Path(vocab_filepath), special_tokens or ())
        merges = formats.read_merges(Path(merges_filepath))
        return cls(vocab, merges, special_tokens, backend=backend)

    def save(
        self, vocab_filepath: str | PathLike[str], merges_filepath: str | PathLike[str]
    ) -> None:
        """Write both files, each wholly or not at all."""
        formats.write_vocab(Path(vocab_filepath), self.vocab)
        formats.write_merges(Path(merges_filepath), self.merges)

    def encode(self, text: str | bytes) -> list[int]:
        """Return the ids of `text`, special tokens as their own ids.

        Bytes need not be UTF-8: each byte that is not is cut like punctuation, and kept.

        Raises:
            TokenizerError: When a str holds a lone surrogate; names its index.
        """
        return self._backend.encode(text_bytes(text), True)

    def encode_ordinary(self, text: str | bytes) -> list[int]:
        """Return the ids of `text`, with special tokens treated as any other text."""
        return self._backend.encode(text_bytes(text), False)

    def encode_iterable(self, texts: Iterable[str | bytes]) -> Iterator[int]:
        """Yield the ids of a text that comes in pieces: those of `encode` for the joined pieces.

        Starts no threads and holds a few kilobytes, or the longest stretch of the text in which no
        cut is certain.
        """
        pieces = [texts] if isinstance(texts, str | bytes) else texts
        blocks = (
            piece[start : start + STREAM_CHARACTERS]
            for piece in map(text_bytes, pieces)
            for start in range(0, len(piece), STREAM_CHARACTERS)
        )
        characters = decode_blocks(blocks, "surrogateescape")
        specials = tuple(self.special_tokens)
        for chunk in separable_chunks(characters, specials, STREAM_CHARACTERS, self.pattern):
            yield from self._backend.encode(text_to_bytes(chunk), True)

    def decode(self, token_ids: Sequence[int] | npt.NDArray[np.integer]) -> str:
        """Return the text of `token_ids`, with U+FFFD for bytes that are not UTF-8.

        Takes any sequence of ints, or a one-dimensional array or tensor.

        Raises:
            TokenizerError: When an id is not in the vocabulary.
        """
        return self.decode_bytes(token_ids).decode("utf-8", "replace")

    def decode_bytes(self, token_ids: Sequence[int] | npt.NDArray[np.integer]) -> bytes:
        """Return exactly the bytes of `token_ids`.

        Raises:
            TokenizerError: When an id is not in the vocabulary.
        """
        to_list: Callable[[], list[int]] | None = getattr(token_ids, "tolist", None)
        return self._backend.decode(list(token_ids) if to_list is None else to_list())

    def write_token_arrays(
        self,
        spans: Sequence[Span],
        tokens_path: Path,
        documents_path: Path,
        *,
        encoding_errors: EncodingErrors = "strict",
        held_out_below: int = 0,
        keep_held_out: bool = False,
        num_threads: int = 0,
        progress: Progress | None = None,
    ) -> tuple[int, int]:
        """Encode the documents in byte spans of files into two .npy files, as a token cache wants.

        Documents are what lies between end-of-text tokens, each span by itself; without that token
        each span is one document. `nano_transformer.data.token_cache` makes the files durable.

        Args:
            spans: Path, first byte and end of each stretch to read.
            tokens_path: Where the ids go, with the end-of-text token before each document.
            documents_path: Where the table of documents goes.
            encoding_errors: "strict", or "replace" to read malformed UTF-8 as U+FFFD.
            held_out_below: A document is held out when its content hash is below this, 0 to 2**64.
            keep_held_out: Whether to write the documents held out, or the others.
            num_threads: 0 means one for each core.
            progress: Called about five times a second.

        Returns:
            The number of tokens and of documents.

        Raises:
            DataError: When a file is not UTF-8 (strict) or ends before its span.
            OSError: When a file cannot be read or written.
        """
        return self._backend.write_token_arrays(
            spans,
            str(tokens_path),
            str(documents_path),
            None if self.end_of_text_id is None else END_OF_TEXT.encode(),
            encoding_errors == "replace",
            held_out_below,
            keep_held_out,
            num_threads,
            progress,
        )

    @property
    def end_of_text_id(self) -> int | None:
        """Id of `<|endoftext|>` when it is a special token."""
        return self._special_ids.get(END_OF_TEXT.encode())

    @property
    def backend_name(self) -> str:
        """Which backend does the work: "native" or "python"."""
        return self._backend.name

    def __len__(self) -> int:
        return len(self.vocab)

    @cached_property
    def vocab_size(self) -> int:
        """The size a model needs: the largest id plus one; above `len` when ids are unused."""
        return max(self.vocab) + 1

    def token_to_id(self, token: str | bytes) -> int:
        """Return the id of one token.

        Raises:
            TokenizerError: When it is not in the vocabulary.
        """
        token_id = self._ids.get(text_bytes(token))
        if token_id is None:
            raise TokenizerError(f"{token!r} is not a token of this vocabulary of {len(self)}")
        return token_id

    def token_byte_lengths(self) -> npt.NDArray[np.int64]:
        """Return the bytes of text each id stands for, [vocab_size]: special and unused ids 0."""
        lengths = np.zeros(self.vocab_size, np.int64)
        for token_id, token in self.vocab.items():
            lengths[token_id] = 0 if token in self._special_ids else len(token)
        return lengths

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything that decides the ids."""
        digest = hashlib.sha256(f"{self.pattern} {UNICODE_VERSION}".encode())

        def add(*parts: bytes) -> None:
            for part in parts:  # lengths go before contents, so that no two lists read alike
                digest.update(len(part).to_bytes(8, "little") + part)

        add(*(part for i in sorted(self.vocab) for part in (str(i).encode(), self.vocab[i])))
        add(b"merges", *(part for pair in self.merges for part in pair))
        # Their order decides nothing: the longest wins wherever two could match.
        add(b"special tokens", *sorted(self._special_ids))
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[Callable[..., "Tokenizer"], tuple[object, ...]]:
        return _rebuild, (
            self.vocab,
            self.merges,
            self.special_tokens,
            self.pattern,
            self._backend_kind,
        )

    def __repr__(self) -> str:
        return (
            f"Tokenizer({len(self)} tokens, {len(self.merges)} merges, "
            f"special_tokens={self.special_tokens}, backend={self.backend_name!r})"
        )


def _rebuild(
    vocab: dict[int, bytes],
    merges: list[tuple[bytes, bytes]],
    special_tokens: list[str],
    pattern: str,
    backend: BackendKind,
) -> Tokenizer:
    return Tokenizer(vocab, merges, special_tokens, pattern=pattern, backend=backend)
