"""How merges are learnt from counted pre-tokens, in plain Python: the same ones as in Rust."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from nano_transformer.tokenization.backend import Progress
from nano_transformer.tokenization.formats.gpt2 import byte_to_character
from nano_transformer.tokenization.throttle import throttled

Pair = tuple[int, int]

BOUNDARY, INSIDE = -1, -2
"""What stands in slots between pre-tokens, and in those inside a symbol."""


class MergeLearner:
    """All pre-tokens in one list with a slot for each byte, and what is known of each pair.

    A symbol writes its id into its first and its last slot, so that both neighbours of a place are
    found at once. Every pair knows its count and the places where it stands or stood, so that a merge
    visits those alone.

    Args:
        counts: How often each pre-token occurs.
        tie_break: Which of equally frequent pairs merges, "bytes" or "huggingface".
        reserved: Tokens besides the single bytes that no merge may make.
    """

    def __init__(
        self, counts: Mapping[bytes, int], tie_break: str = "bytes", reserved: Iterable[bytes] = ()
    ) -> None:
        self._tokens = [bytes([byte]) for byte in range(256)]
        self._known = {*self._tokens, *reserved}
        self._compares_bytes = tie_break == "bytes"
        # Hugging Face numbers the single bytes in the order of the characters that stand for them.
        in_order = sorted(range(256), key=byte_to_character().__getitem__)
        self._numbers = {byte: number for number, byte in enumerate(in_order)}
        self._slots = [BOUNDARY]
        self._frequencies = [0]  # of the pre-token that each slot belongs to
        self._pair_counts: Counter[Pair] = Counter()
        self._places: defaultdict[Pair, list[int]] = defaultdict(list)
        for piece, frequency in counts.items():
            for place, pair in enumerate(pairwise(piece), start=len(self._slots)):
                self._pair_counts[pair] += frequency
                self._places[pair].append(place)
            self._slots += [*piece, BOUNDARY]
            self._frequencies += [frequency] * (len(piece) + 1)

    def learn(
        self, num_merges: int, min_frequency: int = 1, progress: Progress | None = None
    ) -> list[tuple[bytes, bytes]]:
        """Return up to `num_merges` merges, in the order learnt.

        The heap is lazy: an entry whose count is out of date is put back corrected. Counts only ever
        fall after a pair's first appearance, because new pairs hold the newest token, so an entry is
        never too low.
        """
        heap = [self._entry(pair) for pair in self._pair_counts]
        heapq.heapify(heap)
        merges: list[tuple[bytes, bytes]] = []
        report = throttled(progress, "merging", num_merges)
        while heap and len(merges) < num_merges:
            negative_count, _, _, pair = heapq.heappop(heap)
            count = self._pair_counts[pair]
            if count < max(min_frequency, 1):
                continue
            if count != -negative_count:
                heapq.heappush(heap, self._entry(pair))
                continue
            left, right = self._tokens[pair[0]], self._tokens[pair[1]]
            if left + right in self._known:
                continue  # two ids for the same bytes would make decoding and encoding disagree
            merges.append((left, right))
            self._tokens.append(left + right)
            self._known.add(left + right)
            for new_pair in self._merge_everywhere(pair, len(self._tokens) - 1):
                heapq.heappush(heap, self._entry(new_pair))
            report(len(merges))
        return merges

    def _merge_everywhere(self, pair: Pair, merged: int) -> set[Pair]:
        """Write `merged` for the pair at each place, from left to right; return the new pairs."""
        slots, tokens, counts = self._slots, self._tokens, self._pair_counts
        left, right = pair
        new_pairs: set[Pair] = set()
        for start in self._places.pop(pair):
            middle, end = start + len(tokens[left]), start + len(tokens[merged])
            if (slots[start], slots[middle]) != pair:
                continue  # one of the two is part of a larger symbol by now
            slots[middle - 1] = slots[middle] = INSIDE
            slots[start] = slots[end - 1] = merged
            before, after, frequency = slots[start - 1], slots[end], self._frequencies[start]
            if before != BOUNDARY:
                counts[before, left] -= frequency
                counts[before, merged] += frequency
                self._places[before, merged].append(start - len(tokens[before]))
                new_pairs.add((before, merged))
            if after != BOUNDARY:
                counts[right, after] -= frequency
                counts[merged, after] += frequency
                self._places[merged, after].append(start)
                new_pairs.add((merged, after))
        counts[pair] = 0
        return new_pairs

    def _entry(self, pair: Pair) -> tuple[int, object, object, Pair]:
        """Return what stands for a pair on the heap, whose least entry merges next."""
        left, right = map(self._tie_key, pair)
        return -self._pair_counts[pair], left, right, pair

    def _tie_key(self, symbol: int) -> str | int:
        if self._compares_bytes:
            return descending_key(self._tokens[symbol])
        return self._numbers.get(symbol, symbol)


def descending_key(token: bytes) -> str:
    """Return a string that sorts the other way round: the greatest bytes first.

    The heap gives its least entry, while ties go to the greatest bytes. Each byte is mirrored, and
    a last character above all of them puts a prefix after what it begins.
    """
    return token.translate(_MIRRORED).decode("latin-1") + "\u0100"


_MIRRORED = bytes(255 - byte for byte in range(256))
