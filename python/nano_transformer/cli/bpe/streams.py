"""What the commands read and write: files or the standard streams, tables, and no file by accident."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nano_transformer.cli.console import logger
from nano_transformer.errors import DataError


@contextmanager
def open_input(path: Path | None) -> Iterator[BinaryIO]:
    """Open a file, or take stdin when there is no path."""
    if path is not None:
        with path.open("rb") as file:
            yield file
        return
    if sys.stdin.isatty():
        logger.info("reading from the terminal; ^D at the start of a line ends the text")
    yield sys.stdin.buffer


def read_head(path: Path, megabytes: float) -> bytes:
    """Return the beginning of a text file, cut between two lines where it is longer."""
    wanted = int(megabytes * 1e6)
    with path.open("rb") as file:
        head = file.read(wanted + 1)
    if not head:
        raise DataError(f"text file `{path}` is empty; a text is needed")
    if len(head) <= wanted:
        return head
    head = head[:wanted]
    # A text of one long line is cut between two characters: continuation bytes are 10xxxxxx.
    end = head.rfind(b"\n") + 1 or max(
        index for index, byte in enumerate(head[-4:], len(head[:-4])) if byte & 0xC0 != 0x80
    )
    logger.info("taking the first %s of `%s`", size_text(end), path)
    return head[:end]


def size_text(num_bytes: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 100_000 else f"{num_bytes:,} bytes"


def refuse_existing(paths: Iterable[Path], overwrite: bool) -> None:
    """Refuse to replace a file that nobody asked to replace.

    Raises:
        DataError: When one is there; names it.
    """
    for path in paths:
        if path.exists() and not overwrite:
            raise DataError(
                f"`{path}` is there already; replace it with --overwrite, or name another"
            )


def write_columns(rows: Sequence[Sequence[str]], write: Callable[[str], object]) -> None:
    """Write rows as columns: the first one flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{row[0]:<{widths[0]}}"]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        write("  ".join(cells).rstrip() + "\n")
