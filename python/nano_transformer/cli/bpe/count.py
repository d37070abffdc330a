"""nanot-bpe count: what training needs of a text, as a small file that can be added to others."""

import dataclasses
import sys
from pathlib import Path
from typing import Literal

from nano_transformer.cli.bpe.streams import refuse_existing
from nano_transformer.cli.console import Progress, logger
from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.counts_file import save_counts
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN
from nano_transformer.tokenization.training import count_pre_tokens
from nano_transformer.tokenization.vocabulary import END_OF_TEXT


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountFlags:
    """Count the pre-tokens of text, for `nanot-bpe train --counts`.

    Text too large for one machine is counted in parts; training adds the counts up and learns what
    it would from all of the text.
    """

    input_path: tuple[Path, ...] = ()
    """Text to count: files, folders or patterns such as 'shards/*.jsonl.zst'; .gz and .zst are
    unpacked, of .jsonl one field is taken."""
    output_path: Path | None = None
    """The file of counts to write."""
    special_tokens: tuple[str, ...] = (END_OF_TEXT,)
    """Strings that will be one token each; text is cut at them before counting."""
    pattern: str = DEFAULT_PATTERN
    """What cuts text into pre-tokens: gpt2, gpt4, gpt4o, or a regular expression."""
    text_field: str = "text"
    """Where the text is in a line of JSONL."""
    encoding_errors: Literal["strict", "replace"] = "strict"
    """What to do with bytes that are no UTF-8: refuse the file, or replace them by U+FFFD."""
    num_threads: int = 0
    """Threads that count; 0: one per core."""
    overwrite: bool = False
    """Replace the file if it is there."""

    def __post_init__(self) -> None:
        """Refuse to guess."""
        if not self.input_path or self.output_path is None:
            raise ConfigError("counting needs --input-path and --output-path x.counts")


def count(flags: CountFlags) -> None:
    """Run the command."""
    assert flags.output_path is not None, "the flags were checked"
    refuse_existing([flags.output_path], flags.overwrite)
    counts = count_pre_tokens(
        flags.input_path,
        flags.special_tokens,
        pattern=flags.pattern,
        text_field=flags.text_field,
        encoding_errors=flags.encoding_errors,
        num_threads=flags.num_threads,
        progress=Progress(),
    )
    save_counts(flags.output_path, counts)
    logger.info("counts: `%s`", flags.output_path)
    num_bytes = sum(len(piece) * number for piece, number in counts.pieces)
    sys.stdout.write(
        f"pre-tokens  {sum(number for _, number in counts.pieces):,}\n"
        f"different   {len(counts.pieces):,}\n"
        f"bytes       {num_bytes:,}\n"
    )
