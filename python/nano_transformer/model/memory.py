"""How many bytes training and decoding take, without building the model."""

from typing import Literal, NamedTuple

from nano_transformer.model.config import EXPLICIT_MAX_KEYS, ModelConfig
from nano_transformer.model.counts import attention_widths, count_parameters

Precision = Literal["float32", "bfloat16"]

BYTES: dict[Precision, int] = {"float32": 4, "bfloat16": 2}
"""Bytes of one number."""

ADAMW_BYTES = 8
"""AdamW keeps two float32 averages per parameter."""


class ActivationBytes(NamedTuple):
    """What one micro-step keeps from its forward pass for the backward pass."""

    layers: int
    """Of all blocks, the final norm and the output projection's input."""
    logits: int
    """Logits and their gradient: both are there when the backward pass begins."""
    weight_copies: int
    """The matrices in bfloat16 beside the float32 ones, under autocast."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


class TrainingBytes(NamedTuple):
    """What training holds; gradients come while activations go, which leaves room for temporary results."""

    weights: int
    gradients: int
    optimizer_state: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


def training_bytes(
    config: ModelConfig,
    batch_size: int,
    seq_len: int | None = None,
    *,
    precision: Precision = "float32",
) -> TrainingBytes:
    """Estimate the memory of a training step with AdamW; arguments as in `activation_bytes`.

    Weights, gradients and optimizer state are float32 and exact.
    """
    numbers = count_parameters(config).total
    activations = activation_bytes(config, batch_size, seq_len, precision=precision)
    return TrainingBytes(4 * numbers, 4 * numbers, ADAMW_BYTES * numbers, activations.total)


def activation_bytes(
    config: ModelConfig,
    batch_size: int,
    seq_len: int | None = None,
    *,
    precision: Precision = "float32",
) -> ActivationBytes:
    """Estimate what autograd keeps of one micro-step, as the model runs uncompiled on a CPU.

    Per token and layer, with `size` bytes per number of the precision: two norms keep their input and its
    normalised form in float32 and hand on a third (8 D + size D each). Attention keeps queries, keys and
    its result; computed explicitly also a copy of the values and the softmax, by the fused kernel the
    result in its own layout and the merged projection, of which values are a view. QK-norm keeps
    normalised queries and keys in float32, and its input, which in float32 is the merged projection and
    in bfloat16 a copy. SwiGLU keeps 4 size F.

    Left out: rotary tables, masks, one number per norm, gradients of activations other than the logits',
    temporary results, softcaps, dropout's masks, the horizons beyond the next token, and the allocator's
    slack. A GPU's fused norm keeps less, a compiled model too. Windows are not considered; their masks and
    blocks make it up to 12 % more than estimated.

    Args:
        config: The model.
        batch_size: Rows of a micro-step.
        seq_len: Tokens of a row; None: the model's context length.
        precision: That of matrix products; weights and the residual stream are float32 always.
    """
    config = config.resolve()
    assert config.d_ff is not None, "resolve() derives d_ff"
    seq_len = config.context_length if seq_len is None else seq_len
    keeps_scores = computes_explicitly(config, seq_len, precision)
    D, tokens, size = config.d_model, batch_size * seq_len, BYTES[precision]
    query_width, kv_width = attention_widths(config)
    norm = 8 * D + size * D
    attention = size * (2 * query_width + kv_width)
    if keeps_scores:
        attention += size * (kv_width + config.num_heads * seq_len)
    else:
        attention += size * query_width
    if not keeps_scores or (config.use_qk_norm and precision == "float32"):
        attention += size * (query_width + 2 * kv_width)
    if config.use_qk_norm:
        attention += (4 if precision == "float32" else 8) * (query_width + kv_width)
    feed_forward = size * 4 * config.d_ff
    layer = 2 * norm + attention + feed_forward
    counts = count_parameters(config)
    matrices = counts.attention + counts.feed_forward + config.padded_vocab_size * D
    return ActivationBytes(
        layers=tokens * (config.num_layers * layer + norm),
        logits=2 * tokens * config.padded_vocab_size * size,
        weight_copies=2 * matrices if precision == "bfloat16" else 0,
    )


def computes_explicitly(config: ModelConfig, seq_len: int, precision: Precision) -> bool:
    """Say whether attention over rows of `seq_len` tokens is matmul and softmax on a CPU."""
    if config.attention_backend in ("explicit", "sdpa"):
        return config.attention_backend == "explicit"
    short = seq_len <= EXPLICIT_MAX_KEYS and precision == "bfloat16"
    return short or config.attn_logit_softcap is not None


def kv_cache_bytes(
    config: ModelConfig, batch_size: int, total_seq_len: int, *, bytes_per_number: int = 4
) -> int:
    """Count the bytes of `allocate_kv_caches`: keys and values, and int64 positions and lengths.

    Decoding with document ids adds 8 bytes a slot.
    """
    _, kv_width = attention_widths(config)
    per_slot = 2 * kv_width * bytes_per_number + 8
    return config.num_layers * batch_size * (total_seq_len * per_slot + 8)
