"""How many learned numbers a model has, by what they do, without building it."""

from typing import NamedTuple

from nano_transformer.model.config import ModelConfig


class ParameterCounts(NamedTuple):
    """Learned numbers by group; each is counted once, tied embeddings too."""

    embedding: int
    """Token embedding, unused rows included."""
    attention: int
    """Projections of all attention layers."""
    feed_forward: int
    """Matrices of all feed-forward layers."""
    norms: int
    """Gains of all norms but those of further horizons."""
    head: int
    """Output projection; 0 when it is the embedding."""
    mtp: int
    """Norms and projections of the horizons beyond the next token."""

    @property
    def total(self) -> int:
        """All of them: what an optimizer updates."""
        return sum(self)

    @property
    def active(self) -> int:
        """Those that take part when the next token is predicted: all but `mtp`."""
        return self.total - self.mtp


def count_parameters(config: ModelConfig) -> ParameterCounts:
    """Count the learned numbers of the model that `config` describes."""
    config = config.resolve()
    assert config.d_ff is not None, "resolve() derives d_ff"
    D, L, rows = config.d_model, config.num_layers, config.padded_vocab_size
    query_width, kv_width = attention_widths(config)
    return ParameterCounts(
        embedding=rows * D,
        attention=L * D * (2 * query_width + 2 * kv_width),
        feed_forward=L * 3 * D * config.d_ff,
        norms=L * (2 * D + 2 * head_width(config) * config.use_qk_norm) + D,
        head=0 if config.tie_embeddings else rows * D,
        mtp=config.num_mtp_heads * (D + D * D),
    )


def head_width(config: ModelConfig) -> int:
    """Return the width of one attention head."""
    width = config.resolve().head_width
    assert width is not None, "resolve() derives head_width"
    return width


def attention_widths(config: ModelConfig) -> tuple[int, int]:
    """Return the widths H K of all queries and G K of all keys of a position."""
    num_kv_heads = config.resolve().num_kv_heads
    assert num_kv_heads is not None, "resolve() derives num_kv_heads"
    return config.num_heads * head_width(config), num_kv_heads * head_width(config)
