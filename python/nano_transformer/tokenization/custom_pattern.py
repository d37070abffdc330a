"""How a text is cut by a regular expression: at its matches, and at the gaps between them."""

import re
from collections.abc import Callable

import regex

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.expression_syntax import explicit_expression

STAND_IN = "\uffff"
"""What a malformed byte looks like to the expression, as in Rust: no character a text should hold."""

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


def expression_splitter(pattern: str) -> Callable[[str], list[str]]:
    """Return a function that cuts a text, made by `bytes_to_text`, by a regular expression.

    Raises:
        TokenizerError: When the expression cannot be used.
    """
    explicit = explicit_expression(pattern)
    try:
        compiled = regex.compile(explicit, regex.VERSION0)
    except regex.error as error:
        raise TokenizerError(
            f"pattern `{pattern}` is no regular expression that can be used: {error}"
        ) from None

    def split(text: str) -> list[str]:
        readable = text if text.isascii() else _ESCAPED_BYTE.sub(STAND_IN, text)
        pieces: list[str] = []
        done = 0
        for match in compiled.finditer(readable):
            start, stop = match.span()
            if start > done:
                pieces.append(text[done:start])
            pieces.append(text[start:stop])
            done = stop
        if done < len(text):
            pieces.append(text[done:])
        return pieces

    return split
