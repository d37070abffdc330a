"""How a text of any length is decoded and encoded piece by piece, with the ids of the whole."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Literal

from nano_transformer.errors import DataError
from nano_transformer.tokenization.pre_tokens import (
    PATTERN_NAMES,
    special_token_pattern,
    sure_border_pattern,
)

EncodingErrors = Literal["strict", "replace"]


def decode_blocks(
    blocks: Iterable[bytes],
    errors: Literal["strict", "replace", "surrogateescape"],
    *,
    name: str = "the text",
    first_offset: int = 0,
) -> Iterator[str]:
    """Decode UTF-8 that comes in blocks cut anywhere, as one `bytes.decode` of the whole would.

    Args:
        blocks: Consecutive bytes.
        errors: What to do about malformed bytes, as in `bytes.decode`.
        name: What the bytes are, for the message.
        first_offset: Offset of the first byte in what `name` names.

    Raises:
        DataError: When `errors` is "strict" and a byte is malformed; names its offset.
    """
    carry, offset = b"", first_offset
    try:
        for block in blocks:
            data = carry + block
            text, used = codecs.utf_8_decode(data, errors, False)
            carry, offset = data[used:], offset + used
            yield text
        if carry:
            yield codecs.utf_8_decode(carry, errors, True)[0]
    except UnicodeDecodeError as error:
        raise invalid_utf8(name, offset + error.start) from None


def invalid_utf8(name: str, offset: int) -> DataError:
    """Return the error that says where a text stops being UTF-8 and what to do."""
    return DataError(
        f"{name} is not valid UTF-8 at byte offset {offset}; "
        "convert it, or accept it with `--encoding-errors replace`"
    )


def separable_chunks(
    texts: Iterable[str], special_tokens: tuple[str, ...], chunk_characters: int, pattern: str
) -> Iterator[str]:
    """Regroup a text that comes in pieces into chunks that may be encoded one by one.

    A cut is made right after a special token or, for a named pattern, at a sure border, and only
    where the text seen so far decides it: the tail that could still grow into a special token is held
    back. Memory holds one chunk, or the longest stretch without a place to cut.

    Args:
        texts: Consecutive pieces of one text, cut anywhere between two characters.
        special_tokens: Tokens that cut the text wherever they stand.
        chunk_characters: How much to gather before a cut is looked for.
        pattern: The pre-token pattern.
    """
    specials = special_token_pattern(special_tokens)
    hold_back = max(map(len, special_tokens), default=1) - 1
    has_borders = pattern in PATTERN_NAMES
    buffer = ""
    searched = 0  # no special token starts before this position, and no border lies there
    wanted = chunk_characters
    for text in texts:
        buffer += text
        if len(buffer) < wanted:
            continue
        # Special tokens that start before `decided` are seen whole, even the longest.
        decided = len(buffer) - hold_back
        cut = 0
        for match in specials.finditer(buffer, searched):
            if match.start() >= decided:
                break
            cut = match.end()
        # The character after a border must be seen, and a token may begin before the border. From
        # `cut` on there is no token that starts before `decided`.
        if has_borders and (border := _last_border(buffer, max(cut, searched), decided)):
            cut = border
        if cut:
            yield buffer[:cut]
            buffer, searched = buffer[cut:], 0
        else:
            searched = max(decided - 1, 0)
        wanted = len(buffer) + chunk_characters
    if buffer:
        yield buffer


def _last_border(text: str, first: int, decided: int) -> int | None:
    """Return the last sure border between `first` and `decided`, itself included, if there is one."""
    # The border lies between two characters, and the pattern looks at both.
    match = sure_border_pattern().match(text, first, min(decided + 1, len(text)))
    return match.end() if match and match.end() > first else None
