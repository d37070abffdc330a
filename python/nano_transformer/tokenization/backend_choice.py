"""Which implementation does the tokenizer's work: the Rust extension or the Python twin."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType

from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.backend import (
    BackendKind,
    PreTokenCounter,
    TokenizerBackend,
)
from nano_transformer.tokenization.native import NativeBackend
from nano_transformer.tokenization.reference import ReferenceBackend
from nano_transformer.tokenization.reference_training import ReferenceCounter


def create_backend(
    kind: BackendKind,
    vocab: Mapping[int, bytes],
    merges: Sequence[tuple[bytes, bytes]],
    special_tokens: Mapping[bytes, int],
    pattern: str,
    ignore_merges: bool,
) -> TokenizerBackend:
    """Build the backend that `kind` names, over a vocabulary that has been checked.

    Args:
        kind: "auto" takes the extension where it is built.
        vocab: Bytes of every id, special tokens included.
        merges: Pairs of byte strings in the order learnt.
        special_tokens: Id of each special token's bytes.
        pattern: The pre-token pattern, which has been checked.
        ignore_merges: Whether a pre-token that is a token as a whole becomes it without merging.
    """
    module = require_module(kind)
    if module is None:
        return ReferenceBackend(vocab, merges, special_tokens, pattern, ignore_merges)
    return NativeBackend(module, vocab, merges, special_tokens, pattern, ignore_merges)


def create_counter(
    kind: BackendKind, pattern: str, special_tokens: Sequence[bytes]
) -> PreTokenCounter:
    """Build the counter that `kind` names, for a pattern that has been checked."""
    module = require_module(kind)
    if module is None:
        return ReferenceCounter(pattern, special_tokens)
    counter: PreTokenCounter = module.PreTokenCounter(pattern, special_tokens)
    return counter


def require_module(kind: BackendKind) -> ModuleType | None:
    """Return the extension where `kind` asks for it, or None for the Python twin.

    Raises:
        ConfigError: When `kind` is unknown, or "native" while the extension is not built.
    """
    if kind not in ("auto", "native", "python"):
        raise ConfigError(f'`backend` is {kind!r}; it must be "auto", "native" or "python"')
    if kind == "python":
        return None
    module = native_module()
    if module is None and kind == "native":
        raise ConfigError(
            "the Rust extension `nano_transformer._native` is not built; install Rust's cargo and "
            'reinstall, or pass backend="python"'
        )
    if module is None:
        _say_once_that_python_is_slow()
    return module


@cache
def native_module() -> ModuleType | None:
    """Return the Rust extension, or None where it was not built."""
    try:
        return importlib.import_module("nano_transformer._native")
    except ModuleNotFoundError as error:
        # An extension that is there but broken must be heard of, not replaced by something slow.
        if error.name != "nano_transformer._native":
            raise
        return None


@cache
def _say_once_that_python_is_slow() -> None:
    print(
        "nano-transformer: the Rust extension is not built, so the tokenizer runs in pure Python, "
        "which is exact but slow; install Rust's cargo and reinstall to change that",
        file=sys.stderr,
    )
