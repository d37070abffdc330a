"""How a Llama's separate projections become our merged ones, and interleaved pairs half-split ones."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nano_transformer.model.config import ModelConfig

LAYER_TENSORS = {
    "attention_norm": "attention_norm.weight",
    "out": "attention.out.weight",
    "feed_forward_norm": "feed_forward_norm.weight",
    "down": "feed_forward.down.weight",
}
"""Tensors of a layer that are taken as they are -> their place in a block."""


def half_split(weight: Tensor, num_heads: int) -> Tensor:
    """Reorder the rows of a query or key projection from interleaved to half-split pairs.

    Meta's code rotates channels 2 i and 2 i + 1 of a head as a pair, ours i and i + K/2. The scalar
    product of query and key does not change when both are reordered alike.

    Args:
        weight: Projection whose rows are head by head, [heads*K,D].
        num_heads: Heads in it.

    Returns:
        The same rows in another order, [heads*K,D].
    """
    rows, d_model = weight.shape
    pairs = weight.reshape(num_heads, rows // num_heads // 2, 2, d_model)  # [heads,K/2,2,D]
    return pairs.transpose(1, 2).reshape(rows, d_model)


def block_weights(
    layer: int, tensors: Mapping[str, Tensor], config: ModelConfig, *, interleaved: bool
) -> dict[str, Tensor]:
    """Return one layer's entries of a `TransformerLM`'s state dict.

    Args:
        layer: Index of the layer.
        tensors: `attention_norm`, `query`, `key`, `value`, `out`, `feed_forward_norm`, `gate`, `up` and
            `down`, matrices as [out,in].
        config: The model's configuration.
        interleaved: Whether query and key rows are in Meta's order (llama2.c, GGUF's `llama`), not
            in Hugging Face's.
    """
    config = config.resolve()
    assert config.num_kv_heads is not None, "resolve() derives num_kv_heads"
    query, key = tensors["query"], tensors["key"]
    if interleaved:
        query, key = half_split(query, config.num_heads), half_split(key, config.num_kv_heads)
    prefix = f"blocks.{layer}."
    return {prefix + place: tensors[name] for name, place in LAYER_TENSORS.items()} | {
        prefix + "attention.qkv.weight": torch.cat((query, key, tensors["value"])),
        prefix + "feed_forward.gate_up.weight": torch.cat((tensors["gate"], tensors["up"])),
    }
