"""Which key a query may see: the one predicate behind every way of computing attention."""

from torch import Tensor


def visible(query_positions: Tensor, key_positions: Tensor) -> Tensor:
    """Decide by position which keys each query sees: itself and everything before it.

    Args:
        query_positions: Absolute positions, [T] or [B,T].
        key_positions: Absolute positions, [S] or [B,S]; -1 marks an empty cache slot, seen by none.

    Returns:
        True where the query may look, [T,S] or [B,1,T,S].
    """
    queries = query_positions.unsqueeze(-1)  # [...,T,1]
    keys = key_positions.unsqueeze(-2)  # [...,1,S]
    seen = (keys <= queries) & (keys >= 0)
    return seen.unsqueeze(1) if seen.dim() == 3 else seen
