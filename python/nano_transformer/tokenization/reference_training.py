"""How merges are learnt from text, in plain Python: the same ones as the Rust extension's."""

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nano_transformer.tokenization.backend import Progress
from nano_transformer.tokenization.pre_tokens import pre_token_splitter, special_token_pattern
from nano_transformer.tokenization.streaming import (
    EncodingErrors,
    decode_blocks,
    separable_chunks,
)
from nano_transformer.tokenization.throttle import throttled

Pair = tuple[int, int]

BLOCK_BYTES = 1 << 20


def learn_merges_from(
    sources: Sequence[str | bytes],
    num_merges: int,
    special_tokens: Sequence[bytes],
    pattern: str,
    errors: EncodingErrors,
    progress: Progress | None,
) -> list[tuple[bytes, bytes]]:
    """Learn up to `num_merges` merges from files (str paths) or from texts (bytes)."""
    specials = tuple(token.decode() for token in special_tokens)
    words = count_pre_tokens(sources, specials, pattern, errors, progress)
    return learn_merges(words, num_merges, progress)


def count_pre_tokens(
    sources: Sequence[str | bytes],
    special_tokens: tuple[str, ...],
    pattern: str,
    errors: EncodingErrors,
    progress: Progress | None,
) -> Counter[str]:
    """Count the pre-tokens between special tokens; each source is a text by itself.

    Raises:
        DataError: When a text is not UTF-8 and `errors` is "strict".
    """
    sizes = [len(s) if isinstance(s, bytes) else Path(s).stat().st_size for s in sources]
    report = throttled(progress, "counting", sum(sizes))
    specials = special_token_pattern(special_tokens)
    split = pre_token_splitter(pattern)
    counts: Counter[str] = Counter()
    done = 0

    def watched(blocks: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal done
        for block in blocks:
            yield block
            done += len(block)
            report(done)

    for number, source in enumerate(sources, start=1):
        name = f"text number {number}" if isinstance(source, bytes) else f"`{source}`"
        characters = decode_blocks(watched(_blocks(source)), errors, name=name)
        for chunk in separable_chunks(characters, special_tokens, BLOCK_BYTES, pattern):
            for stretch in specials.split(chunk):
                counts.update(split(stretch))
    return counts


def _blocks(source: str | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        for start in range(0, len(source), BLOCK_BYTES):
            yield source[start : start + BLOCK_BYTES]
        return
    with Path(source).open("rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def learn_merges(
    word_counts: Counter[str], num_merges: int, progress: Progress | None = None
) -> list[tuple[bytes, bytes]]:
    """Learn up to `num_merges` merges from counted pre-tokens.

    Every pair of neighbours knows its count and the words it may stand in, so that a merge visits
    those words only. The heap is lazy: an entry whose count is out of date is pushed back
    corrected. Counts only ever fall after a pair's first appearance, because new pairs hold the
    newest token, so the corrected entry is never too low.
    """
    tokens = [bytes([byte]) for byte in range(256)]
    known = set(tokens)
    words = [list(word.encode()) for word in word_counts]
    frequencies = list(word_counts.values())
    pair_counts: Counter[Pair] = Counter()
    words_with: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, word in enumerate(words):
        for pair in itertools.pairwise(word):
            pair_counts[pair] += frequencies[index]
            words_with[pair].add(index)

    def entry(pair: Pair) -> tuple[int, str, str, Pair]:
        left, right = pair
        return -pair_counts[pair], descending_key(tokens[left]), descending_key(tokens[right]), pair

    heap = [entry(pair) for pair in pair_counts]
    heapq.heapify(heap)
    merges: list[tuple[bytes, bytes]] = []
    report = throttled(progress, "merging", num_merges)
    while heap and len(merges) < num_merges:
        negative_count, _, _, pair = heapq.heappop(heap)
        count = pair_counts[pair]
        if count != -negative_count:
            if count > 0:
                heapq.heappush(heap, entry(pair))
            continue
        left, right = tokens[pair[0]], tokens[pair[1]]
        if left + right in known:
            continue  # two ids for the same bytes would make decoding and encoding disagree
        merges.append((left, right))
        merged = len(tokens)
        tokens.append(left + right)
        known.add(left + right)
        new_pairs: set[Pair] = set()
        for index in words_with.pop(pair):
            old, new = words[index], merge_pair(words[index], pair, merged)
            words[index] = new
            for old_pair in itertools.pairwise(old):
                pair_counts[old_pair] -= frequencies[index]
            for new_pair in itertools.pairwise(new):
                pair_counts[new_pair] += frequencies[index]
                if merged in new_pair:
                    new_pairs.add(new_pair)
                    words_with[new_pair].add(index)
        for new_pair in new_pairs:
            heapq.heappush(heap, entry(new_pair))
        report(len(merges))
    return merges


def merge_pair(word: list[int], pair: Pair, merged: int) -> list[int]:
    """Replace each occurrence of `pair` by `merged`, from left to right."""
    result: list[int] = []
    position = 0
    while position < len(word):
        if word[position] == pair[0] and tuple(word[position : position + 2]) == pair:
            result.append(merged)
            position += 2
        else:
            result.append(word[position])
            position += 1
    return result


def descending_key(token: bytes) -> str:
    """Return a string that sorts the other way round: the greatest bytes first.

    The heap gives its least entry, while ties go to the greatest bytes. Each byte is mirrored, and
    a last character above all of them puts a prefix after what it begins.
    """
    return token.translate(_MIRRORED).decode("latin-1") + "\u0100"


_MIRRORED = bytes(255 - byte for byte in range(256))
