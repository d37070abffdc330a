"""nanot-bpe: train a byte-level BPE tokenizer."""

import dataclasses
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from nano_transformer.cli.console import Progress, logger, run_command
from nano_transformer.cli.flags import flag_group, parse, values
from nano_transformer.config_io import did_you_mean
from nano_transformer.data.sources import NAMED_DATASETS, named_text_paths
from nano_transformer.data.tokenizer_choice import (
    OWN_TEXT_VOCAB_SIZE,
    derived_name,
    tokenizer_paths,
    train_tokenizer,
)
from nano_transformer.errors import ConfigError, DataError
from nano_transformer.tokenization.tokenizer import END_OF_TEXT


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainFlags:
    """Learn a vocabulary and merges from text.

    Without --input-path the tokenizers of the named datasets whose files are there are trained,
    else the demo's.
    """

    input_path: Path | None = None
    """UTF-8 text to learn from."""
    vocab_size: int | None = None
    """Entries: 256 bytes, the merges, the special tokens
    (own text 4,096; demo 1,024; tinystories 10,000; owt 32,000)."""
    special_tokens: tuple[str, ...] = (END_OF_TEXT,)
    """Strings that are one token each; text is cut at them before counting."""
    vocab_path: Path | None = None
    """Where vocab.json goes; default: a name in the data folder derived from the text's."""
    merges_path: Path | None = None
    """Where merges.txt goes; belongs to --vocab-path."""
    encoding_errors: Literal["strict", "replace"] = "strict"
    """What to do with bytes that are no UTF-8: refuse the file, or replace them by U+FFFD."""
    num_threads: int = 0
    """Threads that count; 0: one per core."""
    data_dir: Path = Path("data")
    """Folder of the named datasets and of derived names."""
    overwrite: bool = False
    """Replace files that are there."""

    def __post_init__(self) -> None:
        """Refuse combinations that leave something unclear."""
        if (self.vocab_path is None) != (self.merges_path is None):
            raise ConfigError(
                "`vocab_path` and `merges_path` belong together; give both or neither"
            )
        if self.vocab_path is not None and self.input_path is None:
            raise ConfigError("`vocab_path` needs `input_path`: which text is to be learnt from?")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, else the process's own."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    run_command(lambda: _dispatch(arguments))


def _dispatch(arguments: list[str]) -> None:
    commands = {"train": _train}
    usage = "nanot-bpe train [flags]; nanot-bpe train --help lists them"
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(f"usage: {usage}\n\n{inspect.getdoc(TrainFlags)}\n")
    elif arguments[0] in commands:
        commands[arguments[0]](arguments[1:])
    else:
        hint = did_you_mean(arguments[0], commands)
        raise ConfigError(f"`nanot-bpe {arguments[0]}` is no command{hint}; usage: {usage}")


def _train(arguments: list[str]) -> None:
    parsed: Any = parse(
        flag_group(TrainFlags),
        arguments,
        prog="nanot-bpe train",
        description=inspect.getdoc(TrainFlags) or "",
    )
    flags = TrainFlags(**values(parsed))
    if flags.input_path is None:
        _train_named(flags)
        return
    vocab_path, merges_path = tokenizer_paths(derived_name(flags.input_path), flags.data_dir)
    vocab_path, merges_path = flags.vocab_path or vocab_path, flags.merges_path or merges_path
    for path in (vocab_path, merges_path):
        if path.exists() and not flags.overwrite:
            raise DataError(
                f"`{path}` is there already; replace it with --overwrite, or name another"
            )
    _train_one(flags, flags.input_path, OWN_TEXT_VOCAB_SIZE, vocab_path, merges_path)


def _train_named(flags: TrainFlags) -> None:
    present = [
        NAMED_DATASETS[name]
        for name in ("tinystories", "owt")
        if (flags.data_dir / NAMED_DATASETS[name].train_file).exists()
    ]
    for dataset in present or [NAMED_DATASETS["demo"]]:
        vocab_path, merges_path = tokenizer_paths(dataset.name, flags.data_dir)
        if vocab_path.exists() and merges_path.exists() and not flags.overwrite:
            logger.info("`%s` is there already; --overwrite trains it anew", vocab_path)
            continue
        text_path = flags.data_dir / dataset.train_file
        if not text_path.exists():
            text_path, _ = named_text_paths(dataset, flags.data_dir)
        _train_one(flags, text_path, dataset.vocab_size, vocab_path, merges_path)


def _train_one(
    flags: TrainFlags, text_path: Path, default_size: int, vocab_path: Path, merges_path: Path
) -> None:
    train_tokenizer(
        text_path,
        vocab_path,
        merges_path,
        vocab_size=flags.vocab_size or default_size,
        special_tokens=flags.special_tokens,
        encoding_errors=flags.encoding_errors,
        num_threads=flags.num_threads,
        report=logger.info,
        progress=Progress(),
    )
