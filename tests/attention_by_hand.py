"""Attention written out as loops over the predicate, for tests to compare with."""

import math

import torch
from torch import Tensor


def segments_by_hand(document_ids: list[int]) -> list[int]:
    """Return where the run of equal ids that each place belongs to begins."""
    starts = []
    for place, document in enumerate(document_ids):
        same = place > 0 and document_ids[place - 1] == document
        starts.append(starts[-1] if same else place)
    return starts


def sees(
    query: int,
    key: int,
    *,
    window: int | None = None,
    global_tokens: int = 0,
    document_ids: list[int] | None = None,
) -> bool:
    """Say whether a query sees a key, in the words of the contract."""
    start_of_query = start_of_key = 0
    if document_ids is not None:
        starts = segments_by_hand(document_ids)
        start_of_query, start_of_key = starts[query], starts[key]
    return (
        key <= query
        and start_of_query == start_of_key
        and (window is None or query - key < window or key - start_of_key < global_tokens)
    )


def mask_by_hand(length: int, documents: Tensor | None, **rule) -> Tensor:
    """Return the predicate as a tensor [B,T,T], B = 1 without documents."""
    rows = [None] if documents is None else documents.tolist()
    table = [
        [[sees(q, k, document_ids=row, **rule) for k in range(length)] for q in range(length)]
        for row in rows
    ]
    return torch.tensor(table, dtype=torch.bool)


def attention_by_hand(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor, cap: float | None = None
) -> Tensor:
    """Mix values query by query over the keys that `mask` [B or 1,T,S] shows, differentiably."""
    batch, num_heads, length, width = q.shape
    group = num_heads // k.shape[1]
    rows = []
    for b in range(batch):
        for h in range(num_heads):
            for t in range(length):
                seen = [s for s in range(k.shape[2]) if mask[b % len(mask), t, s]]
                keys, values = k[b, h // group, seen], v[b, h // group, seen]
                scores = (keys * q[b, h, t]).sum(dim=1) / math.sqrt(width)
                if cap is not None:
                    scores = cap * torch.tanh(scores / cap)
                powers = torch.exp(scores - scores.max().detach())
                rows.append((powers[:, None] * values).sum(dim=0) / powers.sum())
    return torch.stack(rows).view(batch, num_heads, length, width)
