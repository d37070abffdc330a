"""Which special tokens in a text become their ids, and which must not stand in it at all."""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Literal

from nano_transformer.errors import TokenizerError

SpecialChoice = Literal["all"] | Collection[str]
"""Every special token of the tokenizer, or some of them by name."""


def chosen_tokens(
    choice: SpecialChoice, special_tokens: Sequence[str], *, argument: str
) -> frozenset[str]:
    """Return the special tokens that `choice` names.

    Args:
        choice: "all", or a collection of special tokens.
        special_tokens: Those the tokenizer has.
        argument: Where `choice` was given, for the message.

    Raises:
        TokenizerError: When it names something that is no special token.
    """
    if isinstance(choice, str):
        if choice == "all":
            return frozenset(special_tokens)
        raise TokenizerError(
            f'`{argument}` is {choice!r}; give "all" or a collection such as {{{choice!r}}}'
        )
    unknown = sorted(set(choice).difference(special_tokens))
    if unknown:
        raise TokenizerError(
            f"`{argument}` names {unknown[0]!r}, which is no special token of this tokenizer; it "
            f"has {list(special_tokens)}"
        )
    return frozenset(choice)


def refuse_tokens(text: bytes, tokens: frozenset[str]) -> None:
    """Refuse a text that holds one of `tokens`.

    Raises:
        TokenizerError: With the token and its offset in bytes.
    """
    found = _finder(tokens).search(text) if tokens else None
    if found:
        raise TokenizerError(
            f"the text holds the special token {found[0].decode()!r} at byte {found.start()}, which "
            "`disallowed_special` forbids; allow it by `allowed_special`, or use `encode_ordinary`"
        )


def split_at_tokens(text: bytes, tokens: frozenset[str]) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield each stretch of ordinary text with the special token after it, None at the end.

    The leftmost token cuts first, and of those the longest.
    """
    start = 0
    for match in _finder(tokens).finditer(text):
        yield text[start : match.start()], match[0]
        start = match.end()
    yield text[start:], None


@lru_cache(maxsize=16)
def _finder(tokens: frozenset[str]) -> re.Pattern[bytes]:
    longest_first = sorted((token.encode() for token in tokens), key=len, reverse=True)
    return re.compile(b"|".join(map(re.escape, longest_first)) or b"(?!)")
