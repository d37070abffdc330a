"""How the next token is chosen from logits."""

import torch
from torch import Tensor

from nano_transformer.inference.config import SamplingConfig, Strategy


def sample_next_token(
    logits: Tensor,
    *,
    strategy: Strategy = "greedy",
    temperature: float = 1.0,
    top_k: int = 50,
    top_p: float = 0.9,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Choose one token per row.

    Args:
        logits: Scores of the next token, [B,V].
        strategy: As in `SamplingConfig`, like the three arguments below.
        temperature: Divides the logits, > 0.
        top_k: Candidates of the strategy "top_k", at least 1.
        top_p: Probability mass of the strategy "top_p", in (0, 1].
        generator: Source of randomness on the logits' device; None: torch's global one.

    Returns:
        Token ids, int64 [B].

    Raises:
        ConfigError: When a setting is out of range.
    """
    config = SamplingConfig(strategy=strategy, temperature=temperature, top_k=top_k, top_p=top_p)
    if strategy == "greedy":
        return logits.argmax(dim=-1)
    probabilities = next_token_probabilities(logits, config)
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)


def next_token_probabilities(logits: Tensor, config: SamplingConfig) -> Tensor:
    """Return the distribution that a sampling strategy draws from.

    Args:
        logits: Scores of the next token, [B,V].
        config: The strategy and its settings; "greedy" has no distribution and is treated as "sample".

    Returns:
        Probabilities, float32 [B,V].

    Reference: top-p is nucleus sampling, arXiv:1904.09751, section 3.1.
    """
    logits = logits.float() / config.temperature
    if config.strategy == "top_k":
        kth = logits.topk(min(config.top_k, logits.shape[-1]), dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < kth, float("-inf"))
    probabilities = logits.softmax(dim=-1)
    if config.strategy == "top_p":
        ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
        # A token stays while the mass before it has not reached p: the first one always does.
        cut = ordered.cumsum(dim=-1) - ordered >= config.top_p
        ordered = ordered.masked_fill(cut, 0.0)
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
        probabilities = probabilities / probabilities.sum(dim=-1, keepdim=True)
    return probabilities
