"""Rotary position embedding: rotate pairs of channels by an angle that grows with position."""

import torch
from torch import Tensor, nn


class RotaryEmbedding(nn.Module):
    """Half-split rotary embedding with tables that grow on demand.

    Channel i is paired with channel i + K/2 (the layout of Hugging Face's Llama), and the pair turns by
    position * theta ** (-2 i / K) radians.

    Reference: RoFormer, arXiv:2104.09864, section 3.2.2.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, head_width: int, theta: float, num_positions: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.theta = theta
        self._build_tables(num_positions, torch.get_default_device())

    def _build_tables(self, num_positions: int, device: torch.device) -> None:
        # Angles in float64: at position 100,000 a float32 product is already off by a hundredth.
        channels = torch.arange(0, self.head_width, 2, dtype=torch.float64, device="cpu")
        frequencies = self.theta ** (-channels / self.head_width)  # [K/2]
        positions = torch.arange(num_positions, dtype=torch.float64, device="cpu")
        angles = torch.outer(positions, frequencies)  # [positions,K/2]
        self.register_buffer("cos", angles.cos().to(device, torch.float32), persistent=False)
        self.register_buffer("sin", angles.sin().to(device, torch.float32), persistent=False)

    def reserve(self, num_positions: int) -> None:
        """Make room for positions 0 .. num_positions - 1, at least doubling the tables."""
        if num_positions > self.cos.shape[0]:
            self._build_tables(max(num_positions, 2 * self.cos.shape[0]), self.cos.device)

    def tables(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos and sin for absolute positions.

        Args:
            positions: Integers in [0, reserved positions), [T] or [B,T].

        Returns:
            Two float32 tensors [T,K/2] or [B,1,T,K/2]: they broadcast over heads.
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
