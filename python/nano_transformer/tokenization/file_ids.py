"""How text of any length becomes token ids in a file or stream, and how such ids are read back."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from nano_transformer import files
from nano_transformer.errors import DataError
from nano_transformer.tokenization.pre_tokens import text_to_bytes
from nano_transformer.tokenization.special_choice import SpecialChoice
from nano_transformer.tokenization.streaming import decode_blocks, separable_chunks
from nano_transformer.tokenization.token_arrays import token_dtype, tokens_header
from nano_transformer.tokenization.tokenizer import Tokenizer

CHUNK_CHARACTERS = 1 << 17
CHUNKS_AT_ONCE = 16
"""Chunks that the threads share: memory is a few dozen bytes for each of their characters."""

BLOCK_BYTES = 1 << 20

IDS_AT_ONCE = 1 << 16

_NPY_MAGIC = b"\x93NUMPY"
_LONGEST_ID = 18
"""Digits that surely fit int64; no vocabulary is that large."""
_TO_SPACES = bytes.maketrans(b"[],\t\r\n", b"      ")


def read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield what is left of a file or stream, a MiB at a time."""
    while block := file.read(BLOCK_BYTES):
        yield block


def encode_blocks(
    tokenizer: Tokenizer,
    blocks: Iterable[bytes],
    *,
    ordinary: bool = False,
    num_threads: int = 0,
) -> Iterator[npt.NDArray[np.integer]]:
    """Yield the ids of a text that comes in blocks: together those of the whole text at once.

    Memory holds a few chunks, or the longest stretch in which no cut is certain. With a regular
    expression as pattern, only special tokens are certain cuts.

    Args:
        tokenizer: What makes ids of text.
        blocks: Consecutive bytes of one text, cut anywhere.
        ordinary: Treat special tokens as any other text.
        num_threads: 0 means one for each core.
    """
    specials = () if ordinary else tuple(tokenizer.special_tokens)
    characters = decode_blocks(blocks, "surrogateescape")
    chunks = separable_chunks(characters, specials, CHUNK_CHARACTERS, tokenizer.pattern)
    while texts := [text_to_bytes(chunk) for chunk in islice(chunks, CHUNKS_AT_ONCE)]:
        allowed: SpecialChoice = () if ordinary else "all"
        yield tokenizer.encode_to_numpy(
            texts, allowed_special=allowed, num_threads=num_threads
        ).token_ids


def save_token_ids(path: Path, arrays: Iterable[npt.NDArray[np.integer]], vocab_size: int) -> int:
    """Write ids to a `.npy` file, wholly or not at all, and return how many there are.

    Ids are stored as uint16 where all of the vocabulary fits, else as uint32.
    """
    dtype = token_dtype(vocab_size - 1)
    count = 0

    def write(file: BinaryIO) -> None:
        nonlocal count
        file.write(tokens_header(dtype, 0))
        for token_ids in arrays:
            file.write(token_ids.astype(dtype).tobytes())
            count += len(token_ids)
        file.seek(0)
        file.write(tokens_header(dtype, count))

    files.write_atomically(path, write)
    return count


def read_token_ids(file: BinaryIO, name: str) -> Iterator[npt.NDArray[np.integer]]:
    """Yield the ids in a `.npy` file or stream, or those written as text.

    In a text, white space, commas or square brackets stand between ids.

    Args:
        file: Where to read; it need not be seekable.
        name: What it is, for messages.

    Raises:
        DataError: When it holds anything but whole numbers, or ends early.
    """
    beginning = file.read(len(_NPY_MAGIC))
    if beginning == _NPY_MAGIC:
        yield from _read_npy(file, name)
    else:
        yield from _read_text(_chained(beginning, file), name)


def _chained(beginning: bytes, file: BinaryIO) -> Iterator[bytes]:
    yield beginning
    yield from read_blocks(file)


def _read_npy(file: BinaryIO, name: str) -> Iterator[npt.NDArray[np.integer]]:
    version = tuple(file.read(2))
    try:
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    except ValueError as error:
        raise DataError(f"{name} has no .npy header that can be read: {error}") from None
    if len(shape) != 1 or dtype.kind not in "iu":
        raise DataError(
            f"{name} holds an array of shape {shape} and type {dtype}; token ids are a "
            "one-dimensional array of integers"
        )
    left = shape[0] * dtype.itemsize
    while left and (block := file.read(min(left, BLOCK_BYTES))):
        left -= len(block)
        if len(block) % dtype.itemsize == 0:
            yield np.frombuffer(block, dtype)
    if left:
        raise DataError(f"{name} ends {left} bytes before its header says; it is cut short")


def _read_text(blocks: Iterable[bytes], name: str) -> Iterator[npt.NDArray[np.integer]]:
    carry = b""
    for block in blocks:
        words = carry + block.translate(_TO_SPACES)
        # The last word may go on in the next block, unless it is too long to be an id already.
        end = words.rfind(b" ") + 1
        if len(words) - end > _LONGEST_ID:
            end = len(words)
        carry = words[end:]
        yield _parse_ids(words[:end], name)
    yield _parse_ids(carry, name)


def _parse_ids(text: bytes, name: str) -> npt.NDArray[np.integer]:
    words = text.split()
    for word in words:
        if not word.isdigit() or len(word) > _LONGEST_ID:
            raise DataError(
                f"{name} holds {word[:40].decode('utf-8', 'replace')!r}, which is no token id; "
                "give whole numbers with white space between them, or a .npy file"
            )
    return np.array([int(word) for word in words], np.int64)


def ids_as_text(arrays: Iterable[npt.NDArray[np.integer]]) -> Iterator[str]:
    """Yield ids written with one space between them, and a line break at the end of all."""
    separator = ""
    for token_ids in arrays:
        # Digits in Python strings take ten times the room of the array, so few are made at a time.
        for start in range(0, len(token_ids), IDS_AT_ONCE):
            yield separator + " ".join(map(str, token_ids[start : start + IDS_AT_ONCE].tolist()))
            separator = " "
    yield "\n"
