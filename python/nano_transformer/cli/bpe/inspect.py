"""nanot-bpe inspect: what a tokenizer holds, how it cuts a text, and how well it fits a file."""

import dataclasses
import os
import sys
from pathlib import Path

from nano_transformer.cli.bpe.description import describe
from nano_transformer.cli.bpe.pieces import show_pieces
from nano_transformer.cli.bpe.streams import read_head, write_columns
from nano_transformer.cli.bpe.tokenizer_flags import TokenizerFlags
from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.inspection import measure_fit, split_text
from nano_transformer.tokenization.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class InspectFlags(TokenizerFlags):
    """Show what is in a tokenizer, how a text splits, or how well it fits a file.

    Without --text and --text-path the vocabulary is described.
    """

    text: str | None = None
    """Show how this text splits: in colours in a terminal, else with | between tokens."""
    text_path: Path | None = None
    """Count bytes per token on this file."""
    compare_with: tuple[Path, ...] = ()
    """Other tokenizers to count with on the same file."""
    max_megabytes: float = 10.0
    """How much of the file to take, from its beginning."""

    def __post_init__(self) -> None:
        """Refuse a comparison on nothing."""
        super().__post_init__()
        if self.compare_with and self.text_path is None:
            raise ConfigError("`compare_with` needs --text-path: on which text?")
        if self.max_megabytes <= 0:
            raise ConfigError(f"`max_megabytes` must be positive, found {self.max_megabytes}")


def inspect_tokenizer(flags: InspectFlags) -> None:
    """Run the command."""
    tokenizer = flags.open_tokenizer()
    if flags.text is not None:
        in_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        show_pieces(split_text(tokenizer, flags.text), in_colours=in_colours)
    if flags.text_path is not None:
        names = [str(path) for path in (flags.tokenizer or flags.vocab_path, *flags.compare_with)]
        others = [Tokenizer.load(path) for path in flags.compare_with]
        text = read_head(flags.text_path, flags.max_megabytes)
        _compare(dict(zip(names, [tokenizer, *others], strict=False)), text)
    if flags.text is None and flags.text_path is None:
        describe(tokenizer)


def _compare(tokenizers: dict[str, Tokenizer], text: bytes) -> None:
    rows = [["tokenizer", "entries", "used", "tokens", "bytes per token", "MB/s"]]
    for name, tokenizer in tokenizers.items():
        fit = measure_fit(tokenizer, text)
        speed = fit.num_bytes / 1e6 / fit.seconds
        row = [f"{len(tokenizer):,}", f"{fit.num_used:,}", f"{fit.num_tokens:,}"]
        rows.append([name, *row, f"{fit.bytes_per_token:.3f}", f"{speed:.1f}"])
    write_columns(rows, sys.stdout.write)
