"""Which key a query may see: the one predicate, and the masks that attention is handed.

Key k is visible to query q when k <= q, both lie in one segment (when documents are masked), and
q - k < window or k is among the first `global_tokens` of its segment. A segment is a run of
neighbours with one document id; where documents are not masked, the row is one segment.

Shapes: B batch, T queries, S keys, P global tokens.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

QUERY_BLOCK = 128
"""Queries that the blocked path takes at a time; measured in benches/bench_training.py."""


class QueryBlock(NamedTuple):
    """Some neighbouring queries, and all the keys that any of them may see."""

    queries: slice
    keys: slice
    """The keys that the window reaches."""
    prefix: Tensor | None
    """Positions of the global tokens before those keys, [P] or [B,P]."""
    mask: Tensor
    """True where a query sees a key, the prefix before the rest: [queries,keys] or [B,1,queries,keys]."""


class BlockedMask(NamedTuple):
    """A mask in O(T * window) memory, for attention a block of queries at a time."""

    blocks: tuple[QueryBlock, ...]


Mask = Tensor | BlockedMask | None
"""What attention is handed: True where seen, [T,S] or [B,1,T,S]; or blocks; None: plain causal, S = T."""


def visible(
    query_positions: Tensor,
    key_positions: Tensor,
    *,
    window: int | None = None,
    global_tokens: int = 0,
    query_starts: Tensor | None = None,
    key_starts: Tensor | None = None,
) -> Tensor:
    """Decide by position which keys each query sees.

    Args:
        query_positions: Absolute positions, [T] or [B,T].
        key_positions: Absolute positions, [S] or [B,S]; -1 marks an empty cache slot, seen by none.
        window: How many keys a query sees, its own included; None: all before it.
        global_tokens: Keys at the start of each segment that stay visible beyond the window.
        query_starts: Position at which each query's segment starts, [B,T]; None: one segment.
        key_starts: The same of the keys, [B,S].

    Returns:
        True where the query may look, [T,S], or [B,1,T,S] when any argument has rows.
    """
    queries = query_positions.unsqueeze(-1)  # [...,T,1]
    keys = key_positions.unsqueeze(-2)  # [...,1,S]
    seen = (keys <= queries) & (keys >= 0)
    if window is not None:
        near = queries - keys < window
        if global_tokens > 0:
            first = 0 if key_starts is None else key_starts.unsqueeze(-2)
            near = near | (keys - first < global_tokens)
        seen = seen & near
    if query_starts is not None and key_starts is not None:
        seen = seen & (query_starts.unsqueeze(-1) == key_starts.unsqueeze(-2))
    return seen.unsqueeze(1) if seen.dim() == 3 else seen


def segment_starts(document_ids: Tensor, positions: Tensor) -> Tensor:
    """Return for every token the position at which its document's segment in the row starts.

    Ids are compared with their neighbours for equality only: shards may be read in any order.

    Args:
        document_ids: Document of every token, [B,T].
        positions: Their absolute positions, growing along the row, [T] or [B,T].

    Returns:
        Positions, int64 [B,T].
    """
    begins = torch.ones_like(document_ids, dtype=torch.bool)
    begins[:, 1:] = document_ids[:, 1:] != document_ids[:, :-1]
    return torch.where(begins, positions, 0).cummax(dim=-1).values


def full_mask(
    length: int,
    *,
    window: int | None,
    global_tokens: int,
    starts: Tensor | None,
    device: torch.device,
) -> Tensor | None:
    """Return the mask of rows read at once as one tensor; None where plain causality is all.

    Args:
        length: Tokens in a row.
        window: As in `visible`, like `global_tokens`.
        global_tokens: See above.
        starts: Segment starts [B,T] from `segment_starts`, or None.
        device: Where the mask is needed.
    """
    if starts is None and (window is None or window >= length):
        return None
    positions = torch.arange(length, device=device)
    return visible(
        positions,
        positions,
        window=window,
        global_tokens=global_tokens,
        query_starts=starts,
        key_starts=starts,
    )


def blocked_mask(
    length: int,
    *,
    window: int | None,
    global_tokens: int,
    starts: Tensor | None,
    device: torch.device,
    query_block: int = QUERY_BLOCK,
) -> BlockedMask:
    """Return the same mask as blocks of `query_block` queries; arguments as in `full_mask`."""
    positions = torch.arange(length, device=device)
    blocks = []
    for begin in range(0, length, query_block):
        queries = slice(begin, min(begin + query_block, length))
        first = 0 if window is None else max(0, begin - window + 1)
        keys = slice(first, queries.stop)
        prefix = None
        key_positions, key_starts = positions[keys], None if starts is None else starts[:, keys]
        if global_tokens > 0 and first > 0:
            # One segment alone can reach from before `first` into the block: the one that holds it.
            opening = positions[:1] if starts is None else starts[:, first : first + 1]
            prefix = opening + torch.arange(global_tokens, device=device)  # [P] or [B,P]
            beside = torch.where(prefix < first, prefix, -1)  # others are among the keys already
            prefix = prefix.clamp(max=length - 1)
            if starts is not None and key_starts is not None:
                key_positions = key_positions.expand(starts.shape[0], -1)
                key_starts = torch.cat((opening.expand(-1, global_tokens), key_starts), dim=1)
            key_positions = torch.cat((beside, key_positions), dim=-1)
        mask = visible(
            positions[queries],
            key_positions,
            window=window,
            global_tokens=global_tokens,
            query_starts=None if starts is None else starts[:, queries],
            key_starts=key_starts,
        )
        blocks.append(QueryBlock(queries, keys, prefix, mask))
    return BlockedMask(tuple(blocks))


def mask_per_layer(
    windows: Sequence[int | None], build: Callable[[int | None], Mask]
) -> list[Mask]:
    """Return the mask of every layer, built once for each distinct window and shared.

    Args:
        windows: Window of every layer.
        build: Makes the mask of one window.
    """
    built = {window: build(window) for window in dict.fromkeys(windows)}
    return [built[window] for window in windows]
