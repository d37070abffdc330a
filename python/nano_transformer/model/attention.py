"""Causal self-attention: merged projections, QK-norm, rotary positions, grouped key/value heads.

Shapes: B batch, T queries, S keys, D d_model, H query heads, G key/value heads, K head width.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nano_transformer.model.config import ModelConfig
from nano_transformer.model.layers import RMSNorm
from nano_transformer.model.rope import rotate

EXPLICIT_MAX_KEYS = 256
"""`auto` computes attention explicitly on CPU up to this many keys; measured in benches/bench_training.py."""


class KeyValueStore(Protocol):
    """What attention needs of a cache: keep the new keys and values, hand back all of them."""

    def write(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values [B,G,T,K] at the reserved slots; return all filled ones [B,G,S,K]."""
        ...


class MultiHeadSelfAttention(nn.Module):
    """Self-attention over one sequence, with or without a key/value cache."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        config = config.resolve()
        assert config.num_kv_heads is not None, "resolve() derives num_kv_heads"
        assert config.head_width is not None, "resolve() derives head_width"
        self.num_heads, self.num_kv_heads = config.num_heads, config.num_kv_heads
        self.head_width = config.head_width
        self.backend = config.attention_backend
        query_width = self.num_heads * self.head_width
        kv_width = self.num_kv_heads * self.head_width
        self.split_sizes = [query_width, kv_width, kv_width]
        self.qkv = nn.Linear(config.d_model, sum(self.split_sizes), bias=False)
        self.out = nn.Linear(query_width, config.d_model, bias=False)
        self.query_norm: nn.Module = nn.Identity()
        self.key_norm: nn.Module = nn.Identity()
        if config.use_qk_norm:
            self.query_norm = RMSNorm(self.head_width, config.norm_eps)
            self.key_norm = RMSNorm(self.head_width, config.norm_eps)

    def forward(
        self,
        x: Tensor,
        rope: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        store: KeyValueStore | None = None,
    ) -> Tensor:
        """Let every position of x [B,T,D] look at the keys it may see.

        Args:
            x: Normalised residual stream, [B,T,D].
            rope: cos and sin of the positions of x, from `RotaryEmbedding.tables`.
            mask: True where query t sees key s, broadcastable to [B,1,T,S]; None: plain causal, S = T.
            store: Where keys and values are kept between calls when decoding.

        Returns:
            The attention output after its projection, [B,T,D].
        """
        B, T, _ = x.shape
        q, k, v = self.qkv(x).split(self.split_sizes, dim=-1)  # [B,T,H*K], [B,T,G*K], [B,T,G*K]
        q = q.view(B, T, self.num_heads, self.head_width).transpose(1, 2)  # [B,H,T,K]
        k = k.view(B, T, self.num_kv_heads, self.head_width).transpose(1, 2)  # [B,G,T,K]
        v = v.view(B, T, self.num_kv_heads, self.head_width).transpose(1, 2)  # [B,G,T,K]
        q = rotate(self.query_norm(q), *rope)
        k = rotate(self.key_norm(k), *rope)
        if store is not None:
            k, v = store.write(k, v)  # [B,G,S,K] each
        mixed = attend(q, k, v, mask, self.backend)  # [B,H,T,K]
        return self.out(mixed.transpose(1, 2).reshape(B, T, -1))  # type: ignore[no-any-return]


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, backend: str) -> Tensor:
    """Mix values by softmax(q k / sqrt(K)) over the keys each query may see.

    Args:
        q: Queries, [B,H,T,K].
        k: Keys, [B,G,S,K], H a multiple of G.
        v: Values, [B,G,S,K].
        mask: As in `MultiHeadSelfAttention.forward`.
        backend: "sdpa", "explicit" or "auto".

    Returns:
        Mixed values, [B,H,T,K].
    """
    if backend == "auto":
        short = q.device.type == "cpu" and k.shape[2] <= EXPLICIT_MAX_KEYS
        backend = "explicit" if short else "sdpa"
    if backend == "explicit":
        return _attend_explicitly(q, k, v, mask)
    mixed: Tensor = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=q.shape[1] != k.shape[1]
    )
    return mixed


def _attend_explicitly(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    B, H, T, K = q.shape
    G, S = k.shape[1], k.shape[2]
    if mask is None:
        mask = torch.ones(T, S, dtype=torch.bool, device=q.device).tril()
    mask = mask.unsqueeze(1) if mask.dim() == 4 else mask  # [B,1,1,T,S] or [T,S]
    bias = torch.zeros_like(mask, dtype=q.dtype).masked_fill(~mask, float("-inf"))
    # The query heads of one group are stacked along T, so that each key head is multiplied once.
    grouped = q.reshape(B, G, H // G * T, K) * K**-0.5  # [B,G,H/G*T,K]
    scores = (grouped @ k.transpose(-2, -1)).view(B, G, H // G, T, S) + bias
    # torch takes the softmax of low precision in float32 inside; float32 outside costs twice the time.
    weights = scores.softmax(dim=-1).to(v.dtype)
    mixed = weights.view(B, G, H // G * T, S) @ v  # [B,G,H/G*T,K]
    return torch.reshape(mixed, (B, H, T, K))
