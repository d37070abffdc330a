"""What a model remembers of the tokens it has read: one key/value cache per layer."""

import torch
from torch import Tensor

from nano_transformer.errors import ConfigError
from nano_transformer.model.transformer import TransformerLM


class KVCache:
    """Keys and values of one layer, the absolute position in each slot, and a length per row.

    The tensors are allocated once and written in place. `reserve` assigns the next positions to slots;
    the layer then writes its keys and values there.
    """

    def __init__(
        self,
        batch_size: int,
        num_kv_heads: int,
        num_slots: int,
        head_width: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        shape = (batch_size, num_kv_heads, num_slots, head_width)
        self.keys = torch.zeros(shape, dtype=dtype, device=device)  # [B,G,S,K]
        self.values = torch.zeros(shape, dtype=dtype, device=device)  # [B,G,S,K]
        self.slot_positions = torch.full((batch_size, num_slots), -1, device=device)  # [B,S]
        self.slot_documents: Tensor | None = None  # [B,S], once documents are given
        self.lengths = torch.zeros(batch_size, dtype=torch.long, device=device)  # [B]
        self._reserved = slice(0, 0)

    @property
    def num_slots(self) -> int:
        """How many positions the cache can hold."""
        return self.slot_positions.shape[1]

    def reserve(self, num_tokens: int, document_ids: Tensor | None = None) -> Tensor:
        """Assign the next `num_tokens` positions of every row to slots and advance the lengths.

        Args:
            num_tokens: Tokens to make room for in each row.
            document_ids: Their documents, [B,T], or None: in all calls or in none.

        Returns:
            Their absolute positions, [B,T].

        Raises:
            ConfigError: When the slots do not suffice, or documents are given in some calls only; the
                cache is left as it was.
        """
        first = self._reserved.stop
        if first + num_tokens > self.num_slots:
            raise ConfigError(
                f"the key/value cache holds {self.num_slots} positions, {first} are taken and "
                f"{num_tokens} more were given; allocate it with total_seq_len={first + num_tokens}"
            )
        self._check_documents(num_tokens, document_ids)
        self._reserved = slice(first, first + num_tokens)
        positions = self.lengths[:, None] + torch.arange(num_tokens, device=self.lengths.device)
        self.slot_positions[:, self._reserved] = positions
        if document_ids is not None:
            if self.slot_documents is None:
                self.slot_documents = torch.zeros_like(self.slot_positions)
            self.slot_documents[:, self._reserved] = document_ids
        self.lengths += num_tokens
        return positions

    def _check_documents(self, num_tokens: int, document_ids: Tensor | None) -> None:
        if self._reserved.stop > 0 and (document_ids is None) != (self.slot_documents is None):
            raise ConfigError(
                "document ids must be given in every call on a key/value cache or in none; found "
                f"a call {'without' if document_ids is None else 'with'} them after one that differs"
            )
        expected = (self.slot_positions.shape[0], num_tokens)
        if document_ids is not None and document_ids.shape != expected:
            raise ConfigError(
                f"expected document ids of shape {expected}, one per token; "
                f"found {tuple(document_ids.shape)}"
            )

    def filled_positions(self) -> Tensor:
        """Return the absolute positions of the filled slots, [B,S]."""
        return self.slot_positions[:, : self._reserved.stop]

    def filled_documents(self) -> Tensor | None:
        """Return the documents of the filled slots, [B,S]; None when attention is not masked by them."""
        return (
            None if self.slot_documents is None else self.slot_documents[:, : self._reserved.stop]
        )

    def write(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values [B,G,T,K] in the slots reserved last; return all filled ones [B,G,S,K].

        Raises:
            ConfigError: When the shape is not the reserved one.
        """
        batch_size, num_kv_heads, _, head_width = self.keys.shape
        num_reserved = self._reserved.stop - self._reserved.start
        expected = (batch_size, num_kv_heads, num_reserved, head_width)
        if keys.shape != expected or values.shape != expected:
            raise ConfigError(
                f"the key/value cache expects keys and values of shape {expected}, "
                f"found {tuple(keys.shape)} and {tuple(values.shape)}"
            )
        self.keys[:, :, self._reserved] = keys
        self.values[:, :, self._reserved] = values
        filled = slice(0, self._reserved.stop)
        return self.keys[:, :, filled], self.values[:, :, filled]

    def reset(self) -> None:
        """Forget everything; the memory stays."""
        self.slot_positions.fill_(-1)
        self.slot_documents = None
        self.lengths.zero_()
        self._reserved = slice(0, 0)


def allocate_kv_caches(
    model: TransformerLM, batch_size: int, total_seq_len: int, *, dtype: torch.dtype | None = None
) -> list[KVCache]:
    """Return one empty cache per layer of `model`, on its device.

    Args:
        model: The model that will decode.
        batch_size: Rows decoded together.
        total_seq_len: Positions to make room for, prompt and new tokens.
        dtype: Precision of keys and values; None: that of the model's weights.
    """
    config = model.config
    assert config.num_kv_heads is not None, "a model's configuration is resolved"
    assert config.head_width is not None, "a model's configuration is resolved"
    weight = model.embedding.weight
    return [
        KVCache(
            batch_size,
            config.num_kv_heads,
            total_seq_len,
            config.head_width,
            dtype=dtype or weight.dtype,
            device=weight.device,
        )
        for _ in range(config.num_layers)
    ]
