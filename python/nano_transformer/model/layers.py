"""The small layers a model is made of: Embedding, Linear, RMSNorm and SwiGLU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nano_transformer.model.config import derived_d_ff
from nano_transformer.model.initialization import EMBEDDING_STD, into_block_std


class Embedding(nn.Embedding):
    """One learned vector per token id, started from a normal distribution.

    `reset_parameters` draws it anew, for instance after a model made on the `meta` device was given
    memory by `to_empty`; the same holds for all layers here.
    """

    def __init__(self, num_tokens: int, width: int, *, std: float = EMBEDDING_STD) -> None:
        self.std = std  # torch's constructor draws the weights
        super().__init__(num_tokens, width)

    def reset_parameters(self) -> None:
        """Draw the vectors from torch's global generator."""
        nn.init.normal_(self.weight, std=self.std)


class Linear(nn.Linear):
    """Multiply by a matrix, without a bias, that starts from a normal distribution or at zero.

    Args:
        in_features: Width of the input.
        out_features: Width of the output.
        std: Standard deviation at the start, 0 for zeros; None: 1 / sqrt(in_features).
    """

    def __init__(self, in_features: int, out_features: int, *, std: float | None = None) -> None:
        self.std = into_block_std(in_features) if std is None else std
        super().__init__(in_features, out_features, bias=False)

    def reset_parameters(self) -> None:
        """Draw the matrix from torch's global generator; zeros draw nothing."""
        if self.std == 0:
            nn.init.zeros_(self.weight)
        else:
            nn.init.normal_(self.weight, std=self.std)


class RMSNorm(nn.Module):
    """Divide by the root mean square over the last dimension, then multiply by a learned gain.

    The mean square is taken in float32 whatever the input's precision, and the gain is applied in
    the input's precision, as in Hugging Face's Llama.

    Args:
        width: Channels.
        eps: Added to the mean square.
        gain: What the learned gain starts with.

    Reference: arXiv:1910.07467, eq. 4.
    """

    def __init__(self, width: int, eps: float = 1e-6, *, gain: float = 1.0) -> None:
        super().__init__()
        self.eps = eps
        self.gain = gain
        self.weight = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the gain to its start."""
        nn.init.constant_(self.weight, self.gain)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x [...,width]."""
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)

    def extra_repr(self) -> str:
        """Show width and eps when the module is printed."""
        return f"{self.weight.shape[0]}, eps={self.eps}"


class SwiGLU(nn.Module):
    """Gated feed-forward layer: down(silu(gate(x)) * up(x)), gate and up in one matrix.

    Args:
        d_model: Width of input and output.
        d_ff: Inner width; None: 8/3 of d_model, to the nearest 64.
        down_std: Standard deviation at the start of the projection back; None: 1 / sqrt(d_ff).

    Reference: GLU Variants Improve Transformer, arXiv:2002.05202, eq. 6.
    """

    def __init__(
        self, d_model: int, d_ff: int | None = None, *, down_std: float | None = None
    ) -> None:
        super().__init__()
        d_ff = derived_d_ff(d_model) if d_ff is None else d_ff
        self.gate_up = Linear(d_model, 2 * d_ff)
        self.down = Linear(d_ff, d_model, std=down_std)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B,T,D] to [B,T,D]."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)  # [B,T,F] each
        return self.down(F.silu(gate) * up)  # type: ignore[no-any-return]


def softcap(scores: Tensor, cap: float) -> Tensor:
    """Bound scores smoothly to (-cap, cap): cap * tanh(scores / cap), in float32 or better inside.

    Reference: Gemma 2, arXiv:2408.00118, section 2.
    """
    precise = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return (cap * torch.tanh(precise / cap)).to(scores.dtype)
