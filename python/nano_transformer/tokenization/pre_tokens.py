"""Where GPT-2's pattern cuts a text, and where a text may be cut without changing that."""

import re
from collections.abc import Callable, Iterable
from functools import cache

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.unicode_classes import LETTERS, NUMBERS, WHITE_SPACE

DEFAULT_PATTERN = "gpt2"
PATTERN_NAMES = ("gpt2",)


def check_pattern(pattern: str) -> None:
    """Refuse what is no pattern.

    Raises:
        TokenizerError: When it is unknown.
    """
    if pattern not in PATTERN_NAMES:
        raise TokenizerError(f"pattern `{pattern}` is unknown; use {', '.join(PATTERN_NAMES)}")


def pre_token_splitter(pattern: str) -> Callable[[str], list[str]]:
    """Return a function that cuts a text, made by `bytes_to_text`, into its pre-tokens."""
    check_pattern(pattern)
    return pre_token_pattern().findall


def bytes_to_text(data: bytes) -> str:
    """Decode UTF-8, turning each byte that is not part of it into one lone surrogate.

    No character class holds surrogates, so that such a byte is cut like punctuation, and
    `text_to_bytes` gives exactly the same bytes back.
    """
    return data.decode("utf-8", "surrogateescape")


def text_to_bytes(text: str) -> bytes:
    """Undo `bytes_to_text`."""
    return text.encode("utf-8", "surrogateescape")


@cache
def pre_token_pattern() -> re.Pattern[str]:
    r"""Compile GPT-2's pattern over our own table of classes.

    Python's `\s` and `str.isalpha` follow another Unicode version and other rules than the Rust
    libraries (`\s` takes U+001C, for one), so every class is written out from the generated table.
    """
    letter, number, space = map(_class_body, (LETTERS, NUMBERS, WHITE_SPACE))
    return re.compile(
        "'(?:[sdmt]|ll|ve|re)"
        f"| ?[{letter}]+"
        f"| ?[{number}]+"
        f"| ?[^{space}{letter}{number}]+"
        f"|[{space}]+(?![^{space}])"  # all of a run but its last character, which may join a word
        f"|[{space}]+"
    )


@cache
def sure_border_pattern() -> re.Pattern[str]:
    r"""Compile a pattern whose match ends one character after the last sure border.

    A sure border lies just before the last character of a run of white space that something else
    follows: there the pattern always starts a new pre-token, whatever surrounds it, and what lies
    before it is cut alike with and without the rest.
    """
    space = _class_body(WHITE_SPACE)
    return re.compile(f"(?s:.*)[{space}](?=[^{space}])")


@cache
def special_token_pattern(special_tokens: tuple[str, ...]) -> re.Pattern[str]:
    """Compile a pattern that finds special tokens: the leftmost, and of those the longest.

    Without special tokens the pattern matches nowhere.
    """
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def split_into_pre_tokens(text: bytes, pattern: str = DEFAULT_PATTERN) -> list[bytes]:
    """Cut `text` where `pattern` does; the pieces joined are `text` again."""
    return [text_to_bytes(piece) for piece in pre_token_splitter(pattern)(bytes_to_text(text))]


def _class_body(ranges: Iterable[tuple[int, int]]) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
