"""The language model: embedding, transformer blocks, final norm, logits."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nano_transformer.errors import ConfigError
from nano_transformer.model.attention import KeyValueStore, MultiHeadSelfAttention
from nano_transformer.model.attention_backends import prefers_blocks
from nano_transformer.model.config import ModelConfig
from nano_transformer.model.heads import MTPHead
from nano_transformer.model.initialization import into_stream_std, last_gain
from nano_transformer.model.layers import Embedding, Linear, RMSNorm, SwiGLU, softcap
from nano_transformer.model.masks import (
    Mask,
    blocked_mask,
    full_mask,
    mask_per_layer,
    segment_starts,
)
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
        self.feed_forward = SwiGLU(
            config.d_model, config.d_ff, down_std=into_stream_std(config.d_ff, config)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        rope: tuple[Tensor, Tensor],
        mask: Mask = None,
        store: KeyValueStore | None = None,
    ) -> Tensor:
        """Map the residual stream x [B,T,D] to [B,T,D]; arguments as in `MultiHeadSelfAttention`."""
        x = x + self.dropout(self.attention(self.attention_norm(x), rope, mask, store))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]


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
        assert config.head_width is not None, "resolve() derives head_width"
        self.config = config
        self.attention_windows = config.attention_windows(config.attention_window_size)
        self.embedding = Embedding(config.padded_vocab_size, config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.num_layers))
        self.final_norm = RMSNorm(config.d_model, config.norm_eps, gain=last_gain(config))
        self.head: Linear | None = None
        if not config.tie_embeddings:
            self.head = Linear(config.d_model, config.padded_vocab_size, std=0.0)
        self.mtp_heads = nn.ModuleList(MTPHead(config) for _ in range(config.num_mtp_heads))
        self.rope = RotaryEmbedding(
            config.head_width, config.rope_theta, config.context_length, RopeScaling.of(config)
        )

    def reset_parameters(self) -> None:
        """Give every weight its first value (see `model/initialization.py`), drawn anew.

        A model made under `torch.device("meta")` has weights without memory: call
        `model.to_empty(device=...)`, then this or `load_state_dict`.
        """
        for module in self.modules():
            if isinstance(module, Embedding | Linear | RMSNorm):
                module.reset_parameters()

    def set_attention_window(self, window: int | None) -> None:
        """Change the window of the layers that `attention_window_pattern` names, from the next call on.

        Args:
            window: Keys a query sees, its own included; None: all before it.
        """
        if window is not None and window < 1:
            raise ConfigError(f"the attention window must be at least 1 or None, found {window}")
        self.attention_windows = self.config.attention_windows(window)

    def forward(
        self,
        token_ids: Tensor,
        *,
        document_ids: Tensor | None = None,
        positions: Tensor | None = None,
        masks: Sequence[Mask] | None = None,
        stores: Sequence[KeyValueStore] | None = None,
    ) -> Tensor:
        """Return the logits of the next token at every position.

        Args:
            token_ids: Integers in [0, vocab_size), [B,T].
            document_ids: Document of every token, [B,T]: attention stays inside each; None: one document.
            positions: Absolute positions [T] or [B,T]; None: 0 .. T-1.
            masks: What every layer's queries see, when decoding; None: by window and document.
            stores: One key/value store per layer when decoding (see `nano_transformer.inference`).

        Returns:
            Logits, [B,T,V].
        """
        hidden = self.hidden(
            token_ids, document_ids=document_ids, positions=positions, masks=masks, stores=stores
        )
        return self.logits(hidden)

    def hidden(
        self,
        token_ids: Tensor,
        *,
        document_ids: Tensor | None = None,
        positions: Tensor | None = None,
        masks: Sequence[Mask] | None = None,
        stores: Sequence[KeyValueStore] | None = None,
    ) -> Tensor:
        """Return the normalised last hidden states [B,T,D]; arguments as in `forward`."""
        if positions is None:
            self.rope.reserve(token_ids.shape[1])
            positions = torch.arange(token_ids.shape[1], device=token_ids.device)
        else:
            self.rope.reserve(int(positions.max()) + 1)
        rope = self.rope.tables(positions)
        if masks is None:
            assert stores is None, "decoding hands in the masks over its caches' keys"
            masks = self.masks(token_ids, document_ids)
        x = self.embedding(token_ids)  # [B,T,D]
        if self.config.scale_embeddings:
            x = x * math.sqrt(self.config.d_model)
        x = self.dropout(x)
        for layer, block in enumerate(self.blocks):
            x = block(x, rope, masks[layer], None if stores is None else stores[layer])
        return self.final_norm(x)  # type: ignore[no-any-return]

    def masks(self, token_ids: Tensor, document_ids: Tensor | None = None) -> list[Mask]:
        """Return what the queries of every layer see in rows read at once; arguments as in `forward`."""
        length, device = token_ids.shape[1], token_ids.device
        starts = None
        if document_ids is not None:
            if document_ids.shape != token_ids.shape:
                raise ConfigError(
                    f"document ids of shape {tuple(document_ids.shape)} do not fit token ids of shape "
                    f"{tuple(token_ids.shape)}; give one id per token"
                )
            starts = segment_starts(document_ids, torch.arange(length, device=device))

        def build(window: int | None) -> Mask:
            needs_mask = starts is not None or (window is not None and window < length)
            blocks = prefers_blocks(self.config.attention_backend, length, needs_mask, device)
            return (blocked_mask if blocks else full_mask)(
                length,
                window=window,
                global_tokens=self.config.attention_global_tokens,
                starts=starts,
                device=device,
            )

        return mask_per_layer(self.attention_windows, build)

    def logits(self, hidden: Tensor) -> Tensor:
        """Project normalised hidden states [...,D] to logits [...,V]."""
        weight = self.embedding.weight if self.head is None else self.head.weight
        logits = F.linear(hidden, weight)
        if self.config.padded_vocab_size > self.config.vocab_size:
            logits = logits[..., : self.config.vocab_size]
        cap = self.config.final_logit_softcap
        return logits if cap is None else softcap(logits, cap)

    def mtp_hidden(self, hidden: Tensor, horizon: int) -> Tensor:
        """Return hidden states from which `logits` predicts the token `horizon` places ahead.

        Args:
            hidden: What `hidden` returned, [...,D].
            horizon: 1 for the next token, up to 1 + num_mtp_heads.

        Raises:
            ConfigError: For another horizon.
        """
        if not 1 <= horizon <= 1 + len(self.mtp_heads):
            raise ConfigError(
                f"horizon {horizon} is not among 1 .. {1 + len(self.mtp_heads)}; "
                f"build the model with num_mtp_heads={max(horizon - 1, 0)}"
            )
        return hidden if horizon == 1 else self.mtp_heads[horizon - 2](hidden)

    def num_parameters(self) -> int:
        """Count the learned numbers, tied embeddings once."""
        return sum(parameter.numel() for parameter in self.parameters())
