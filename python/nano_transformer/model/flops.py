"""How many floating-point operations a row of tokens takes, without building the model.

A product of an [m,k] and a [k,n] matrix counts 2 m k n; everything else (norms, softmax, rotary
embedding, activation functions) is left out, as is usual: it is some per cent of the operations.
"""

from typing import NamedTuple

from nano_transformer.model.config import ModelConfig
from nano_transformer.model.counts import attention_widths, count_parameters


class RowFlops(NamedTuple):
    """Operations of one forward pass over one row of tokens."""

    seq_len: int
    """Tokens of the row."""
    layers: int
    """Products with the matrices of all blocks."""
    attention: int
    """Products of queries with keys, and of the weights with values."""
    head: int
    """The output projection of every position."""
    mtp: int
    """Projections and logits of the horizons beyond the next token, which only training computes."""

    @property
    def forward(self) -> int:
        """What it takes to predict the next token at every position."""
        return self.layers + self.attention + self.head

    @property
    def training(self) -> int:
        """Forward and backward with all horizons: a product's two gradients are two more products."""
        return 3 * (self.forward + self.mtp)

    @property
    def training_per_token(self) -> float:
        """Mean over the row; tokens a second times this over the peak of the device is the MFU."""
        return self.training / self.seq_len


def row_flops(
    config: ModelConfig, seq_len: int | None = None, *, count_masked: bool = False
) -> RowFlops:
    """Count the operations of one row.

    Args:
        config: The model.
        seq_len: Tokens of the row; None: the model's context length.
        count_masked: Count all seq_len pairs of every query, in every layer, whatever the mask hides:
            what matmul and softmax compute, and PaLM's 6 N + 12 L H Q T per trained token counts.
            False: the pairs of query and key that the mask of one unbroken document lets through.

    Reference: PaLM, arXiv:2204.02311, appendix B.
    """
    seq_len = config.context_length if seq_len is None else seq_len
    counts = count_parameters(config)
    query_width, _ = attention_widths(config)
    windows = config.attention_windows(config.attention_window_size)
    pairs = sum(
        seq_len * seq_len
        if count_masked
        else visible_pairs(seq_len, window, config.attention_global_tokens)
        for window in windows
    )
    head = 2 * seq_len * config.padded_vocab_size * config.d_model
    projection = 2 * seq_len * config.d_model * config.d_model
    return RowFlops(
        seq_len=seq_len,
        layers=2 * seq_len * (counts.attention + counts.feed_forward),
        attention=4 * query_width * pairs,
        head=head,
        mtp=config.num_mtp_heads * (projection + head),
    )


def visible_pairs(seq_len: int, window: int | None, global_tokens: int = 0) -> int:
    """Count the pairs of query and visible key in a row that is one document.

    Query q sees q + 1 keys, or at most window + global_tokens of them.
    """
    widest = seq_len if window is None else min(seq_len, window + global_tokens)
    return widest * (widest + 1) // 2 + (seq_len - widest) * widest
