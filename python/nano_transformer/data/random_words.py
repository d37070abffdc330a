"""Random numbers that are the same on every machine for ever: counter-based words and permutations."""

import numpy as np
from numpy.typing import NDArray

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_NUM_ROUNDS = 6

Words = NDArray[np.uint64]


def random_words(seed: int, counters: NDArray[np.integer]) -> Words:
    """Return one 64-bit word per counter: output number `counter` of SplitMix64 started at `seed`.

    Libraries do not promise that their generators give the same stream in every version; a fixed
    formula does, and any word is had without the ones before it.

    Reference: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, fig. 17.
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is meant
        state = (
            np.uint64(seed % 2**64) + (counters.astype(np.uint64) + np.uint64(1)) * _GOLDEN_GAMMA
        )
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def random_word(seed: int, counter: int) -> int:
    """Return the word of a single counter as a Python int."""
    return int(random_words(seed, np.array([counter], dtype=np.uint64))[0])


def permuted(indices: NDArray[np.integer], size: int, key: int) -> NDArray[np.int64]:
    """Map indices in [0, size) by the pseudo-random permutation of [0, size) that `key` selects.

    A Feistel network permutes the next even power of two; values that fall outside [0, size) are
    permuted again until they fall inside (cycle walking), which keeps the map one-to-one. No table of
    `size` numbers is ever built.
    """
    half_bits = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    values = indices.astype(np.uint64)
    outside = np.ones(values.shape, dtype=bool)
    while outside.any():
        values[outside] = _feistel(values[outside], half_bits, key)
        outside = values >= np.uint64(size)
    return values.astype(np.int64)


def _feistel(values: Words, half_bits: int, key: int) -> Words:
    mask = np.uint64((1 << half_bits) - 1)
    shift = np.uint64(half_bits)
    left, right = values >> shift, values & mask
    for round_number in range(_NUM_ROUNDS):
        mixed = random_words(random_word(key, round_number), right) & mask
        left, right = right, left ^ mixed
    return (left << shift) | right
