"""Rotary position embedding: plain, linear, YaRN and llama3 frequencies, and the rotation itself."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nano_transformer.model.config import ModelConfig, RopeScalingType


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """How rotary frequencies change for contexts longer than the one they were trained on."""

    type: RopeScalingType = "none"
    factor: float = 1.0
    base_context_length: int = 1
    yarn_beta_fast: float = 32.0
    yarn_beta_slow: float = 1.0
    llama3_low_freq_factor: float = 1.0
    llama3_high_freq_factor: float = 4.0

    @classmethod
    def of(cls, config: ModelConfig) -> "RopeScaling":
        """Take the `rope_...` fields of a model's configuration."""
        base_context_length = config.resolve().rope_base_context_length
        assert base_context_length is not None, "resolve() derives rope_base_context_length"
        return cls(
            type=config.rope_scaling_type,
            factor=config.rope_scaling_factor,
            base_context_length=base_context_length,
            yarn_beta_fast=config.rope_yarn_beta_fast,
            yarn_beta_slow=config.rope_yarn_beta_slow,
            llama3_low_freq_factor=config.rope_llama3_low_freq_factor,
            llama3_high_freq_factor=config.rope_llama3_high_freq_factor,
        )

    @property
    def attention_factor(self) -> float:
        """What cos and sin are multiplied by: 0.1 ln(factor) + 1 for YaRN, else 1.

        Queries and keys are both rotated, so attention scores grow by its square.

        Reference: YaRN, arXiv:2309.00071, section 3.4.
        """
        return 0.1 * math.log(self.factor) + 1 if self.type == "yarn" else 1.0


def rope_frequencies(head_width: int, theta: float, scaling: RopeScaling) -> Tensor:
    """Return the radians per position of every channel pair, float64 [K/2], on the CPU."""
    # A device context, such as torch.device("meta"), must not reach this arithmetic.
    channels = torch.arange(0, head_width, 2, dtype=torch.float64, device="cpu")
    plain = theta ** (-channels / head_width)  # [K/2]
    return plain * _SCALED_SHARE[scaling.type](plain, theta, scaling)


def _unscaled(plain: Tensor, theta: float, scaling: RopeScaling) -> Tensor:  # noqa: ARG001
    return torch.ones_like(plain)


def _linear_share(plain: Tensor, theta: float, scaling: RopeScaling) -> Tensor:  # noqa: ARG001
    """Slow every pair down alike: position interpolation, arXiv:2306.15595."""
    return torch.full_like(plain, 1 / scaling.factor)


def _yarn_share(plain: Tensor, theta: float, scaling: RopeScaling) -> Tensor:
    """Slow down pairs that turn less than beta_slow times in the base context, others less or not.

    Reference: YaRN, arXiv:2309.00071, section 3.2; the ramp lies between whole channel numbers, as in
    the authors' code and in transformers.
    """
    head_width = 2 * len(plain)

    def channel_turning(times: float) -> float:
        wavelength = scaling.base_context_length / times
        return head_width * math.log(wavelength / (2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(channel_turning(scaling.yarn_beta_fast)), 0)
    high = min(math.ceil(channel_turning(scaling.yarn_beta_slow)), head_width - 1)
    high = max(low, high)  # a base context shorter than every wavelength
    # A ramp of no width would divide by zero; this one is a step.
    width = high - low if high != low else 0.001
    pairs = torch.arange(len(plain), dtype=torch.float64, device="cpu")
    ramp = ((pairs - low) / width).clamp(0, 1)
    return 1 - ramp + ramp / scaling.factor


def _llama3_share(plain: Tensor, theta: float, scaling: RopeScaling) -> Tensor:  # noqa: ARG001
    """Blend by how often a wavelength fits into the base context.

    Reference: `apply_scaling` of Meta's llama-models; The Llama 3 Herd of Models, arXiv:2407.21783.
    """
    fits = scaling.base_context_length * plain / (2 * math.pi)  # [K/2]
    low, high = scaling.llama3_low_freq_factor, scaling.llama3_high_freq_factor
    kept = ((fits - low) / (high - low)).clamp(0, 1)
    return kept + (1 - kept) / scaling.factor


_SCALED_SHARE: dict[str, Callable[[Tensor, float, RopeScaling], Tensor]] = {
    "none": _unscaled,
    "linear": _linear_share,
    "yarn": _yarn_share,
    "llama3": _llama3_share,
}


class RotaryEmbedding(nn.Module):
    """Half-split rotary embedding with tables that grow on demand.

    Channel i is paired with channel i + K/2 (the layout of Hugging Face's Llama), and the pair turns by
    position * frequency radians. Moving the module moves the tables; they are float32 in a model of
    lower precision, for cos and sin of far positions need it.

    Reference: RoFormer, arXiv:2104.09864, section 3.2.2.
    """

    cos: Tensor
    sin: Tensor

    def __init__(
        self,
        head_width: int,
        theta: float,
        num_positions: int,
        scaling: RopeScaling = RopeScaling(),
    ) -> None:
        super().__init__()
        self.head_width = head_width
        self.theta = theta
        self.scaling = scaling
        self._build_tables(num_positions, torch.get_default_device())

    def _build_tables(
        self, num_positions: int, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        # Angles in float64: at position 100,000 a float32 product is already off by a hundredth.
        frequencies = rope_frequencies(self.head_width, self.theta, self.scaling)  # [K/2]
        positions = torch.arange(num_positions, dtype=torch.float64, device="cpu")
        angles = torch.outer(positions, frequencies)  # [positions,K/2]
        factor = self.scaling.attention_factor
        self.register_buffer("cos", (angles.cos() * factor).to(device, dtype), persistent=False)
        self.register_buffer("sin", (angles.sin() * factor).to(device, dtype), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "RotaryEmbedding":
        """Build the tables anew where the module goes: `to_empty` leaves no values to move."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        dtype = torch.promote_types(self.cos.dtype, torch.float32)
        self._build_tables(self.cos.shape[0], self.cos.device, dtype)
        return self

    def reserve(self, num_positions: int) -> None:
        """Make room for positions 0 .. num_positions - 1, at least doubling the tables."""
        if num_positions > self.cos.shape[0]:
            num_positions = max(num_positions, 2 * self.cos.shape[0])
            self._build_tables(num_positions, self.cos.device, self.cos.dtype)

    def tables(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos and sin for absolute positions.

        Args:
            positions: Integers in [0, reserved positions), [T] or [B,T].

        Returns:
            Two tensors [T,K/2] or [B,1,T,K/2], float32 (float64 in a float64 model): they broadcast
            over heads.
        """
        cos, sin = self.cos[positions], self.sin[positions]
        if positions.dim() == 2:
            return cos.unsqueeze(1), sin.unsqueeze(1)
        return cos, sin


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the channel pairs of x [B,H,T,K] by the angles whose cos and sin [...,T,K/2] are given."""
    first, second = x.chunk(2, dim=-1)  # [B,H,T,K/2] each
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
