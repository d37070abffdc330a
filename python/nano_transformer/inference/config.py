"""How tokens are chosen when a model decodes."""

from dataclasses import dataclass
from typing import Literal

from nano_transformer.errors import ConfigError

Strategy = Literal["greedy", "sample", "top_k", "top_p"]


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """The rule that picks the next token from its distribution."""

    strategy: Strategy = "top_p"
    """The likeliest token (greedy), any by its probability (sample), among the k likeliest (top_k),
    or among the fewest that hold the mass p (top_p)."""
    temperature: float = 0.8
    """Divides the logits: below 1 favours likely tokens; greedy does not use it."""
    top_k: int = 50
    """Candidates of the strategy top_k."""
    top_p: float = 0.9
    """Probability mass of the strategy top_p."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if self.strategy not in ("greedy", "sample", "top_k", "top_p"):
            raise ConfigError(
                f"`strategy` must be greedy, sample, top_k or top_p, found {self.strategy!r}"
            )
        if not 0 < self.temperature < float("inf"):
            raise ConfigError(
                f"`temperature` must be positive, found {self.temperature}; for 0 use the strategy greedy"
            )
        if self.top_k < 1:
            raise ConfigError(f"`top_k` must be at least 1, found {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"`top_p` must lie in (0, 1], found {self.top_p}")
