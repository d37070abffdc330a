"""The tokenizer backend whose work is done by the Rust extension."""

from collections.abc import Mapping, Sequence
from types import ModuleType


class NativeBackend:
    """Hand every call to `nano_transformer._native.BpeEncoder`."""

    name = "native"

    def __init__(
        self,
        module: ModuleType,
        vocab: Mapping[int, bytes],
        merges: Sequence[tuple[bytes, bytes]],
        special_tokens: Mapping[bytes, int],
        pattern: str,
    ) -> None:
        encoder = module.BpeEncoder(
            list(vocab.items()), merges, list(special_tokens.items()), pattern
        )
        self.encode = encoder.encode
        self.decode = encoder.decode
        self.write_token_arrays = encoder.write_token_arrays
