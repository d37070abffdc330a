"""nano-transformer: tokenize, train and sample a language model, from a text file to a told story.

The public names are loaded when first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING

from nano_transformer.lazy import lazy_names

if TYPE_CHECKING:
    from nano_transformer.data.prepare import (
        prepare_named_pretraining_data,
        prepare_pretraining_data,
    )
    from nano_transformer.inference.decoding import decode_step, generate, prefill
    from nano_transformer.inference.kv_cache import KVCache, allocate_kv_caches
    from nano_transformer.inference.sampling import sample_next_token
    from nano_transformer.model.attention import MultiHeadSelfAttention, ScaledDotProductAttention
    from nano_transformer.model.config import ModelConfig
    from nano_transformer.model.layers import Embedding, Linear, RMSNorm, SwiGLU
    from nano_transformer.model.transformer import TransformerBlock, TransformerLM
    from nano_transformer.tokenization.tokenizer import Tokenizer
    from nano_transformer.tokenization.training import train_bpe
    from nano_transformer.training.config import OptimizerConfig, TrainerConfig
    from nano_transformer.training.optimizers import create_optimizer
    from nano_transformer.training.runs import load_run
    from nano_transformer.training.trainer import Trainer

__version__ = "0.1.0"

_HOMES = {
    "data.prepare": ("prepare_named_pretraining_data", "prepare_pretraining_data"),
    "inference.decoding": ("decode_step", "generate", "prefill"),
    "inference.kv_cache": ("KVCache", "allocate_kv_caches"),
    "inference.sampling": ("sample_next_token",),
    "model.attention": ("MultiHeadSelfAttention", "ScaledDotProductAttention"),
    "model.config": ("ModelConfig",),
    "model.layers": ("Embedding", "Linear", "RMSNorm", "SwiGLU"),
    "model.transformer": ("TransformerBlock", "TransformerLM"),
    "tokenization.tokenizer": ("Tokenizer",),
    "tokenization.training": ("train_bpe",),
    "training.config": ("OptimizerConfig", "TrainerConfig"),
    "training.optimizers": ("create_optimizer",),
    "training.runs": ("load_run",),
    "training.trainer": ("Trainer",),
}

__all__ = [
    "Embedding",
    "KVCache",
    "Linear",
    "ModelConfig",
    "MultiHeadSelfAttention",
    "OptimizerConfig",
    "RMSNorm",
    "ScaledDotProductAttention",
    "SwiGLU",
    "Tokenizer",
    "Trainer",
    "TrainerConfig",
    "TransformerBlock",
    "TransformerLM",
    "allocate_kv_caches",
    "create_optimizer",
    "decode_step",
    "generate",
    "load_run",
    "prefill",
    "prepare_named_pretraining_data",
    "prepare_pretraining_data",
    "sample_next_token",
    "train_bpe",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
