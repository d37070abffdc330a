"""How bytes of ids become text: all at once, or one by one without ever showing half a character."""

import codecs
from collections.abc import Callable
from typing import Literal

import numpy as np

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.backend import TokenIds


def plain_ids(token_ids: TokenIds) -> TokenIds:
    """Return a list, or an array of a type that both backends take without a Python object an id."""
    if isinstance(token_ids, np.ndarray):
        if token_ids.ndim != 1 or token_ids.dtype.kind not in "iu":
            raise TypeError(
                f"ids must be a list or a one-dimensional array of integers, not an array of "
                f"{token_ids.dtype} of shape {token_ids.shape}"
            )
        if token_ids.dtype.str in ("<u2", "<u4", "<i4", "<i8"):
            return np.ascontiguousarray(token_ids)
    to_list: Callable[[], list[int]] | None = getattr(token_ids, "tolist", None)
    return list(token_ids) if to_list is None else to_list()


def decode_utf8(data: bytes, errors: Literal["replace", "strict"]) -> str:
    """Decode UTF-8; replace what is malformed, or refuse it.

    Raises:
        TokenizerError: With the place of what is malformed (strict).
    """
    try:
        return data.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise TokenizerError(
            f"the ids make no valid UTF-8 at byte {error.start} of their {len(data)}; decode with "
            '`errors="replace"`, or take `decode_bytes`'
        ) from None


class StreamDecoder:
    r"""Decodes ids as they come: each `push` returns the characters that are complete by then.

    All results joined, that of `finish` included, are `Tokenizer.decode` of all ids: U+FFFD stands
    for malformed bytes, and a U+FFFD that the text really holds is no different from any character.

    Example:
        >>> decoder = StreamDecoder({0: b"caf\xc3", 1: b"\xa9!"}.__getitem__)
        >>> decoder.push(0), decoder.push(1), decoder.finish()
        ('caf', 'é!', '')
    """

    def __init__(self, id_to_bytes: Callable[[int], bytes]) -> None:
        self._id_to_bytes = id_to_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        """Return the text that `token_id` completes; "" while a character is unfinished.

        Raises:
            TokenizerError: When the id is not in the vocabulary; the decoder stays as it was.
        """
        return self._decoder.decode(self._id_to_bytes(token_id))

    def finish(self) -> str:
        """Return what is left, U+FFFD for an unfinished character, and begin anew."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest
