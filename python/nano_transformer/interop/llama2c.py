"""How a checkpoint of llama2.c (its first format, without a magic number) is read."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nano_transformer.errors import CheckpointError, ConfigError
from nano_transformer.interop.llama_layout import block_weights
from nano_transformer.model.config import ModelConfig
from nano_transformer.model.transformer import TransformerLM

MAGIC = 0x616B3432  # "ak42": llama2.c's later formats begin with it
NORM_EPS = 1e-5  # not in the file; fixed in llama2.c's run.c
ROPE_THETA = 10000.0  # not in the file, but its tables of angles are


class Header(NamedTuple):
    """The seven little-endian int32 that a file begins with."""

    d_model: int
    d_ff: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    vocab_size: int
    """Negative: the output projection is a matrix of its own, stored last."""
    context_length: int


def load_llama2c(path: str | os.PathLike[str]) -> TransformerLM:
    """Read a Llama as llama2.c's `legacy_export` writes it, in float32 on the CPU.

    Raises:
        CheckpointError: When the file is none, is cut short or longer than its header says, holds values
            that are not finite, or angles of another base than 10,000.

    Reference: https://github.com/karpathy/llama2.c, export.py (version 0) and run.c.
    """
    path = Path(path)
    config = _config(path)
    shapes = _shapes(config)
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    header_bytes = 4 * len(Header._fields)
    expected, found = header_bytes + 4 * sum(sizes), path.stat().st_size
    if found != expected:
        raise CheckpointError(
            f"`{path}` has {found:,} bytes where its header promises {expected:,}; "
            f"it is {'cut short' if found < expected else 'followed by something else'}, fetch it again"
        )
    numbers = np.fromfile(path, dtype="<f4", offset=header_bytes).astype(np.float32, copy=False)
    if not np.isfinite(numbers).all():
        raise CheckpointError(f"`{path}` holds weights that are not finite; fetch it again")
    pieces = np.split(numbers, np.cumsum(sizes)[:-1])
    arrays = {
        name: piece.reshape(shape)
        for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
    }
    _check_angles(path, arrays.pop("cos"), arrays.pop("sin"))
    model = TransformerLM(config)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    model.load_state_dict(_state_dict(tensors, config))
    return model


def _config(path: Path) -> ModelConfig:
    with path.open("rb") as file:
        start = file.read(4 * len(Header._fields))
    if len(start) < 4 * len(Header._fields):
        raise CheckpointError(
            f"`{path}` has {len(start)} bytes, a llama2.c checkpoint begins with 28; fetch it again"
        )
    header = Header(*np.frombuffer(start, dtype="<i4").tolist())
    if header[0] == MAGIC:
        raise CheckpointError(
            f"`{path}` is of a later format of llama2.c than the first; "
            "export it with `--version 0` of llama2.c's export.py"
        )
    numbers = path.stat().st_size // 4
    for name, value in header._asdict().items():
        if abs(value) > numbers:  # a random number here must not be built into a configuration
            raise CheckpointError(
                f"`{path}` is no checkpoint of llama2.c: its header says `{name}` {value:,}, more than "
                f"all {numbers:,} numbers in it"
            )
    try:
        config = ModelConfig(
            **{**header._asdict(), "vocab_size": abs(header.vocab_size)},
            norm_eps=NORM_EPS,
            rope_theta=ROPE_THETA,
            use_qk_norm=False,
            scale_embeddings=False,
            tie_embeddings=header.vocab_size > 0,
        )
        return config.resolve()
    except ConfigError as error:
        raise CheckpointError(f"`{path}` is no checkpoint of llama2.c: {error}") from error


def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the file's tensors in their order; each holds that tensor of all layers."""
    assert config.d_ff is not None, "the header gives d_ff"
    assert config.num_kv_heads is not None, "the header gives num_kv_heads"
    assert config.head_width is not None, "resolve() derives head_width"
    L, D, F, V = config.num_layers, config.d_model, config.d_ff, config.vocab_size
    kv_width = config.num_kv_heads * config.head_width
    table = (config.context_length, config.head_width // 2)
    shapes: dict[str, tuple[int, ...]] = {
        "embedding": (V, D),
        "attention_norm": (L, D),
        "query": (L, D, D),
        "key": (L, kv_width, D),
        "value": (L, kv_width, D),
        "out": (L, D, D),
        "feed_forward_norm": (L, D),
        "gate": (L, F, D),
        "down": (L, D, F),
        "up": (L, F, D),
        "final_norm": (D,),
        "cos": table,
        "sin": table,
    }
    return shapes if config.tie_embeddings else shapes | {"head": (V, D)}


def _check_angles(path: Path, cos: npt.NDArray[np.float32], sin: npt.NDArray[np.float32]) -> None:
    positions, pairs = cos.shape
    frequencies = ROPE_THETA ** (-np.arange(pairs) / pairs)
    angles = np.outer(np.arange(positions), frequencies)
    # The file's angles are float32 products: their error grows with the position.
    tolerance = 1e-6 * positions
    off = max(np.abs(cos - np.cos(angles)).max(), np.abs(sin - np.sin(angles)).max())
    if off > tolerance:
        raise CheckpointError(
            f"`{path}` turns queries and keys by other angles than those of base {ROPE_THETA:,.0f} "
            f"(off by {off:.1e}); only that base is known here"
        )


def _state_dict(tensors: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    whole = {"embedding", "final_norm", "head"}
    state = {f"{name}.weight": tensors[name] for name in whole & tensors.keys()}
    for layer in range(config.num_layers):
        of_layer = {name: tensor[layer] for name, tensor in tensors.items() if name not in whole}
        state |= block_weights(layer, of_layer, config, interleaved=True)
    return state
