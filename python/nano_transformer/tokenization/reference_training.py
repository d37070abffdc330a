"""How merges are learnt from text, in plain Python: the same ones as the Rust extension's."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from nano_transformer.errors import DataError
from nano_transformer.tokenization.backend import Progress
from nano_transformer.tokenization.formats.gpt2 import byte_to_character
from nano_transformer.tokenization.pre_tokens import pre_token_splitter, special_token_pattern
from nano_transformer.tokenization.streaming import (
    EncodingErrors,
    decode_blocks,
    separable_chunks,
)
from nano_transformer.tokenization.throttle import throttled

Pair = tuple[int, int]

BLOCK_BYTES = 1 << 20
LARGEST_COUNT = (1 << 64) - 1


class ReferenceCounter:
    """Counts pre-tokens of one text after another, and learns merges from the counts."""

    def __init__(self, pattern: str, special_tokens: Sequence[bytes]) -> None:
        self._pattern = pattern
        self._special_tokens = tuple(token.decode() for token in special_tokens)
        self._counts: Counter[bytes] = Counter()

    def count_files(
        self,
        paths: Sequence[str],
        replace_invalid_utf8: bool,
        num_threads: int,  # noqa: ARG002 (Python runs one thread at a time)
        progress: Progress | None,
    ) -> None:
        """Count the pre-tokens of files in bounded memory; after an error, none."""
        sizes = sum(Path(path).stat().st_size for path in paths)
        sources = ((f"`{path}`", _file_blocks(path)) for path in paths)
        self._count(sources, sizes, "replace" if replace_invalid_utf8 else "strict", progress)

    def count_texts(
        self,
        texts: Sequence[bytes],
        first_number: int,
        replace_invalid_utf8: bool,
        num_threads: int,  # noqa: ARG002
        progress: Progress | None,
    ) -> None:
        """Count the pre-tokens of texts, the first of which messages call by `first_number`."""
        sources = (
            (f"text number {number}", _text_blocks(text))
            for number, text in enumerate(texts, start=first_number)
        )
        errors: EncodingErrors = "replace" if replace_invalid_utf8 else "strict"
        self._count(sources, sum(map(len, texts)), errors, progress)

    def _count(
        self,
        sources: Iterable[tuple[str, Iterator[bytes]]],
        num_bytes: int,
        errors: EncodingErrors,
        progress: Progress | None,
    ) -> None:
        report = throttled(progress, "counting", num_bytes)
        specials = special_token_pattern(self._special_tokens)
        split = pre_token_splitter(self._pattern)
        counts: Counter[str] = Counter()
        done = 0

        def watched(blocks: Iterable[bytes]) -> Iterator[bytes]:
            nonlocal done
            for block in blocks:
                yield block
                done += len(block)
                report(done)

        for name, blocks in sources:
            characters = decode_blocks(watched(blocks), errors, name=name)
            for chunk in separable_chunks(
                characters, self._special_tokens, BLOCK_BYTES, self._pattern
            ):
                for stretch in specials.split(chunk):
                    counts.update(split(stretch))
        self.add([(piece.encode(), count) for piece, count in counts.items()])

    def add(self, pieces: Iterable[tuple[bytes, int]]) -> None:
        """Add counts that were made elsewhere; a sum beyond 64 bits stays at their largest number."""
        for piece, count in pieces:
            self._counts[piece] = min(self._counts[piece] + count, LARGEST_COUNT)

    def items(self) -> list[tuple[bytes, int]]:
        """Return every pre-token with its count, in the order of their bytes."""
        return sorted(self._counts.items())

    def learn_merges(
        self, num_merges: int, tie_break: str, min_frequency: int, progress: Progress | None
    ) -> list[tuple[bytes, bytes]]:
        """Learn up to `num_merges` merges, in the order learnt.

        Raises:
            DataError: When the counts add up to more than 64 bits hold, as in Rust.
        """
        if sum(len(p) * count for p, count in self._counts.items() if len(p) > 1) > LARGEST_COUNT:
            raise DataError(
                "the counts of all pre-tokens add up to more than 2**64; give fewer counts"
            )
        return learn_merges(
            self._counts,
            num_merges,
            tie_break,
            min_frequency,
            progress,
            reserved=[token.encode() for token in self._special_tokens],
        )


def _file_blocks(path: str) -> Iterator[bytes]:
    with Path(path).open("rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _text_blocks(text: bytes) -> Iterator[bytes]:
    for start in range(0, len(text), BLOCK_BYTES):
        yield text[start : start + BLOCK_BYTES]


BOUNDARY, INSIDE = -1, -2
"""What stands in slots between pre-tokens, and in those inside a symbol."""


def learn_merges(
    counts: Counter[bytes],
    num_merges: int,
    tie_break: str = "bytes",
    min_frequency: int = 1,
    progress: Progress | None = None,
    *,
    reserved: Iterable[bytes] = (),
) -> list[tuple[bytes, bytes]]:
    """Learn up to `num_merges` merges from counted pre-tokens.

    No merge makes a token that is there already, or one of the `reserved`, which get ids of their own.

    All pre-tokens lie in one list with a slot for each byte. A symbol writes its id into its first
    and its last slot, so that both neighbours of a position are found at once. Every pair knows its
    count and the places where it stands or stood, so that a merge visits those alone. The heap is
    lazy: an entry whose count is out of date is put back corrected. Counts only ever fall after a
    pair's first appearance, because new pairs hold the newest token, so an entry is never too low.
    """
    tokens = [bytes([byte]) for byte in range(256)]
    known = {*tokens, *reserved}
    slots = [BOUNDARY]
    frequencies = [0]  # of the pre-token that each slot belongs to
    pair_counts: Counter[Pair] = Counter()
    places: defaultdict[Pair, list[int]] = defaultdict(list)
    for piece, frequency in counts.items():
        for place, pair in enumerate(pairwise(piece), start=len(slots)):
            pair_counts[pair] += frequency
            places[pair].append(place)
        slots += [*piece, BOUNDARY]
        frequencies += [frequency] * (len(piece) + 1)
    tie_key = _tie_key(tie_break, tokens)

    def entry(pair: Pair) -> tuple[int, object, object, Pair]:
        return -pair_counts[pair], tie_key(pair[0]), tie_key(pair[1]), pair

    def merge_everywhere(pair: Pair, merged: int) -> set[Pair]:
        """Write `merged` for the pair at each place, from left to right; return the new pairs."""
        left, right = pair
        new_pairs: set[Pair] = set()
        for start in places.pop(pair):
            middle, end = start + len(tokens[left]), start + len(tokens[merged])
            if (slots[start], slots[middle]) != pair:
                continue  # one of the two is part of a larger symbol by now
            slots[middle - 1] = slots[middle] = INSIDE
            slots[start] = slots[end - 1] = merged
            before, after, frequency = slots[start - 1], slots[end], frequencies[start]
            if before != BOUNDARY:
                pair_counts[before, left] -= frequency
                pair_counts[before, merged] += frequency
                places[before, merged].append(start - len(tokens[before]))
                new_pairs.add((before, merged))
            if after != BOUNDARY:
                pair_counts[right, after] -= frequency
                pair_counts[merged, after] += frequency
                places[merged, after].append(start)
                new_pairs.add((merged, after))
        pair_counts[pair] = 0
        return new_pairs

    heap = [entry(pair) for pair in pair_counts]
    heapq.heapify(heap)
    merges: list[tuple[bytes, bytes]] = []
    report = throttled(progress, "merging", num_merges)
    while heap and len(merges) < num_merges:
        negative_count, _, _, pair = heapq.heappop(heap)
        count = pair_counts[pair]
        if count < max(min_frequency, 1):
            continue
        if count != -negative_count:
            heapq.heappush(heap, entry(pair))
            continue
        left, right = tokens[pair[0]], tokens[pair[1]]
        if left + right in known:
            continue  # two ids for the same bytes would make decoding and encoding disagree
        merges.append((left, right))
        tokens.append(left + right)
        known.add(left + right)
        for new_pair in merge_everywhere(pair, len(tokens) - 1):
            heapq.heappush(heap, entry(new_pair))
        report(len(merges))
    return merges


def _tie_key(tie_break: str, tokens: Sequence[bytes]) -> Callable[[int], object]:
    """Return what orders symbols of equally frequent pairs: the least goes first."""
    if tie_break == "bytes":
        return lambda symbol: descending_key(tokens[symbol])
    # Hugging Face numbers the single bytes in the order of the characters that stand for them.
    characters = byte_to_character()
    numbers = {byte: i for i, byte in enumerate(sorted(range(256), key=characters.__getitem__))}
    return lambda symbol: numbers.get(symbol, symbol)


def descending_key(token: bytes) -> str:
    """Return a string that sorts the other way round: the greatest bytes first.

    The heap gives its least entry, while ties go to the greatest bytes. Each byte is mirrored, and
    a last character above all of them puts a prefix after what it begins.
    """
    return token.translate(_MIRRORED).decode("latin-1") + "\u0100"


_MIRRORED = bytes(255 - byte for byte in range(256))
