"""nanot-bpe: make, look into, convert and use a byte-level BPE tokenizer."""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nano_transformer.cli.bpe.bench import BenchFlags, bench
from nano_transformer.cli.bpe.cache import CacheFlags, cache
from nano_transformer.cli.bpe.count import CountFlags, count
from nano_transformer.cli.bpe.decode import DecodeFlags, decode
from nano_transformer.cli.bpe.encode import EncodeFlags, encode
from nano_transformer.cli.bpe.export import ExportFlags, export
from nano_transformer.cli.bpe.import_ import ImportFlags, import_
from nano_transformer.cli.bpe.inspect import InspectFlags, inspect_tokenizer
from nano_transformer.cli.bpe.train import TrainFlags, train
from nano_transformer.cli.console import run_command
from nano_transformer.cli.flags import flag_group, parse, values
from nano_transformer.config_io import did_you_mean
from nano_transformer.errors import ConfigError


class Command(NamedTuple):
    """A command: its flags, whose docstring describes it, and what it does with them."""

    flags: type
    run: Callable[[Any], None]

    @property
    def description(self) -> str:
        """What the command does; its first line stands in the list of commands."""
        return inspect.getdoc(self.flags) or ""


COMMANDS = {
    "train": Command(TrainFlags, train),
    "count": Command(CountFlags, count),
    "encode": Command(EncodeFlags, encode),
    "decode": Command(DecodeFlags, decode),
    "inspect": Command(InspectFlags, inspect_tokenizer),
    "export": Command(ExportFlags, export),
    "import": Command(ImportFlags, import_),
    "cache": Command(CacheFlags, cache),
    "bench": Command(BenchFlags, bench),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, else the process's own."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    run_command(lambda: _dispatch(arguments))


def _dispatch(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return
    name = arguments[0]
    if name not in COMMANDS:
        raise ConfigError(
            f"`nanot-bpe {name}` is no command{did_you_mean(name, COMMANDS)}; "
            f"there are {', '.join(COMMANDS)}, and `nanot-bpe --help` tells what they do"
        )
    command = COMMANDS[name]
    parsed: Any = parse(
        flag_group(command.flags),
        arguments[1:],
        prog=f"nanot-bpe {name}",
        description=command.description,
    )
    command.run(command.flags(**values(parsed)))


def _help() -> str:
    lines = [
        f"  {name:9}{command.description.splitlines()[0]}" for name, command in COMMANDS.items()
    ]
    return "\n".join(
        [
            "usage: nanot-bpe COMMAND [flags]; nanot-bpe COMMAND --help lists the flags",
            "",
            "Make, look into, convert and use a byte-level BPE tokenizer.",
            "",
            *lines,
            "",
        ]
    )
