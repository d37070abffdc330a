"""In which order rows of tokens reach the model: a pure function of (seed, position)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nano_transformer.data.random_words import permuted, random_word
from nano_transformer.data.token_cache import TokenDataset
from nano_transformer.errors import DataError

IGNORED = -100
"""Target that is not counted: torch's default `ignore_index`."""


class Batch(NamedTuple):
    """Rows of consecutive tokens and, for each, the token that follows it."""

    inputs: Tensor
    """Token ids, int64 [B,T]."""
    targets: Tensor
    """The next token's id or `IGNORED`, int64 [B,T]."""
    document_ids: Tensor
    """Document of each input token, int64 [B,T]; compared for equality only."""


@dataclass(frozen=True)
class DataPosition:
    """How far the training data has been read: `cursor` rows into epoch `epoch`."""

    epoch: int = 0
    cursor: int = 0


def check_length(dataset: TokenDataset, context_length: int, split: str) -> None:
    """Refuse a dataset that does not fill one row.

    Raises:
        DataError: When it has fewer than context_length + 1 tokens.
    """
    if len(dataset) < context_length + 1:
        raise DataError(
            f"the {split} text has {len(dataset)} tokens, but one row needs "
            f"context_length + 1 = {context_length + 1}; give more text or a smaller --context-length"
        )


class EpochOrder:
    """Every row of a dataset once per epoch, in an order drawn from the seed.

    An epoch cuts the token stream into rows of `context_length` inputs from an offset of its own, so
    that the cuts fall elsewhere each time, and visits them in a seeded permutation.
    """

    def __init__(self, dataset: TokenDataset, context_length: int, seed: int) -> None:
        check_length(dataset, context_length, "training")
        self.dataset = dataset
        self.context_length = context_length
        self.seed = seed

    def row_starts(
        self, position: DataPosition, count: int
    ) -> tuple[NDArray[np.int64], DataPosition]:
        """Return where the next `count` rows begin in the token stream, and the position after them."""
        epoch, cursor = position.epoch, position.cursor
        pieces: list[NDArray[np.int64]] = []
        while count > 0:
            offset, num_rows = self._epoch_shape(epoch)
            taken = min(count, num_rows - cursor)
            rows = permuted(np.arange(cursor, cursor + taken), num_rows, self._key(epoch))
            pieces.append(offset + rows * self.context_length)
            cursor += taken
            count -= taken
            if cursor == num_rows:
                epoch, cursor = epoch + 1, 0
        return np.concatenate(pieces), DataPosition(epoch, cursor)

    def _epoch_shape(self, epoch: int) -> tuple[int, int]:
        num_targets = len(self.dataset) - 1
        # The offset leaves room for at least one row however short the text is.
        num_offsets = min(self.context_length, num_targets - self.context_length + 1)
        offset = random_word(self._key(epoch), 0) % num_offsets
        return offset, (num_targets - offset) // self.context_length

    def _key(self, epoch: int) -> int:
        return random_word(self.seed, epoch)


def gather(dataset: TokenDataset, starts: NDArray[np.int64], context_length: int) -> Batch:
    """Read rows of `context_length` inputs and their targets from the token stream.

    A target is ignored when it belongs to another document than its input, except the end-of-text
    token that closes the input's own document: the model must learn to stop.
    """
    places = starts[:, None] + np.arange(context_length + 1)  # [B,T+1]
    tokens = dataset.tokens[places].astype(np.int64)
    documents = dataset.document_ids_at(places)  # [B,T+1]
    inputs, targets = tokens[:, :-1], tokens[:, 1:].copy()
    crosses = documents[:, 1:] != documents[:, :-1]
    if dataset.end_of_text_id is not None:
        crosses &= targets != dataset.end_of_text_id
    targets[crosses] = IGNORED
    return Batch(
        torch.from_numpy(np.ascontiguousarray(inputs)),
        torch.from_numpy(targets),
        torch.from_numpy(np.ascontiguousarray(documents[:, :-1])),
    )


def evaluation_batches(
    dataset: TokenDataset, context_length: int, batch_size: int, max_batches: int | None
) -> Iterator[Batch]:
    """Yield the same batches at every call: rows without overlap, spread evenly over the dataset.

    With `max_batches=None` every target of the dataset comes once, a short last row included; a
    dataset shorter than one row is that short row in any case.
    """
    num_targets = len(dataset) - 1
    num_rows = num_targets // context_length
    rows = np.arange(num_rows)
    if max_batches is not None and num_rows > max_batches * batch_size:
        rows = np.linspace(0, num_rows - 1, max_batches * batch_size).astype(np.int64)
    for first in range(0, len(rows), batch_size):
        yield gather(dataset, rows[first : first + batch_size] * context_length, context_length)
    rest = num_targets % context_length
    if rest and (max_batches is None or num_rows == 0):
        yield gather(dataset, np.array([num_rows * context_length]), rest)
