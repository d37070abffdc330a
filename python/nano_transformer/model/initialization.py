"""With what numbers a model starts: one rule per kind of weight, so that the first loss is ln V."""

import math

from torch import nn

from nano_transformer.model.config import ModelConfig

EMBEDDING_STD = 0.02
"""Standard deviation of token embeddings, as in GPT-2."""


def initialize(model: nn.Module, config: ModelConfig) -> None:
    """Set every weight of a `TransformerLM` in place, drawing from torch's global generator.

    | weight | start | reason |
    |---|---|---|
    | token embedding | normal, 0.02 | GPT-2 |
    | projections into a block | normal, 1/sqrt(fan in) | keeps the variance of the stream |
    | projections back to the stream | zero, or normal, 1/sqrt(fan in * 2 layers) | identity, or GPT-2 |
    | untied output projection | zero | logits are 0, the first loss is exactly ln V |
    | norm gains | 1 | |
    | last norm's gain, tied | min(1, 1 / (std * D)) | below |

    With tied embeddings and blocks that are the identity, the model's logit for its own input token is
    gain * |e|^2 / rms(e), about gain * std * D. The last gain keeps that at 1 or less, and with it the
    first loss within 0.02 of ln V.
    """
    into_stream = ("attention.out", "feed_forward.down")
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=EMBEDDING_STD)
        elif isinstance(module, nn.Linear):
            std = module.in_features**-0.5
            if name == "head" or (name.endswith(into_stream) and config.zero_init_residual):
                nn.init.zeros_(module.weight)
            elif name.endswith(into_stream):
                nn.init.normal_(module.weight, std=std / math.sqrt(2 * config.num_layers))
            else:
                nn.init.normal_(module.weight, std=std)
    if config.tie_embeddings:
        gain = min(1.0, 1.0 / (EMBEDDING_STD * config.d_model))
        nn.init.constant_(model.get_parameter("final_norm.weight"), gain)
