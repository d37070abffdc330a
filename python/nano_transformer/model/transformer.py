"""The language model: embedding, transformer blocks, final norm, logits."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nano_transformer.errors import ConfigError
from nano_transformer.model.attention import KeyValueStore, MultiHeadSelfAttention
from nano_transformer.model.config import ModelConfig
from nano_transformer.model.initialization import initialize
from nano_transformer.model.layers import RMSNorm, SwiGLU
from nano_transformer.model.rope import RopeScaling, RotaryEmbedding


class TransformerBlock(nn.Module):
    """One pre-norm block: x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        config = config.resolve()
        assert config.d_ff is not None, "resolve() derives d_ff"
        self.attention_norm = RMSNorm(config.d_model, config.norm_eps)
        self.attention = MultiHeadSelfAttention(config)
        self.feed_forward_norm = RMSNorm(config.d_model, config.norm_eps)
        self.feed_forward = SwiGLU(config.d_model, config.d_ff)

    def forward(
        self,
        x: Tensor,
        rope: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
        store: KeyValueStore | None = None,
    ) -> Tensor:
        """Map the residual stream x [B,T,D] to [B,T,D]; arguments as in `MultiHeadSelfAttention`."""
        x = x + self.attention(self.attention_norm(x), rope, mask, store)
        return x + self.feed_forward(self.feed_forward_norm(x))  # type: ignore[no-any-return]


class TransformerLM(nn.Module):
    """A decoder-only language model: token ids [B,T] to logits [B,T,V].

    Built from a `ModelConfig` or from its fields: `TransformerLM(vocab_size=50257, d_model=256)`.
    """

    def __init__(self, config: ModelConfig | None = None, **fields: Any) -> None:
        super().__init__()
        if config is not None and fields:
            raise ConfigError(
                f"give a ModelConfig or its fields, not both; found both a config and {sorted(fields)}"
            )
        config = (config or ModelConfig(**fields)).resolve()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.num_layers))
        self.final_norm = RMSNorm(config.d_model, config.norm_eps)
        self.head: nn.Linear | None = None
        if not config.tie_embeddings:
            self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        assert config.head_width is not None, "resolve() derives head_width"
        self.rope = RotaryEmbedding(
            config.head_width, config.rope_theta, config.context_length, RopeScaling.of(config)
        )
        initialize(self, config)

    def forward(
        self,
        token_ids: Tensor,
        *,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        stores: Sequence[KeyValueStore] | None = None,
    ) -> Tensor:
        """Return the logits of the next token at every position.

        Args:
            token_ids: Integers in [0, vocab_size), [B,T].
            positions: Absolute positions [T] or [B,T]; None: 0 .. T-1.
            mask: True where query t sees key s, broadcastable to [B,1,T,S]; None: plain causal.
            stores: One key/value store per layer when decoding (see `nano_transformer.inference`).

        Returns:
            Logits, [B,T,V].
        """
        return self.logits(self.hidden(token_ids, positions=positions, mask=mask, stores=stores))

    def hidden(
        self,
        token_ids: Tensor,
        *,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        stores: Sequence[KeyValueStore] | None = None,
    ) -> Tensor:
        """Return the normalised last hidden states [B,T,D]; arguments as in `forward`."""
        if positions is None:
            self.rope.reserve(token_ids.shape[1])
            positions = torch.arange(token_ids.shape[1], device=token_ids.device)
        else:
            self.rope.reserve(int(positions.max()) + 1)
        rope = self.rope.tables(positions)
        x = self.embedding(token_ids)  # [B,T,D]
        if self.config.scale_embeddings:
            x = x * math.sqrt(self.config.d_model)
        for layer, block in enumerate(self.blocks):
            x = block(x, rope, mask, None if stores is None else stores[layer])
        return self.final_norm(x)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """Project normalised hidden states [...,D] to logits [...,V]."""
        weight = self.embedding.weight if self.head is None else self.head.weight
        return F.linear(hidden, weight)

    def num_parameters(self) -> int:
        """Count the learned numbers, tied embeddings once."""
        return sum(parameter.numel() for parameter in self.parameters())
