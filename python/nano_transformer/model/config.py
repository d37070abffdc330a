"""What shape a model has."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from nano_transformer.errors import ConfigError
from nano_transformer.model.layer_pattern import layer_numbers

AttentionBackend = Literal["auto", "sdpa", "blocked", "explicit"]
RopeScalingType = Literal["none", "linear", "yarn", "llama3"]

EXPLICIT_MAX_KEYS = 256
"""`auto` computes attention in bfloat16 explicitly on CPU up to this many keys.

Where bfloat16 is done in hardware (avx512_bf16), torch's kernel then loses to matrix products; in float32
it wins at every length. Measured in benches/bench_training.py, as is `prefers_blocks`.
"""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes and options of a `TransformerLM`; `None` means "derive it" (see `resolve`) or "without"."""

    vocab_size: int
    """Number of token ids the model knows; every id lies in 0 .. vocab_size - 1."""
    pad_vocab_size_to_multiple_of: int = 1
    """Add unused rows to embedding and output projection up to a multiple of this (64 suits GPUs);
    they have no logits."""
    context_length: int = 128
    """Longest sequence of tokens in training; decoding slides beyond it."""
    d_model: int = 256
    """Width of the residual stream."""
    d_ff: int | None = None
    """Inner width of the SwiGLU feed-forward layer; derived: 8/3 of d_model, to the nearest 64."""
    num_layers: int = 4
    """Number of transformer blocks."""
    num_heads: int = 8
    """Number of query heads."""
    num_kv_heads: int | None = None
    """Number of key/value heads shared by groups of query heads; derived: num_heads (no sharing)."""
    head_width: int | None = None
    """Width of one attention head, even; derived: d_model / num_heads."""
    rope_theta: float = 10000.0
    """Base of the rotary position embedding's wavelengths."""
    rope_scaling_type: RopeScalingType = "none"
    """How rotary wavelengths are stretched for contexts longer than the base context: all alike
    (linear), only the long ones and with sharper attention (yarn), only the long ones (llama3)."""
    rope_scaling_factor: float = 1.0
    """How many times the base context the stretched wavelengths are meant for, at least 1."""
    rope_base_context_length: int | None = None
    """Context length that the unstretched wavelengths were trained on; derived: context_length."""
    rope_yarn_beta_fast: float = 32.0
    """YaRN keeps wavelengths that fit at least this many times into the base context."""
    rope_yarn_beta_slow: float = 1.0
    """YaRN stretches wavelengths in full that fit at most this many times into the base context."""
    rope_llama3_low_freq_factor: float = 1.0
    """llama3 stretches wavelengths in full that fit fewer times into the base context."""
    rope_llama3_high_freq_factor: float = 4.0
    """llama3 keeps wavelengths that fit more times into the base context."""
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
    dropout: float = 0.0
    """Probability of dropping a channel of the embeddings and of every block's two outputs in training."""
    attention_window_size: int | None = None
    """How many keys a query sees, its own included and counted backwards; without: all before it."""
    attention_window_pattern: str = "all"
    """Layers that have the window, the first being 0: all, none, 1,3,5, every:2 (1, 3, 5, ...), from:2, or
    except: before one of these; the other layers see everything."""
    attention_global_tokens: int = 0
    """Tokens at the start of the row, or of each document when documents are masked, that stay
    visible beyond the window."""
    attention_backend: AttentionBackend = "auto"
    """How attention is computed: torch's fused kernel (sdpa), a block of queries at a time with the
    keys its window reaches (blocked), matmul and softmax (explicit), or the fastest of them (auto)."""
    attn_logit_softcap: float | None = None
    """Bound attention scores to plus or minus this, by cap * tanh(score / cap); QK-norm bounds
    them already."""
    final_logit_softcap: float | None = None
    """Bound the output logits to plus or minus this, by cap * tanh(logit / cap)."""
    num_mtp_heads: int = 0
    """Tokens predicted beyond the next one in training (multi-token prediction)."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        self._check_ranges()
        self._check_heads()
        self._check_rope()
        self._check_attention()
        if self.num_mtp_heads >= self.context_length:
            raise ConfigError(
                f"`num_mtp_heads` {self.num_mtp_heads} looks beyond `context_length` "
                f"{self.context_length}; use at most {self.context_length - 1}"
            )

    def _check_ranges(self) -> None:
        least = dict.fromkeys(
            ("vocab_size", "context_length", "d_model", "num_layers", "num_heads"), 1
        )
        least |= dict(pad_vocab_size_to_multiple_of=1, attention_global_tokens=0, num_mtp_heads=0)
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ConfigError(
                    f"`{name}` must be at least {smallest}, found {getattr(self, name)}"
                )
        optional = ("d_ff", "num_kv_heads", "head_width", "rope_base_context_length")
        for name in (*optional, "attention_window_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"`{name}` must be at least 1 or absent, found {value}")
        for name in ("rope_theta", "norm_eps"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"`{name}` must be positive, found {getattr(self, name)}")
        for name in ("attn_logit_softcap", "final_logit_softcap"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"`{name}` must be positive or absent, found {value}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"`dropout` must lie in [0, 1), found {self.dropout}")

    def _check_heads(self) -> None:
        if self.head_width is None and self.d_model % (2 * self.num_heads):
            fitting = -(-self.d_model // (2 * self.num_heads)) * 2 * self.num_heads
            raise ConfigError(
                f"`d_model` {self.d_model} does not divide into {self.num_heads} heads of even width; "
                f"use d_model {fitting}, another `num_heads`, or give `head_width`"
            )
        if self.head_width is not None and self.head_width % 2:
            raise ConfigError(
                f"`head_width` must be even for the rotary embedding, found {self.head_width}; "
                f"use {self.head_width + 1}"
            )
        if self.num_kv_heads is not None and self.num_heads % self.num_kv_heads:
            divisors = [n for n in range(1, self.num_heads + 1) if self.num_heads % n == 0]
            raise ConfigError(
                f"`num_heads` {self.num_heads} is not a multiple of `num_kv_heads` {self.num_kv_heads}; "
                f"use one of {divisors}"
            )

    def _check_rope(self) -> None:
        _check_choice("rope_scaling_type", self.rope_scaling_type, RopeScalingType)
        if not 1 <= self.rope_scaling_factor < float("inf"):
            raise ConfigError(
                f"`rope_scaling_factor` must be at least 1, found {self.rope_scaling_factor}"
            )
        if self.rope_scaling_type == "none" and self.rope_scaling_factor != 1:
            raise ConfigError(
                f"`rope_scaling_factor` {self.rope_scaling_factor} has no effect with "
                "`rope_scaling_type` none; choose linear, yarn or llama3, or leave the factor at 1"
            )
        if self.rope_scaling_type == "yarn" and self.rope_theta <= 1:
            raise ConfigError(
                f"`rope_theta` must exceed 1 with `rope_scaling_type` yarn, found {self.rope_theta}; "
                "10000 is usual"
            )
        for slow, fast in (
            ("rope_yarn_beta_slow", "rope_yarn_beta_fast"),
            ("rope_llama3_low_freq_factor", "rope_llama3_high_freq_factor"),
        ):
            if not 0 < getattr(self, slow) < getattr(self, fast) < float("inf"):
                raise ConfigError(
                    f"`{slow}` must be positive and smaller than `{fast}`, found {getattr(self, slow)} "
                    f"and {getattr(self, fast)}"
                )

    def _check_attention(self) -> None:
        _check_choice("attention_backend", self.attention_backend, AttentionBackend)
        layer_numbers(
            self.attention_window_pattern, self.num_layers, field="attention_window_pattern"
        )
        if self.attn_logit_softcap is not None and self.attention_backend == "sdpa":
            raise ConfigError(
                f"`attn_logit_softcap` {self.attn_logit_softcap} cannot be computed by "
                "`attention_backend` sdpa, which hands out no scores; use auto, blocked or explicit"
            )

    def resolve(self) -> "ModelConfig":
        """Return the same configuration with every derived field filled in."""
        return replace(
            self,
            d_ff=_given(self.d_ff, derived_d_ff(self.d_model)),
            num_kv_heads=_given(self.num_kv_heads, self.num_heads),
            head_width=_given(self.head_width, self.d_model // self.num_heads),
            rope_base_context_length=_given(self.rope_base_context_length, self.context_length),
        )

    @property
    def padded_vocab_size(self) -> int:
        """Rows of the embedding and the output projection, unused ones included."""
        multiple = self.pad_vocab_size_to_multiple_of
        return -(-self.vocab_size // multiple) * multiple

    def attention_windows(self, window: int | None) -> tuple[int | None, ...]:
        """Return the window of every layer when the layers of the pattern have `window`; None: all keys."""
        windowed = layer_numbers(
            self.attention_window_pattern, self.num_layers, field="attention_window_pattern"
        )
        return tuple(window if layer in windowed else None for layer in range(self.num_layers))


def derived_d_ff(d_model: int) -> int:
    """Return 8/3 of d_model to the nearest 64: as many weights as an ungated layer four times as wide."""
    return max(64, round(d_model * 8 / 3 / 64) * 64)


def _given(value: int | None, derived: int) -> int:
    return derived if value is None else value


def _check_choice(name: str, value: str, choices: object) -> None:
    allowed = get_args(choices)
    if value not in allowed:
        raise ConfigError(f"`{name}` must be one of {', '.join(allowed)}; found {value!r}")
