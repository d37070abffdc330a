"""Where in its text each token lies."""

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]


def byte_offsets(token_ids: npt.NDArray[np.int64], byte_lengths: npt.NDArray[np.int64]) -> Offsets:
    """Return first byte and the byte after the last of each token, [N,2].

    Args:
        token_ids: Ids of a whole text, [N].
        byte_lengths: Bytes that each id stands for, [V].
    """
    lengths = byte_lengths[token_ids]  # [N]
    stops = np.cumsum(lengths)
    return np.stack([stops - lengths, stops], axis=1)


def character_offsets(offsets: Offsets, text: bytes) -> Offsets:
    """Turn offsets in bytes into offsets in characters, [N,2].

    A token that holds only a part of a character covers that whole character, so that neighbours
    may overlap.

    Args:
        offsets: First byte and the byte after the last of each token, [N,2].
        text: Valid UTF-8.
    """
    is_first_byte = (np.frombuffer(text, np.uint8) & 0xC0) != 0x80
    character_of_byte = np.cumsum(is_first_byte) - 1  # [bytes]
    starts, stops = offsets[:, 0], offsets[:, 1]
    return np.stack([character_of_byte[starts], character_of_byte[stops - 1] + 1], axis=1)
