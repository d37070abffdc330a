"""The tokenizer backend in plain Python: the same ids as the Rust extension, written to be read."""

import heapq
import itertools
import operator
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from nano_transformer.tokenization.backend import Progress, Span, TokenIds
from nano_transformer.tokenization.pre_tokens import (
    bytes_to_text,
    pre_token_splitter,
    special_token_pattern,
    split_into_pre_tokens,
    text_to_bytes,
)
from nano_transformer.tokenization.streaming import decode_blocks, separable_chunks
from nano_transformer.tokenization.throttle import throttled
from nano_transformer.tokenization.token_arrays import BLOCK_BYTES, TokenArraysWriter, token_dtype
from nano_transformer.tokenization.vocabulary import ordinary_ids, unknown_id

__all__ = ["ReferenceBackend", "split_into_pre_tokens"]

CACHED_PIECES = 1 << 16
CACHED_PIECE_CHARACTERS = 64


class ReferenceBackend:
    """Byte-level BPE over dictionaries and a heap."""

    name = "python"

    def __init__(
        self,
        vocab: Mapping[int, bytes],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Mapping[bytes, int],
        pattern: str,
        ignore_merges: bool,
    ) -> None:
        self._pattern = pattern
        self._split = pre_token_splitter(pattern)
        ids = {token: token_id for token_id, token in vocab.items()}
        self._byte_ids = [ids[bytes([byte])] for byte in range(256)]
        self._merges = {
            (ids[left], ids[right]): (rank, ids[left + right])
            for rank, (left, right) in enumerate(merges)
        }
        self._bytes_of_id = dict(vocab)
        self._special_ids = {token.decode(): special_tokens[token] for token in special_tokens}
        self._special_pattern = special_token_pattern(tuple(self._special_ids))
        self._whole_ids = ordinary_ids(vocab, merges, self._special_ids) if ignore_merges else {}
        self._cache: dict[str, list[int]] = {}

    def encode(self, text: bytes, with_special_tokens: bool) -> list[int]:
        """Return the ids of `text`; special tokens in it become their ids when asked for."""
        characters = bytes_to_text(text)
        token_ids: list[int] = []
        if not with_special_tokens:
            self._encode_ordinary(characters, token_ids)
            return token_ids
        start = 0
        for match in self._special_pattern.finditer(characters):
            self._encode_ordinary(characters[start : match.start()], token_ids)
            token_ids.append(self._special_ids[match.group()])
            start = match.end()
        self._encode_ordinary(characters[start:], token_ids)
        return token_ids

    def _encode_ordinary(self, text: str, token_ids: list[int]) -> None:
        """Append the ids of a text without special tokens; most words come from the cache."""
        for piece in self._split(text):
            piece_ids = self._cache.get(piece)
            if piece_ids is None:
                piece_ids = self._encode_piece(text_to_bytes(piece))
                if len(piece) <= CACHED_PIECE_CHARACTERS:
                    if len(self._cache) >= CACHED_PIECES:
                        self._cache.clear()
                    self._cache[piece] = piece_ids
            token_ids.extend(piece_ids)

    def _encode_piece(self, piece: bytes) -> list[int]:
        whole_id = self._whole_ids.get(piece)
        return self._merge(piece) if whole_id is None else [whole_id]

    def encode_batch(
        self,
        texts: Sequence[bytes],
        with_special_tokens: bool,
        num_threads: int,  # noqa: ARG002 (Python runs one thread at a time)
    ) -> list[list[int]]:
        """Return the ids of each text."""
        return [self.encode(text, with_special_tokens) for text in texts]

    def encode_to_arrays(
        self, texts: Sequence[bytes], with_special_tokens: bool, num_threads: int
    ) -> tuple[memoryview, bytearray]:
        """Return the ids of all texts as `<u4`, and as `<i8` where each text's begin, with the end."""
        batch = self.encode_batch(texts, with_special_tokens, num_threads)
        token_ids = np.fromiter(itertools.chain.from_iterable(batch), "<u4")
        offsets = np.cumsum([0, *map(len, batch)], dtype="<i8")
        return memoryview(bytearray(token_ids.tobytes())), bytearray(offsets.tobytes())

    def encode_file(
        self,
        path: str,
        start: int,
        least_bytes: int,  # noqa: ARG002 (this much is slow enough in one go)
        with_special_tokens: bool,
        num_threads: int,  # noqa: ARG002
        progress: Progress | None,
    ) -> tuple[memoryview, int]:
        """Encode the rest of a file, a block at a time."""
        specials = tuple(self._special_ids) if with_special_tokens else ()
        dtype = token_dtype(max(self._bytes_of_id))
        token_ids = bytearray()
        with Path(path).open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            file.seek(start)
            report = throttled(progress, "encoding", total - start)
            blocks = iter(partial(file.read, BLOCK_BYTES), b"")
            texts = decode_blocks(blocks, "surrogateescape")
            for chunk in separable_chunks(texts, specials, BLOCK_BYTES, self._pattern):
                ids = self.encode(text_to_bytes(chunk), with_special_tokens)
                token_ids += np.array(ids, dtype).tobytes()
                report(file.tell() - start)
            return memoryview(token_ids), file.tell()

    def _merge(self, piece: bytes) -> list[int]:
        """Merge the bytes of one pre-token: always the lowest rank, and of those the leftmost.

        The symbols form a linked list over the positions where they start, and a heap holds the
        pairs that can merge, so that a pre-token of n bytes takes n log n steps.
        """
        end = len(piece)
        ids = [self._byte_ids[byte] for byte in piece]  # at a position that starts a symbol
        following = list(range(1, end + 1))  # where the next symbol starts
        previous = list(range(-1, end - 1))
        heap: list[tuple[int, int, int, int, int]] = []  # rank, position, left, right, merged id

        def offer(position: int) -> None:
            """Put the pair that starts at `position` on the heap if it can merge."""
            pair = (ids[position], ids[following[position]])
            if pair in self._merges:
                rank, merged = self._merges[pair]
                heapq.heappush(heap, (rank, position, *pair, merged))

        for position in range(end - 1):
            offer(position)
        while heap:
            _, position, left, right, merged = heapq.heappop(heap)
            neighbour = following[position]
            # An entry is stale when one of its symbols has grown or been swallowed meanwhile.
            if neighbour >= end or (ids[position], ids[neighbour]) != (left, right):
                continue
            ids[position], ids[neighbour] = merged, -1
            after = following[position] = following[neighbour]
            if after < end:
                previous[after] = position
                offer(position)
            if previous[position] >= 0:
                offer(previous[position])
        return [token_id for token_id in ids if token_id >= 0]

    def decode(self, token_ids: TokenIds) -> bytes:
        """Return the bytes of `token_ids`, joined."""
        plain = token_ids.tolist() if isinstance(token_ids, np.ndarray) else token_ids
        try:
            return b"".join([self._bytes_of_id[i] for i in map(operator.index, plain)])
        except KeyError as error:
            raise unknown_id(error.args[0], max(self._bytes_of_id)) from None

    def decode_batch(
        self,
        batches: Sequence[TokenIds],
        num_threads: int,  # noqa: ARG002
    ) -> list[bytes]:
        """Return the bytes of each list of ids, joined."""
        return [self.decode(token_ids) for token_ids in batches]

    def write_token_arrays(
        self,
        spans: Sequence[Span],
        tokens_path: str,
        documents_path: str,
        delimiter: bytes | None,
        replace_invalid_utf8: bool,
        held_out_below: int,
        keep_held_out: bool,
        num_threads: int,  # noqa: ARG002 (Python runs one thread at a time)
        progress: Progress | None,
    ) -> tuple[int, int]:
        """Encode the documents of byte spans of files into two .npy files."""
        writer = TokenArraysWriter(
            encode=lambda text: self.encode(text, True),
            special_tokens=tuple(self._special_ids),
            pattern=self._pattern,
            largest_id=max(self._bytes_of_id),
            delimiter=delimiter,
            delimiter_id=None if delimiter is None else self._special_ids.get(delimiter.decode()),
            errors="replace" if replace_invalid_utf8 else "strict",
            is_kept=lambda content_hash: (content_hash < held_out_below) == keep_held_out,
        )
        return writer.write(spans, tokens_path, documents_path, progress)
