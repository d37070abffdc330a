"""Random words against SplitMix64's published stream, permutations against their definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.data.random_words import permuted, random_word, random_words

SPLITMIX64_SEED_1234567 = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_words_are_the_stream_of_splitmix64():
    assert random_words(1234567, np.arange(5)).tolist() == SPLITMIX64_SEED_1234567
    assert [random_word(1234567, i) for i in range(5)] == SPLITMIX64_SEED_1234567


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
def test_every_index_is_hit_exactly_once(size, key):
    assert sorted(permuted(np.arange(size), size, key).tolist()) == list(range(size))


@given(
    st.integers(1, 2**40), st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**40), max_size=20)
)
def test_an_index_is_mapped_alike_alone_and_among_others(size, key, indices):
    indices = np.array([index % size for index in indices], dtype=np.int64)
    together = permuted(indices, size, key)
    alone = [int(permuted(indices[i : i + 1], size, key)[0]) for i in range(len(indices))]
    assert together.tolist() == alone
    assert all(0 <= value < size for value in alone)


def test_permutations_of_different_keys_look_unrelated():
    first, second = (permuted(np.arange(10_000), 10_000, key) for key in (1, 2))
    # Two random permutations agree in about one place.
    assert (first == second).sum() < 10
    # Neighbours are scattered: the mean step of a random order is a third of the size.
    assert 3_000 < np.abs(np.diff(first)).mean() < 3_700
