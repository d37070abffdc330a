"""Where a pattern cuts a text into pre-tokens, and where a text may be cut without changing that."""

import re
from collections.abc import Callable
from functools import cache

from nano_transformer.config_io import did_you_mean
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.character_classes import class_body

DEFAULT_PATTERN = "gpt2"
PATTERN_NAMES = ("gpt2", "gpt4", "gpt4o")


def bytes_to_text(data: bytes) -> str:
    """Decode UTF-8, turning each byte that is not part of it into one lone surrogate.

    No character class holds surrogates, so that such a byte is cut like punctuation, and
    `text_to_bytes` gives exactly the same bytes back.
    """
    return data.decode("utf-8", "surrogateescape")


def text_to_bytes(text: str) -> bytes:
    """Undo `bytes_to_text`."""
    return text.encode("utf-8", "surrogateescape")


def check_pattern(pattern: str) -> None:
    """Refuse what is neither the name of a pattern nor a regular expression that can be used.

    Raises:
        TokenizerError: When a name is unknown, or an expression is malformed, can match nothing, or
            means something else to another engine.
    """
    if pattern in PATTERN_NAMES:
        return
    if not re.fullmatch(r"[\w-]*", pattern):
        pre_token_splitter(pattern)
        return
    raise TokenizerError(
        f"pattern `{pattern}` is unknown{did_you_mean(pattern, PATTERN_NAMES)}; use "
        f"{', '.join(PATTERN_NAMES)} or a regular expression"
    )


@cache
def pre_token_splitter(pattern: str) -> Callable[[str], list[str]]:
    """Return a function that cuts a text, made by `bytes_to_text`, into its pre-tokens."""
    if pattern in PATTERN_NAMES:
        return named_pattern(pattern).findall
    # Most tokenizers never need it, so it is imported where one does.
    from nano_transformer.tokenization.custom_pattern import expression_splitter

    return expression_splitter(pattern)


@cache
def named_pattern(name: str) -> re.Pattern[str]:
    r"""Compile a pattern over our own table of classes; L, N, s and so on name Unicode classes.

    They are tiktoken's `r50k_base`, `cl100k_base` and `o200k_base`. What ends a run of white space
    is the same in all: `\s+(?!\S)` takes all but its last character, which may join a word.
    """
    letter, number, space = class_body("L"), class_body("N"), class_body("s")
    run = f"[{space}]+(?![^{space}])|[{space}]"
    if name == "gpt2":
        return re.compile(
            f"'(?:[sdmt]|ll|ve|re)| ?[{letter}]+| ?[{number}]+| ?[^{space}{letter}{number}]+|{run}"
        )
    contraction = "'(?:[sS\u017fdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])"
    before_word = rf"[^\r\n{letter}{number}]?"
    if name == "gpt4":
        return re.compile(
            f"{contraction}|{before_word}[{letter}]+|[{number}]{{1,3}}"
            rf"| ?[^{space}{letter}{number}]+[\r\n]*|[{space}]+\Z|[{space}]*[\r\n]|{run}"
        )
    upper, lower = class_body("Lu", "Lt", "Lm", "Lo", "M"), class_body("Ll", "Lm", "Lo", "M")
    return re.compile(
        f"{before_word}[{upper}]*[{lower}]+(?:{contraction})?"
        f"|{before_word}[{upper}]+[{lower}]*(?:{contraction})?|[{number}]{{1,3}}"
        rf"| ?[^{space}{letter}{number}]+[\r\n/]*|[{space}]*[\r\n]+|{run}"
    )


@cache
def sure_border_pattern() -> re.Pattern[str]:
    r"""Compile a pattern whose match ends at the last sure border of a text.

    There every named pattern begins a pre-token, and cuts what lies before alike with and without
    the rest: after a letter before what is no letter, mark or apostrophe; after a number before what
    is no number; after anything else but white space before white space other than a line break.
    """
    letter, number, space = class_body("L"), class_body("N"), class_body("s")
    return re.compile(
        f"(?s:.*)(?:(?<=[{letter}])(?=[^{letter}{class_body('M')}'])|(?<=[{number}])(?=[^{number}])"
        rf"|(?<=[^{space}])(?![\r\n])(?=[{space}]))"
    )


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
