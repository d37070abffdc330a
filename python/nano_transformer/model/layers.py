"""The small layers a transformer block is made of: RMSNorm and SwiGLU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """Divide by the root mean square over the last dimension, then multiply by a learned gain.

    The mean square is taken in float32 whatever the input's precision, and the gain is applied in
    the input's precision, as in Hugging Face's Llama.

    Reference: arXiv:1910.07467, eq. 4.
    """

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x [...,width]."""
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)

    def extra_repr(self) -> str:
        """Show width and eps when the module is printed."""
        return f"{self.weight.shape[0]}, eps={self.eps}"


class SwiGLU(nn.Module):
    """Gated feed-forward layer: down(silu(gate(x)) * up(x)), gate and up in one matrix.

    Reference: GLU Variants Improve Transformer, arXiv:2002.05202, eq. 6.
    """

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(d_model, 2 * d_ff, bias=False)
        self.down = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B,T,D] to [B,T,D]."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)  # [B,T,F] each
        return self.down(F.silu(gate) * up)  # type: ignore[no-any-return]
