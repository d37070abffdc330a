"""What is in a vocabulary, how a text falls into its tokens, and how well it fits a text."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from nano_transformer.tokenization.tokenizer import Tokenizer


@dataclass(frozen=True)
class VocabularyStatistics:
    """Counts over the ordinary tokens of a vocabulary: all but the special ones."""

    num_tokens: int
    lengths: Mapping[int, int]
    """How many tokens have each length in bytes, in the order of lengths."""
    longest: list[bytes]
    """The longest tokens, longest first."""
    num_leading_space: int
    """Tokens that begin with a space: beginnings of words."""
    num_not_utf8: int
    """Tokens that are no valid UTF-8 by themselves: single bytes, parts of characters."""
    unreachable: list[int]
    """Ids that no text is ever given, because other merges come before theirs."""


class Piece(NamedTuple):
    """One token of a text."""

    token_id: int
    token: bytes
    is_special: bool


class Fit(NamedTuple):
    """How a tokenizer does on a text."""

    num_bytes: int
    num_tokens: int
    num_used: int
    """How many different entries occur."""
    seconds: float
    """Time that one call of `encode_to_numpy` took."""

    @property
    def bytes_per_token(self) -> float:
        """How much text a token stands for: the more, the better it fits."""
        return self.num_bytes / max(self.num_tokens, 1)


def vocabulary_statistics(tokenizer: Tokenizer, num_longest: int = 10) -> VocabularyStatistics:
    """Count what is in a vocabulary; takes about a second per 100,000 entries."""
    ordinary = _ordinary_tokens(tokenizer)
    lengths = Counter(map(len, ordinary.values()))
    return VocabularyStatistics(
        num_tokens=len(ordinary),
        lengths={length: lengths[length] for length in sorted(lengths)},
        longest=longest_tokens(tokenizer, num_longest),
        num_leading_space=sum(token.startswith(b" ") for token in ordinary.values()),
        num_not_utf8=sum(not _is_utf8(token) for token in ordinary.values()),
        unreachable=_unreachable_ids(tokenizer, ordinary),
    )


def longest_tokens(tokenizer: Tokenizer, count: int) -> list[bytes]:
    """Return the longest ordinary tokens, longest first."""
    tokens = _ordinary_tokens(tokenizer).values()
    return sorted(tokens, key=lambda token: (-len(token), token))[:count]


def _ordinary_tokens(tokenizer: Tokenizer) -> dict[int, bytes]:
    special = {tokenizer.token_to_id(token) for token in tokenizer.special_tokens}
    return {i: token for i, token in tokenizer.vocab.items() if i not in special}


def _is_utf8(token: bytes) -> bool:
    try:
        token.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unreachable_ids(tokenizer: Tokenizer, ordinary: Mapping[int, bytes]) -> list[int]:
    """Return the ids that merging never ends with.

    Where a token stands in a text, no merge has crossed its borders; so the merges within it were
    those of its bytes alone, and a token that its own bytes do not merge into is never reached. The
    pattern may keep out further ones, which no finite test decides for any regular expression.
    """
    ranks = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    found = (token_id for token_id, token in ordinary.items() if not _merges_whole(token, ranks))
    if not tokenizer.definition.ignore_merges:
        return sorted(found)
    return sorted(i for i in found if tokenizer.encode_ordinary(ordinary[i]) != [i])


def _merges_whole(token: bytes, ranks: Mapping[tuple[bytes, bytes], int]) -> bool:
    parts = [token[index : index + 1] for index in range(len(token))]
    never = len(ranks)
    while len(parts) > 1:
        pairs = pairwise(parts)
        rank, index = min((ranks.get(pair, never), index) for index, pair in enumerate(pairs))
        if rank == never:
            return False
        parts[index : index + 2] = [parts[index] + parts[index + 1]]
    return True


def split_text(tokenizer: Tokenizer, text: str | bytes) -> list[Piece]:
    """Return the tokens of a text one by one; their bytes joined are the text again."""
    special = {tokenizer.token_to_id(token) for token in tokenizer.special_tokens}
    return [
        Piece(token_id, tokenizer.vocab[token_id], token_id in special)
        for token_id in tokenizer.encode(text)
    ]


def spell(token: bytes, at_most: int | None = None) -> str:
    r"""Return a token as one printable line, with `\n`, `\x00` or `\xe4` for what has no sign.

    Args:
        token: Any bytes.
        at_most: Where a longer token is cut, in bytes; None: nowhere.

    Example:
        >>> spell(" café".encode()), spell(b"\n\n"), spell(b"\xe4\xb8")
        (' café', '\\n\\n', '\\xe4\\xb8')
    """
    if at_most is not None and len(token) > at_most:
        return f"{spell(token[:at_most])}... ({len(token):,} bytes)"
    text = token.decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def measure_fit(tokenizer: Tokenizer, text: bytes, *, num_threads: int = 0) -> Fit:
    """Encode a text once, and count and time it."""
    began = time.perf_counter()
    token_ids = tokenizer.encode_to_numpy([text], num_threads=num_threads).token_ids
    seconds = time.perf_counter() - began
    return Fit(len(text), len(token_ids), len(np.unique(token_ids)), seconds)
