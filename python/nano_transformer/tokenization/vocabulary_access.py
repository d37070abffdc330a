"""What a tokenizer tells about its tokens: ids, bytes, roles, digest."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.definition import TokenizerDefinition, definition_digest
from nano_transformer.tokenization.vocabulary import (
    check_merges,
    check_vocabulary,
    text_bytes,
    unknown_id,
)


class VocabularyAccess:
    """A checked definition, and what can be read off it.

    Raises:
        TokenizerError: When vocabulary and merges do not fit together.
    """

    def __init__(self, definition: TokenizerDefinition) -> None:
        self.definition = definition
        """All that makes this tokenizer, as data; not to be changed."""
        self._ids = check_vocabulary(self.vocab)
        check_merges(self.merges, self._ids)
        specials = [token.encode() for token in self.special_tokens]
        self._special_ids = {token: self._ids[token] for token in specials}

    @property
    def vocab(self) -> dict[int, bytes]:
        """Bytes of each id, special tokens included; not to be changed."""
        return self.definition.vocab

    @property
    def merges(self) -> list[tuple[bytes, bytes]]:
        """Pairs of byte strings in the order learnt; not to be changed."""
        return self.definition.merges

    @property
    def special_tokens(self) -> list[str]:
        """Special tokens as given; not to be changed."""
        return self.definition.special_tokens

    @property
    def pattern(self) -> str:
        """What cuts a text into pre-tokens: a name or a regular expression."""
        return self.definition.pattern

    @property
    def bos_id(self) -> int | None:
        """Id of the special token that begins a text."""
        return self._role_id(self.definition.bos_token)

    @property
    def eos_id(self) -> int | None:
        """Id of the special token that ends a text, and stands between documents."""
        return self._role_id(self.definition.eos_token)

    @property
    def pad_id(self) -> int | None:
        """Id of the special token that fills a batch."""
        return self._role_id(self.definition.pad_token)

    def _role_id(self, token: str | None) -> int | None:
        return None if token is None else self._special_ids[token.encode()]

    @property
    def end_of_text_id(self) -> int | None:
        """Another name of `eos_id`."""
        return self.eos_id

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

    def id_to_bytes(self, token_id: int) -> bytes:
        """Return the bytes of one token.

        Raises:
            TokenizerError: When the id is not in the vocabulary.
        """
        token = self.vocab.get(token_id)
        if token is None:
            raise unknown_id(token_id, max(self.vocab))
        return token

    @cached_property
    def _byte_lengths(self) -> npt.NDArray[np.int64]:
        lengths = np.zeros(self.vocab_size, np.int64)
        lengths[list(self.vocab)] = [len(token) for token in self.vocab.values()]
        return lengths

    def token_byte_lengths(self) -> npt.NDArray[np.int64]:
        """Return the bytes of text each id stands for, [vocab_size]: special and unused ids 0."""
        lengths = self._byte_lengths.copy()
        lengths[list(self._special_ids.values())] = 0
        return lengths

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of everything that decides the ids."""
        return definition_digest(self.definition)

    def _identity(self) -> tuple[object, ...]:
        roles = self.definition
        return self.digest, roles.bos_token, roles.eos_token, roles.pad_token

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VocabularyAccess) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self.digest)
