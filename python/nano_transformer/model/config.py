"""What shape a model has."""

from dataclasses import dataclass, replace
from typing import Literal

from nano_transformer.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and options of a `TransformerLM`; `None` means "derive it" (see `resolve`)."""

    vocab_size: int
    """Number of token ids the model knows; every id lies in 0 .. vocab_size - 1."""
    context_length: int = 128
    """Longest sequence of tokens in training; decoding slides beyond it."""
    d_model: int = 256
    """Width of the residual stream."""
    d_ff: int | None = None
    """Inner width of the SwiGLU feed-forward layer; derived: 8/3 of d_model, to the nearest 64."""
    num_layers: int = 4
    """Number of transformer blocks."""
    num_heads: int = 8
    """Number of query heads; d_model / num_heads is the width of one and must be even."""
    num_kv_heads: int | None = None
    """Number of key/value heads shared by groups of query heads; derived: num_heads (no sharing)."""
    rope_theta: float = 10000.0
    """Base of the rotary position embedding's wavelengths."""
    norm_eps: float = 1e-6
    """Added to the mean square in every RMSNorm."""
    use_qk_norm: bool = True
    """Normalise queries and keys per head, with learned gains, before the rotary embedding."""
    tie_embeddings: bool = True
    """Use the token embedding as the output projection too."""
    scale_embeddings: bool = True
    """Multiply token embeddings by the square root of d_model where they enter the stack."""
    zero_init_residual: bool = True
    """Start the output projections of attention and feed-forward at zero: every block is the identity."""
    attention_backend: Literal["auto", "sdpa", "explicit"] = "auto"
    """How attention is computed: torch's fused kernel (sdpa), matmul and softmax (explicit),
    or the faster of them (auto)."""

    def __post_init__(self) -> None:
        """Refuse sizes that are out of range or contradict each other."""
        for name in ("vocab_size", "context_length", "d_model", "num_layers", "num_heads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1, found {getattr(self, name)}")
        for name in ("d_ff", "num_kv_heads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"`{name}` must be at least 1 or absent, found {value}")
        for name in ("rope_theta", "norm_eps"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"`{name}` must be positive, found {getattr(self, name)}")
        if self.d_model % (2 * self.num_heads):
            fitting = -(-self.d_model // (2 * self.num_heads)) * 2 * self.num_heads
            raise ConfigError(
                f"`d_model` {self.d_model} does not divide into {self.num_heads} heads of even width; "
                f"use d_model {fitting}, or another `num_heads`"
            )
        if self.num_kv_heads is not None and self.num_heads % self.num_kv_heads:
            divisors = [n for n in range(1, self.num_heads + 1) if self.num_heads % n == 0]
            raise ConfigError(
                f"`num_heads` {self.num_heads} is not a multiple of `num_kv_heads` {self.num_kv_heads}; "
                f"use one of {divisors}"
            )

    def resolve(self) -> "ModelConfig":
        """Return the same configuration with every derived field filled in."""
        d_ff = max(64, round(self.d_model * 8 / 3 / 64) * 64)
        return replace(
            self,
            d_ff=self.d_ff if self.d_ff is not None else d_ff,
            num_kv_heads=self.num_kv_heads if self.num_kv_heads is not None else self.num_heads,
        )

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.num_heads
