"""Rows and targets against the token stream itself, epochs against counting."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.data.batches import (
    IGNORED,
    DataPosition,
    EpochOrder,
    evaluation_batches,
    gather,
)
from nano_transformer.errors import DataError


class Stream(SimpleNamespace):
    """A token stream in memory with a dataset's face: document d begins at starts[d]."""

    def __len__(self):
        return len(self.tokens)

    def document_ids_at(self, places):
        ids = [sum(start <= place for start in self.starts) - 1 for place in places.flat]
        return np.array(ids).reshape(places.shape)


def stream(num_tokens: int, *, starts=(0,), end_of_text_id=None) -> Stream:
    tokens = np.arange(num_tokens, dtype=np.uint16)
    if end_of_text_id is not None:
        tokens[list(starts)] = end_of_text_id
    return Stream(tokens=tokens, starts=starts, end_of_text_id=end_of_text_id)


def test_targets_are_the_tokens_that_follow():
    batch = gather(stream(20), np.array([0, 7]), 5)
    assert batch.inputs.tolist() == [[0, 1, 2, 3, 4], [7, 8, 9, 10, 11]]
    assert batch.targets.tolist() == [[1, 2, 3, 4, 5], [8, 9, 10, 11, 12]]
    assert batch.inputs.dtype == batch.targets.dtype == torch.int64


def test_the_end_of_text_token_that_closes_a_document_is_a_target():
    data = stream(9, starts=(0, 4), end_of_text_id=999)
    batch = gather(data, np.array([0]), 8)
    assert batch.inputs.tolist() == [[999, 1, 2, 3, 999, 5, 6, 7]]
    assert batch.targets.tolist() == [[1, 2, 3, 999, 5, 6, 7, 8]]
    assert batch.document_ids.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]]


def test_without_end_of_text_a_target_in_the_next_document_is_ignored():
    batch = gather(stream(9, starts=(0, 4)), np.array([0]), 8)
    assert batch.targets.tolist() == [[1, 2, 3, IGNORED, 5, 6, 7, 8]]


@given(st.integers(6, 400), st.integers(1, 5), st.integers(0, 2**63))
def test_an_epoch_visits_every_row_once(num_tokens, context, seed):
    order = EpochOrder(stream(num_tokens), context, seed)
    position, seen = DataPosition(), []
    while position.epoch == 0:
        starts, position = order.row_starts(position, 1)
        seen.extend(starts.tolist())
    offset = min(seen)
    assert 0 <= offset < context
    assert sorted(seen) == list(range(offset, num_tokens - context, context))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 2**63))
def test_the_order_does_not_depend_on_how_it_is_cut_into_batches(counts, seed):
    order = EpochOrder(stream(101), 4, seed)
    whole, end = order.row_starts(DataPosition(), sum(counts))
    position, parts = DataPosition(), []
    for count in counts:
        starts, position = order.row_starts(position, count)
        parts.extend(starts.tolist())
    assert parts == whole.tolist()
    assert position == end


def test_another_seed_or_epoch_is_another_order():
    data = stream(5000)
    first, _ = EpochOrder(data, 10, 1).row_starts(DataPosition(), 400)
    other, _ = EpochOrder(data, 10, 2).row_starts(DataPosition(), 400)
    again, _ = EpochOrder(data, 10, 1).row_starts(DataPosition(1, 0), 400)
    assert first.tolist() != other.tolist() != again.tolist() != first.tolist()


def test_a_text_of_one_row_is_enough_and_one_token_less_is_refused():
    starts, position = EpochOrder(stream(9), 8, 0).row_starts(DataPosition(), 2)
    assert starts.tolist() == [0, 0]
    assert position == DataPosition(2, 0)
    with pytest.raises(DataError, match=r"8 tokens.*context_length \+ 1 = 9"):
        EpochOrder(stream(8), 8, 0)


@given(st.integers(2, 200), st.integers(1, 20), st.integers(1, 6))
def test_a_whole_evaluation_counts_every_target_once(num_tokens, context, batch_size):
    batches = list(evaluation_batches(stream(num_tokens), context, batch_size, None))
    targets = torch.cat([batch.targets.flatten() for batch in batches]).tolist()
    assert sorted(targets) == list(range(1, num_tokens))


def test_a_text_shorter_than_a_row_is_evaluated_all_the_same():
    (batch,) = evaluation_batches(stream(5), 10, 2, 3)
    assert batch.targets.tolist() == [[1, 2, 3, 4]]


def test_a_short_evaluation_is_spread_over_the_text_and_always_the_same():
    runs = [
        [batch.inputs[:, 0].tolist() for batch in evaluation_batches(stream(1001), 10, 2, 3)]
        for _ in range(2)
    ]
    assert runs[0] == runs[1] == [[0, 190], [390, 590], [790, 990]]
