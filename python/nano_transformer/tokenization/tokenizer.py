"""The tokenizer as its users see it: text to ids and back, over either backend."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from nano_transformer.tokenization.backend import BackendKind, TokenIds
from nano_transformer.tokenization.backend_choice import create_backend
from nano_transformer.tokenization.decoding import StreamDecoder, decode_utf8, plain_ids
from nano_transformer.tokenization.definition import TokenizerDefinition
from nano_transformer.tokenization.file_encoding import FileEncoding
from nano_transformer.tokenization.offsets import Offsets, byte_offsets, character_offsets
from nano_transformer.tokenization.persistence import Persistence
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN, check_pattern, text_to_bytes
from nano_transformer.tokenization.special_choice import (
    SpecialChoice,
    chosen_tokens,
    refuse_tokens,
    split_at_tokens,
)
from nano_transformer.tokenization.streaming import decode_blocks, separable_chunks
from nano_transformer.tokenization.vocabulary import (
    END_OF_TEXT,
    append_special_tokens,
    check_role,
    check_thread_count,
    text_bytes,
)
from nano_transformer.tokenization.vocabulary_access import VocabularyAccess

STREAM_CHARACTERS = 1 << 13
"""What `encode_iterable` gathers before it encodes: few kilobytes, so that memory stays flat."""


class EncodedTexts(NamedTuple):
    """Ids of several texts in one array; those of text i are `token_ids[offsets[i]:offsets[i+1]]`."""

    token_ids: npt.NDArray[np.uint32]
    """[N]"""
    offsets: npt.NDArray[np.int64]
    """[texts + 1], the first one 0 and the last one N."""


class Tokenizer(VocabularyAccess, Persistence, FileEncoding):
    """Byte-level BPE; immutable, and safe to share between threads and with forked processes.

    Args:
        vocab: Bytes of each id; all 256 single bytes must be among them.
        merges: Pairs of byte strings in the order learnt; the earlier wins.
        special_tokens: Strings that become one id wherever they stand, the longest first. One that
            the vocabulary lacks is appended after its largest id.
        pattern: What cuts a text into pre-tokens: "gpt2", "gpt4", "gpt4o" or a regular expression.
        ignore_merges: A pre-token that is a token as a whole becomes it without merging.
        bos_token: The special token that begins a text; None: `<|endoftext|>` where that is one.
        eos_token: The special token that ends a text; None: likewise.
        pad_token: The special token that fills a batch, if any.
        backend: "native" (Rust), "python", or "auto": native where it is built.

    Raises:
        TokenizerError: When vocabulary, merges, special tokens and pattern do not fit together.
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
        vocab: Mapping[int, bytes],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Sequence[str] | None = None,
        *,
        pattern: str = DEFAULT_PATTERN,
        ignore_merges: bool = False,
        bos_token: str | None = None,
        eos_token: str | None = None,
        pad_token: str | None = None,
        backend: BackendKind = "auto",
    ) -> None:
        check_pattern(pattern)
        specials = list(dict.fromkeys(special_tokens or ()))
        definition = TokenizerDefinition(
            vocab=append_special_tokens(vocab, specials),
            merges=[(bytes(left), bytes(right)) for left, right in merges],
            special_tokens=specials,
            pattern=pattern,
            ignore_merges=ignore_merges,
            bos_token=check_role("bos_token", bos_token, specials, default=END_OF_TEXT),
            eos_token=check_role("eos_token", eos_token, specials, default=END_OF_TEXT),
            pad_token=check_role("pad_token", pad_token, specials, default=None),
        )
        super().__init__(definition)
        self._backend_kind = backend
        self._backend = create_backend(
            backend, self.vocab, self.merges, self._special_ids, pattern, ignore_merges
        )

    @classmethod
    def from_definition(
        cls, definition: TokenizerDefinition, *, backend: BackendKind = "auto"
    ) -> Self:
        """Build a tokenizer from data that some format was read into; errors as above."""
        return cls(**vars(definition), backend=backend)

    def encode(
        self,
        text: str | bytes,
        *,
        allowed_special: SpecialChoice = "all",
        disallowed_special: SpecialChoice = (),
    ) -> list[int]:
        """Return the ids of `text`, special tokens as their own ids.

        Bytes need not be UTF-8: each byte that is not is cut like punctuation, and kept.

        Args:
            text: Any text; of a str, no lone surrogates.
            allowed_special: Special tokens that become their ids; others are ordinary text.
            disallowed_special: Special tokens that the text must not hold; "all" means all those
                that are not allowed.

        Raises:
            TokenizerError: When a str holds a lone surrogate (names its index), when the text holds
                a disallowed token, or when a choice names no special token.
        """
        data = text_bytes(text)
        if disallowed_special or not isinstance(allowed_special, str):
            return self._encode_some(data, allowed_special, disallowed_special)
        chosen_tokens(allowed_special, self.special_tokens, argument="allowed_special")
        return self._backend.encode(data, True)

    def encode_ordinary(self, text: str | bytes) -> list[int]:
        """Return the ids of `text`, with special tokens treated as any other text."""
        return self._backend.encode(text_bytes(text), False)

    def _encode_some(
        self, text: bytes, allowed_special: SpecialChoice, disallowed_special: SpecialChoice
    ) -> list[int]:
        known = self.special_tokens
        allowed = chosen_tokens(allowed_special, known, argument="allowed_special")
        refused = chosen_tokens(disallowed_special, known, argument="disallowed_special")
        if isinstance(disallowed_special, str):
            refused -= allowed
        refuse_tokens(text, refused)
        token_ids: list[int] = []
        for stretch, special in split_at_tokens(text, allowed):
            token_ids += self._backend.encode(stretch, False)
            if special is not None:
                token_ids.append(self._special_ids[special])
        return token_ids

    def encode_batch(
        self,
        texts: Iterable[str | bytes],
        *,
        allowed_special: SpecialChoice = "all",
        num_threads: int = 0,
    ) -> list[list[int]]:
        """Return the ids of each text, as `encode` does, by several threads.

        Args:
            texts: Texts that stand by themselves.
            allowed_special: As in `encode`; `()` treats all as ordinary text.
            num_threads: 0 means one for each core; Python's twin always takes one.
        """
        check_thread_count(num_threads)
        allowed = chosen_tokens(allowed_special, self.special_tokens, argument="allowed_special")
        data = [text_bytes(text) for text in texts]
        if 0 < len(allowed) < len(self.special_tokens):
            return [self._encode_some(text, allowed, ()) for text in data]
        return self._backend.encode_batch(data, bool(allowed), num_threads)

    def encode_to_numpy(
        self,
        texts: str | bytes | Iterable[str | bytes],
        *,
        allowed_special: SpecialChoice = "all",
        num_threads: int = 0,
    ) -> EncodedTexts:
        """Return the ids of all texts in one array: no Python object is made for an id.

        Args:
            texts: As in `encode_batch`; a single text counts as one of one.
            allowed_special: As in `encode_batch`.
            num_threads: As in `encode_batch`.
        """
        check_thread_count(num_threads)
        allowed = chosen_tokens(allowed_special, self.special_tokens, argument="allowed_special")
        several = [texts] if isinstance(texts, str | bytes) else texts
        data = [text_bytes(text) for text in several]
        if 0 < len(allowed) < len(self.special_tokens):
            batch = [self._encode_some(text, allowed, ()) for text in data]
            ids = np.fromiter(itertools.chain.from_iterable(batch), np.uint32)
            return EncodedTexts(ids, np.cumsum([0, *map(len, batch)], dtype=np.int64))
        token_ids, offsets = self._backend.encode_to_arrays(data, bool(allowed), num_threads)
        return EncodedTexts(np.frombuffer(token_ids, "<u4"), np.frombuffer(offsets, "<i8"))

    def encode_with_offsets(self, text: str | bytes) -> tuple[list[int], Offsets]:
        """Return the ids of `text` and where each token begins and ends, [N,2].

        Offsets count characters of a str and bytes of bytes. A token that holds only a part of a
        character gets the place of the whole character.
        """
        data = text_bytes(text)
        token_ids = self._backend.encode(data, True)
        offsets = byte_offsets(np.array(token_ids, np.int64), self._byte_lengths)
        return token_ids, offsets if isinstance(text, bytes) else character_offsets(offsets, data)

    def encode_iterable(self, texts: Iterable[str | bytes]) -> Iterator[int]:
        """Yield the ids of a text that comes in pieces: those of `encode` for the joined pieces.

        Starts no threads and holds a few kilobytes, or the longest stretch of the text in which no
        cut is certain. With a regular expression as pattern, only special tokens are certain cuts.
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

    def decode(
        self, token_ids: TokenIds, *, errors: Literal["replace", "strict"] = "replace"
    ) -> str:
        """Return the text of `token_ids`.

        Args:
            token_ids: Ids of this vocabulary.
            errors: "replace" puts U+FFFD for bytes that are not UTF-8; "strict" refuses them.

        Raises:
            TokenizerError: When an id is not in the vocabulary, or bytes are not UTF-8 (strict).
        """
        return decode_utf8(self.decode_bytes(token_ids), errors)

    def decode_bytes(self, token_ids: TokenIds) -> bytes:
        """Return exactly the bytes of `token_ids`.

        Raises:
            TokenizerError: When an id is not in the vocabulary.
        """
        return self._backend.decode(plain_ids(token_ids))

    def decode_batch(
        self,
        batches: Iterable[TokenIds],
        *,
        errors: Literal["replace", "strict"] = "replace",
        num_threads: int = 0,
    ) -> list[str]:
        """Return the text of each list of ids, as `decode` does, by several threads."""
        check_thread_count(num_threads)
        decoded = self._backend.decode_batch([plain_ids(ids) for ids in batches], num_threads)
        return [decode_utf8(data, errors) for data in decoded]

    def stream_decoder(self) -> StreamDecoder:
        """Return a decoder that takes ids one by one and never shows half a character."""
        return StreamDecoder(self.id_to_bytes)

    @property
    def backend_name(self) -> str:
        """Which backend does the work: "native" or "python"."""
        return self._backend.name

    def __reduce__(self) -> tuple[Callable[..., "Tokenizer"], tuple[object, ...]]:
        return _rebuild, (self.definition, self._backend_kind)

    def __repr__(self) -> str:
        return (
            f"Tokenizer({len(self)} tokens, {len(self.merges)} merges, pattern={self.pattern!r}, "
            f"special_tokens={self.special_tokens}, backend={self.backend_name!r})"
        )


def _rebuild(definition: TokenizerDefinition, backend: BackendKind) -> Tokenizer:
    return Tokenizer.from_definition(definition, backend=backend)
