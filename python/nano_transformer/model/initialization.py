"""With what numbers a model starts: one rule per kind of weight, so that the first loss is ln V.

| weight | start | source |
|---|---|---|
| token embedding | normal, 0.02 | GPT-2, Radford et al. 2019 |
| projections into a block | normal, 1 / sqrt(fan in) | Efficient BackProp, LeCun et al. 1998 |
| projections back to the stream | zero: blocks are the identity | arXiv:1706.02677, section 5.1 |
| the same, `zero_init_residual` off | normal, 1 / sqrt(fan in * 2 layers) | GPT-2 |
| untied output projection | zero: the first loss is ln V | arXiv:2203.03466, appendix D.2 |
| projection of an MTP head | zero: starts as the next token's | like a block's |
| gains of the norms | 1 | arXiv:1910.07467 |
| gain of the last norm, tied | min(1, 1 / (0.02 d_model)) | below |

With tied embeddings and blocks that are the identity, the model's logit for its own input token is
gain * |e|^2 / rms(e), about gain * 0.02 * d_model. The last gain keeps that at 1 or less, and with it
the first loss within 0.02 of ln V.
"""

import math

from nano_transformer.model.config import ModelConfig

EMBEDDING_STD = 0.02
"""Standard deviation of token embeddings."""


def into_block_std(fan_in: int) -> float:
    """Return the standard deviation of a projection from `fan_in` channels into a block."""
    return 1 / math.sqrt(fan_in)


def into_stream_std(fan_in: int, config: ModelConfig) -> float:
    """Return the standard deviation of a projection from `fan_in` channels back to the stream."""
    if config.zero_init_residual:
        return 0.0
    return into_block_std(fan_in) / math.sqrt(2 * config.num_layers)


def last_gain(config: ModelConfig) -> float:
    """Return the gain that the last norm starts with."""
    return min(1.0, 1.0 / (EMBEDDING_STD * config.d_model)) if config.tie_embeddings else 1.0
