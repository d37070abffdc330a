"""How ids become text one by one, without ever showing half a character."""

import codecs
from collections.abc import Callable


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
