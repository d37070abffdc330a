"""Causal self-attention: merged projections, QK-norm, rotary positions, grouped key/value heads.

Shapes: B batch, T queries, S keys, D d_model, H query heads, G key/value heads, K head width.
"""

from typing import Protocol

from torch import Tensor, nn

from nano_transformer.errors import ConfigError
from nano_transformer.model.attention_backends import attend
from nano_transformer.model.config import AttentionBackend, ModelConfig
from nano_transformer.model.initialization import into_stream_std
from nano_transformer.model.layers import Linear, RMSNorm
from nano_transformer.model.masks import Mask
from nano_transformer.model.rope import rotate


class KeyValueStore(Protocol):
    """What attention needs of a cache: keep the new keys and values, hand back all of them."""

    def write(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values [B,G,T,K] at the reserved slots; return all filled ones [B,G,S,K]."""
        ...


class ScaledDotProductAttention(nn.Module):
    """Mix values by softmax(q k / sqrt(K)) over the keys that a mask lets each query see.

    Args:
        backend: How to compute it, as `ModelConfig.attention_backend`.
        cap: Soft bound of the scores, as `ModelConfig.attn_logit_softcap`.

    Reference: Attention Is All You Need, arXiv:1706.03762, eq. 1.
    """

    def __init__(self, backend: AttentionBackend = "auto", cap: float | None = None) -> None:
        super().__init__()
        if backend == "sdpa" and cap is not None:
            raise ConfigError(
                f"a softcap of {cap} cannot be computed by sdpa, which hands out no scores; "
                "use auto, blocked or explicit"
            )
        self.backend = backend
        self.cap = cap

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask = None) -> Tensor:
        """Map queries [B,H,T,K], keys and values [B,G,S,K] to mixed values [B,H,T,K]."""
        return attend(q, k, v, mask, self.backend, self.cap)


class MultiHeadSelfAttention(nn.Module):
    """Self-attention over one sequence, with or without a key/value cache."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        config = config.resolve()
        assert config.num_kv_heads is not None, "resolve() derives num_kv_heads"
        assert config.head_width is not None, "resolve() derives head_width"
        self.num_heads, self.num_kv_heads = config.num_heads, config.num_kv_heads
        self.head_width = config.head_width
        query_width = self.num_heads * self.head_width
        kv_width = self.num_kv_heads * self.head_width
        self.split_sizes = [query_width, kv_width, kv_width]
        self.qkv = Linear(config.d_model, sum(self.split_sizes))
        self.out = Linear(query_width, config.d_model, std=into_stream_std(query_width, config))
        self.query_norm: nn.Module = nn.Identity()
        self.key_norm: nn.Module = nn.Identity()
        if config.use_qk_norm:
            self.query_norm = RMSNorm(self.head_width, config.norm_eps)
            self.key_norm = RMSNorm(self.head_width, config.norm_eps)
        self.mix = ScaledDotProductAttention(config.attention_backend, config.attn_logit_softcap)

    def forward(
        self,
        x: Tensor,
        rope: tuple[Tensor, Tensor],
        mask: Mask = None,
        store: KeyValueStore | None = None,
    ) -> Tensor:
        """Let every position of x [B,T,D] look at the keys it may see.

        Args:
            x: Normalised residual stream, [B,T,D].
            rope: cos and sin of the positions of x, from `RotaryEmbedding.tables`.
            mask: What every query sees, from `nano_transformer.model.masks`; None: plain causal, S = T.
            store: Where keys and values are kept between calls when decoding.

        Returns:
            The attention output after its projection, [B,T,D].
        """
        q, k, v = self.queries_keys_values(x, rope)
        if store is not None:
            k, v = store.write(k, v)  # [B,G,S,K] each
        mixed = self.mix(q, k, v, mask)  # [B,H,T,K]
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def queries_keys_values(
        self, x: Tensor, rope: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Project x [B,T,D] to normalised, rotated queries [B,H,T,K] and keys, and values [B,G,T,K]."""
        B, T, _ = x.shape
        q, k, v = self.qkv(x).split(self.split_sizes, dim=-1)  # [B,T,H*K], [B,T,G*K], [B,T,G*K]
        q = q.view(B, T, self.num_heads, self.head_width).transpose(1, 2)  # [B,H,T,K]
        k = k.view(B, T, self.num_kv_heads, self.head_width).transpose(1, 2)  # [B,G,T,K]
        v = v.view(B, T, self.num_kv_heads, self.head_width).transpose(1, 2)  # [B,G,T,K]
        return rotate(self.query_norm(q), *rope), rotate(self.key_norm(k), *rope), v
