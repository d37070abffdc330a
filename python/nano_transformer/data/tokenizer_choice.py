"""Which tokenizer a text is read with: the one that lies there, or one trained from the text first."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from nano_transformer.errors import ConfigError, DataError
from nano_transformer.tokenization import Tokenizer, train_bpe
from nano_transformer.tokenization.backend import Progress
from nano_transformer.tokenization.streaming import EncodingErrors

OWN_TEXT_VOCAB_SIZE = 4_096
"""Entries of a tokenizer for one's own text, when nothing else is asked for."""

Report = Callable[[str], None]
"""Receives one sentence about each thing that is built."""


def derived_name(text_path: Path) -> str:
    """Name the derived files of one's own text; two texts of one name in two folders stay apart."""
    folder = hashlib.sha256(str(text_path.resolve()).encode()).hexdigest()[:8]
    return f"{text_path.stem}-{folder}"


def tokenizer_paths(name: str, data_dir: Path) -> tuple[Path, Path]:
    """Return where the vocabulary and merges of a dataset's or text's tokenizer are kept."""
    prefix = f"train-bpe-{name}"
    return data_dir / f"{prefix}-vocab.json", data_dir / f"{prefix}-merges.txt"


def open_or_train_tokenizer(
    text_path: Path,
    vocab_path: Path,
    merges_path: Path,
    *,
    vocab_size: int | None,
    special_tokens: Sequence[str],
    encoding_errors: EncodingErrors,
    report: Report | None,
    progress: Progress | None,
) -> Tokenizer:
    """Load a tokenizer, or train it from `text_path` when neither of its files exists.

    Raises:
        DataError: When only one of the files exists, or the text cannot be read.
        ConfigError: When an existing tokenizer has another size than `vocab_size`.
        TokenizerError: When the files are malformed.
    """
    existing = [path for path in (vocab_path, merges_path) if path.exists()]
    if not existing:
        if report:
            report(f"no tokenizer at `{vocab_path}` yet: training one from `{text_path}`")
        return train_tokenizer(
            text_path,
            vocab_path,
            merges_path,
            vocab_size=vocab_size or OWN_TEXT_VOCAB_SIZE,
            special_tokens=special_tokens,
            encoding_errors=encoding_errors,
            report=report,
            progress=progress,
        )
    if len(existing) == 1:
        raise DataError(
            f"the tokenizer needs both `{vocab_path}` and `{merges_path}`, found only "
            f"`{existing[0]}`; bring the other file, or remove this one to train a new tokenizer"
        )
    tokenizer = Tokenizer.from_files(vocab_path, merges_path, special_tokens=special_tokens)
    if vocab_size is not None and len(tokenizer) != vocab_size:
        raise ConfigError(
            f"the tokenizer `{vocab_path}` has {len(tokenizer)} entries, but --vocab-size asks for "
            f"{vocab_size}; leave the flag out, or name new files by --vocab-path and --merges-path"
        )
    return tokenizer


def train_tokenizer(
    text_path: Path,
    vocab_path: Path,
    merges_path: Path,
    *,
    vocab_size: int,
    special_tokens: Sequence[str],
    encoding_errors: EncodingErrors = "strict",
    num_threads: int = 0,
    report: Report | None = None,
    progress: Progress | None = None,
) -> Tokenizer:
    """Train a tokenizer from a text and save its two files; errors as in `train_bpe`."""
    began = time.perf_counter()
    vocab, merges = train_bpe(
        text_path,
        vocab_size,
        special_tokens,
        encoding_errors=encoding_errors,
        num_threads=num_threads,
        progress=progress,
    )
    tokenizer = Tokenizer(vocab, merges, special_tokens)
    tokenizer.save_gpt2(vocab_path, merges_path)
    if report:
        report(
            f"tokenizer of {len(tokenizer):,} entries from {text_path.stat().st_size / 1e6:.1f} MB "
            f"in {time.perf_counter() - began:.1f} s ({tokenizer.backend_name}): "
            f"`{vocab_path}`, `{merges_path}`"
        )
        if len(tokenizer) < vocab_size:
            report(f"the text yields no more than these, of the {vocab_size:,} asked for")
    return tokenizer
