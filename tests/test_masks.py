"""The predicate of visibility and the masks made of it, against loops over its words."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attention_by_hand import mask_by_hand, segments_by_hand
from nano_transformer.model.masks import (
    blocked_mask,
    full_mask,
    mask_per_layer,
    segment_starts,
    visible,
)

CPU = torch.device("cpu")
documents_of = st.lists(st.lists(st.integers(0, 2), min_size=9, max_size=9), min_size=1, max_size=3)


def unblocked(mask, length: int) -> torch.Tensor:
    """Put the blocks' parts back where they belong, key by key."""
    num_rows = max(block.mask.shape[0] if block.mask.dim() == 4 else 1 for block in mask.blocks)
    seen = torch.zeros(num_rows, length, length, dtype=torch.bool)
    for block in mask.blocks:
        part = block.mask.expand(num_rows, 1, *block.mask.shape[-2:])[:, 0]
        for b in range(num_rows):
            places = list(range(length))[block.keys]
            if block.prefix is not None:
                places = block.prefix.expand(num_rows, -1)[b].tolist() + places
            for column, place in enumerate(places):
                twice = seen[b, block.queries, place] & part[b, :, column]
                assert not twice.any(), "a key would be counted twice"
                seen[b, block.queries, place] |= part[b, :, column]
    return seen


@given(
    length=st.integers(1, 9),
    window=st.none() | st.integers(1, 12),
    global_tokens=st.integers(0, 4),
    documents=st.none() | documents_of,
    query_block=st.integers(1, 10),
)
def test_both_masks_are_the_predicate(length, window, global_tokens, documents, query_block):
    ids = None if documents is None else torch.tensor(documents)[:, :length]
    starts = None if ids is None else segment_starts(ids, torch.arange(length))
    rule = dict(window=window, global_tokens=global_tokens)
    expected = mask_by_hand(length, ids, **rule)
    full = full_mask(length, **rule, starts=starts, device=CPU)
    if full is None:
        full = torch.ones(length, length, dtype=torch.bool).tril()
    assert torch.equal(full.view(expected.shape), expected)
    blocks = blocked_mask(length, **rule, starts=starts, device=CPU, query_block=query_block)
    assert torch.equal(unblocked(blocks, length).expand_as(expected), expected)


@pytest.mark.parametrize("window", [None, 8, 100])
def test_no_mask_is_built_for_plain_causality(window):
    assert full_mask(8, window=window, global_tokens=3, starts=None, device=CPU) is None


def test_a_window_of_w_holds_w_keys_with_the_querys_own():
    mask = full_mask(9, window=3, global_tokens=0, starts=None, device=CPU)
    assert mask.sum(dim=-1).tolist() == [1, 2, 3, 3, 3, 3, 3, 3, 3]


def test_global_tokens_are_the_first_of_each_document():
    ids = torch.tensor([[5, 5, 5, 5, 8, 8, 8, 8]])
    starts = segment_starts(ids, torch.arange(8))
    mask = full_mask(8, window=1, global_tokens=1, starts=starts, device=CPU)
    assert [row.nonzero().flatten().tolist() for row in mask[0, 0]] == [
        *([0], [0, 1], [0, 2], [0, 3]),
        *([4], [4, 5], [4, 6], [4, 7]),
    ]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 50))
def test_a_segment_is_a_run_of_one_document(ids, first):
    positions = torch.arange(first, first + len(ids))
    expected = [first + start for start in segments_by_hand(ids)]
    assert segment_starts(torch.tensor([ids]), positions).tolist() == [expected]


def test_a_document_that_comes_back_is_another_segment():
    starts = segment_starts(torch.tensor([[1, 2, 1]]), torch.arange(3))
    assert full_mask(3, window=None, global_tokens=0, starts=starts, device=CPU)[0, 0].tolist() == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


@given(
    queries=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    keys=st.lists(st.integers(-1, 9), min_size=1, max_size=6),
    window=st.none() | st.integers(1, 5),
    global_tokens=st.integers(0, 3),
)
def test_positions_in_any_order_decide_alone(queries, keys, window, global_tokens):
    found = visible(
        torch.tensor(queries), torch.tensor(keys), window=window, global_tokens=global_tokens
    )
    assert found.tolist() == [
        [
            0 <= key <= query and (window is None or query - key < window or key < global_tokens)
            for key in keys
        ]
        for query in queries
    ]


def test_a_blocked_mask_grows_with_length_times_window():
    def size(length: int, window: int) -> int:
        blocks = blocked_mask(
            length, window=window, global_tokens=4, starts=None, device=CPU
        ).blocks
        return sum(block.mask.numel() for block in blocks)

    assert size(8192, 256) <= 8192 * (256 + 128 + 4)
    assert size(8192, 256) / size(4096, 256) == pytest.approx(2, abs=0.1)


def test_a_mask_is_built_once_for_all_layers_of_one_window():
    built = []

    def build(window):
        built.append(window)
        return torch.tensor(len(built))

    masks = mask_per_layer([4, None, 4, None, 4], build)
    assert built == [4, None]
    assert [int(mask) for mask in masks] == [1, 2, 1, 2, 1]
    assert masks[0] is masks[2]
