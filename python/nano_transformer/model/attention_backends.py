"""How attention is computed: torch's fused kernel, blocks of queries, or matmul and softmax.

Shapes: B batch, T queries, S keys, H query heads, G key/value heads, K head width, P global tokens.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from nano_transformer.model.config import EXPLICIT_MAX_KEYS
from nano_transformer.model.layers import softcap
from nano_transformer.model.masks import QUERY_BLOCK, BlockedMask, Mask


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Mask, backend: str, cap: float | None = None
) -> Tensor:
    """Mix values by softmax(q k / sqrt(K)) over the keys each query may see.

    Args:
        q: Queries, [B,H,T,K].
        k: Keys, [B,G,S,K], H a multiple of G.
        v: Values, [B,G,S,K].
        mask: What each query sees; a `BlockedMask` is computed in blocks whatever the backend.
        backend: "sdpa", "explicit", or for the faster of them "auto" or "blocked".
        cap: Bounds the scores softly before the softmax (`softcap`); not with "sdpa".

    Returns:
        Mixed values, [B,H,T,K].
    """
    if isinstance(mask, BlockedMask):
        return _attend_in_blocks(q, k, v, mask, backend, cap)
    if backend in ("auto", "blocked"):
        short = k.shape[2] <= EXPLICIT_MAX_KEYS and q.dtype == torch.bfloat16
        explicit = cap is not None or (short and q.device.type == "cpu")
        backend = "explicit" if explicit else "sdpa"
    if backend == "explicit":
        return _attend_explicitly(q, k, v, mask, cap)
    assert cap is None, "ModelConfig refuses a softcap with sdpa"
    mixed: Tensor = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=q.shape[1] != k.shape[1]
    )
    return mixed


def prefers_blocks(backend: str, length: int, needs_mask: bool, device: torch.device) -> bool:
    """Say whether rows of `length` tokens are to be attended to in blocks of queries.

    Blocks leave out keys that no query of theirs sees. Without a mask torch's kernel does that itself.
    """
    if backend == "auto":
        return needs_mask and length >= 2 * QUERY_BLOCK and device.type == "cpu"
    return backend == "blocked"


def _attention_weights(q: Tensor, k: Tensor, mask: Tensor | None, cap: float | None) -> Tensor:
    """Return the softmax over visible keys, [B,H,T,S]; arguments as in `attend`."""
    B, H, T, K = q.shape
    G, S = k.shape[1], k.shape[2]
    if mask is None:
        mask = torch.ones(T, S, dtype=torch.bool, device=q.device).tril()
    mask = mask.unsqueeze(1) if mask.dim() == 4 else mask  # [B,1,1,T,S] or [T,S]
    bias = torch.zeros_like(mask, dtype=q.dtype).masked_fill(~mask, float("-inf"))
    # The query heads of one group are stacked along T, so that each key head is multiplied once.
    grouped = q.reshape(B, G, H // G * T, K) * K**-0.5  # [B,G,H/G*T,K]
    scores = (grouped @ k.transpose(-2, -1)).view(B, G, H // G, T, S)
    if cap is not None:
        scores = softcap(scores, cap)
    # torch takes the softmax of low precision in float32 inside; float32 outside costs twice the time.
    weights: Tensor = (scores + bias).softmax(dim=-1)
    return weights.view(B, H, T, S)


def _attend_explicitly(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, cap: float | None
) -> Tensor:
    B, H, T, _ = q.shape
    G, S = k.shape[1], k.shape[2]
    weights = _attention_weights(q, k, mask, cap).to(v.dtype)
    mixed = weights.view(B, G, H // G * T, S) @ v  # [B,G,H/G*T,K]
    return torch.reshape(mixed, (B, H, T, v.shape[-1]))


def _attend_in_blocks(
    q: Tensor, k: Tensor, v: Tensor, mask: BlockedMask, backend: str, cap: float | None
) -> Tensor:
    parts = []
    for block in mask.blocks:
        keys, values = k[:, :, block.keys], v[:, :, block.keys]
        if block.prefix is not None:
            keys = torch.cat((_taken(k, block.prefix), keys), dim=2)  # [B,G,P+S,K]
            values = torch.cat((_taken(v, block.prefix), values), dim=2)
        parts.append(attend(q[:, :, block.queries], keys, values, block.mask, backend, cap))
    return torch.cat(parts, dim=2)


def _taken(x: Tensor, positions: Tensor) -> Tensor:
    """Return x [B,G,S,K] at positions [P] or [B,P], as [B,G,P,K]."""
    if positions.dim() == 1:
        return x.index_select(2, positions)
    index = positions[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3])
    return x.gather(2, index)
