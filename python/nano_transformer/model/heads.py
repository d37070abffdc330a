"""Multi-token prediction: what turns the trunk's output into that for a token further ahead."""

from torch import Tensor, nn

from nano_transformer.model.config import ModelConfig
from nano_transformer.model.layers import Linear, RMSNorm


class MTPHead(nn.Module):
    """One further horizon: hidden + projection(norm(hidden)), then the model's own output projection.

    Trunk and output projection are shared by all horizons, so that a head costs d_model^2 weights. The
    projection starts at zero: every horizon starts with the logits of the next token.

    Reference: the idea is Gloeckle et al., arXiv:2404.19737, whose heads are whole layers.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = RMSNorm(config.d_model, config.norm_eps)
        self.projection = Linear(config.d_model, config.d_model, std=0.0)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map the trunk's normalised hidden states [...,D] to those of this horizon, [...,D]."""
        return hidden + self.projection(self.norm(hidden))  # type: ignore[no-any-return]
