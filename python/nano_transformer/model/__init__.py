"""The dense decoder-only transformer and the blocks it is made of; every block is usable alone."""

from typing import TYPE_CHECKING

from nano_transformer.lazy import lazy_names

if TYPE_CHECKING:
    from nano_transformer.model.attention import MultiHeadSelfAttention, ScaledDotProductAttention
    from nano_transformer.model.config import ModelConfig
    from nano_transformer.model.heads import MTPHead
    from nano_transformer.model.layers import Embedding, Linear, RMSNorm, SwiGLU
    from nano_transformer.model.rope import RopeScaling, RotaryEmbedding
    from nano_transformer.model.transformer import TransformerBlock, TransformerLM

_HOMES = {
    "model.attention": ("MultiHeadSelfAttention", "ScaledDotProductAttention"),
    "model.config": ("ModelConfig",),
    "model.heads": ("MTPHead",),
    "model.layers": ("Embedding", "Linear", "RMSNorm", "SwiGLU"),
    "model.rope": ("RopeScaling", "RotaryEmbedding"),
    "model.transformer": ("TransformerBlock", "TransformerLM"),
}

__all__ = [
    "Embedding",
    "Linear",
    "MTPHead",
    "ModelConfig",
    "MultiHeadSelfAttention",
    "RMSNorm",
    "RopeScaling",
    "RotaryEmbedding",
    "ScaledDotProductAttention",
    "SwiGLU",
    "TransformerBlock",
    "TransformerLM",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
