"""nanot-bpe bench: how fast each task is on one's own text and machine."""

import dataclasses
import os
import platform
import sys
from pathlib import Path

from nano_transformer.cli.bpe.streams import read_head, size_text, write_columns
from nano_transformer.cli.console import Progress, logger
from nano_transformer.data.tokenizer_speed import measure_speed
from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.backend_choice import native_module


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchFlags:
    """Time training, encoding, decoding and caching on your own text.

    tiktoken and tokenizers are timed beside ours where they are installed and give the same ids.
    """

    input_path: Path | None = None
    """UTF-8 text; documents in it are separated by <|endoftext|>."""
    vocab_size: int = 4_096
    """Entries to learn; all encode with these."""
    rounds: int = 3
    """How often each job runs; the table shows the median."""
    max_megabytes: float = 10.0
    """How much of the file to take, from its beginning."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if self.input_path is None:
            raise ConfigError("a bench needs --input-path: on which text?")
        for name in ("rounds", "max_megabytes"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"`{name}` must be positive, found {getattr(self, name)}")


def bench(flags: BenchFlags) -> None:
    """Run the command."""
    assert flags.input_path is not None, "the flags were checked"
    data = read_head(flags.input_path, flags.max_megabytes)
    timings = measure_speed(
        data.decode("utf-8", "replace"),
        vocab_size=flags.vocab_size,
        rounds=flags.rounds,
        report=logger.info,
        progress=Progress(),
    )
    backend = "pure Python" if native_module() is None else "native"
    sys.stdout.write(
        f"{size_text(timings[0].num_bytes)}, {flags.rounds} rounds, {backend}, "
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n"
    )
    rows = [[f"{'task':17}library", "MB/s", "median s", "fastest s"]]
    for timing in timings:
        figures = [f"{timing.megabytes_per_second:.1f}", f"{timing.median_seconds:.4f}"]
        name = f"{timing.task:17}{timing.name}"
        rows.append([name, *figures, f"{min(timing.seconds):.4f}"])
    write_columns(rows, sys.stdout.write)
