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
        ignore_merges: bool,
    ) -> None:
        encoder = module.BpeEncoder(
            list(vocab.items()), merges, list(special_tokens.items()), pattern, ignore_merges
        )
        self.encode = encoder.encode
        self.encode_batch = encoder.encode_batch
        self.encode_to_arrays = encoder.encode_to_arrays
        self.encode_file = encoder.encode_file
        self.decode = encoder.decode
        self.decode_batch = encoder.decode_batch
        self.write_token_arrays = encoder.write_token_arrays
