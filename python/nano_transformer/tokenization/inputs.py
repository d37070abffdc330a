"""Which texts a training input means: files, folders, globs, compressed files and JSON lines."""

import glob
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import BinaryIO

from nano_transformer.errors import ConfigError, DataError, TokenizerError
from nano_transformer.tokenization.streaming import (
    EncodingErrors,
    decode_blocks,
    separable_chunks,
)
from nano_transformer.tokenization.vocabulary import text_bytes

FilePath = str | PathLike[str]

BLOCK_BYTES = 1 << 20
JSON_LINES = ".jsonl"
COMPRESSED = (".gz", ".zst")


@dataclass(frozen=True)
class Inputs:
    """Files to learn from."""

    plain: list[Path] = field(default_factory=list)
    """Text that can be read in any order."""
    streamed: list[Path] = field(default_factory=list)
    """Compressed text, and JSON lines."""


def check_text_file(path: Path) -> int:
    """Return the size in bytes of a text file that has one.

    Raises:
        DataError: When it is missing, a folder or empty.
    """
    if path.is_dir():
        raise DataError(f"`{path}` is a folder; give a text file")
    if not path.exists():
        raise DataError(f"text file `{path}` does not exist; check the path")
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"text file `{path}` is empty; a text is needed")
    return size


def expand_inputs(input_path: FilePath | Sequence[FilePath]) -> Inputs:
    """Return the files that paths, folders and glob patterns name.

    Of a folder every file counts, however deep, unless its name or a folder's on the way begins with
    a dot. Files named twice count twice.

    Raises:
        DataError: When one is missing, empty, or stands for no file.
    """
    items = [input_path] if isinstance(input_path, str | PathLike) else list(input_path)
    if not items:
        raise DataError("`input_path` names no file; give at least one")
    inputs = Inputs()
    for path in [path for item in items for path in _files_of(Path(fspath(item)))]:
        is_streamed = path.suffix in (JSON_LINES, *COMPRESSED)
        (inputs.streamed if is_streamed else inputs.plain).append(path)
    return inputs


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        inside = [
            file
            for file in sorted(path.rglob("*"))
            if not any(part.startswith(".") for part in file.relative_to(path).parts)
        ]
    elif not path.exists() and glob.has_magic(str(path)):
        # `Path.glob` takes no absolute patterns.
        inside = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
    else:
        check_text_file(path)
        return [path]
    found = [file for file in inside if file.is_file() and file.stat().st_size > 0]
    if not found:
        kind = "folder" if path.is_dir() else "pattern"
        raise DataError(f"the {kind} `{path}` holds no file with text; check the path")
    return found


def streamed_texts(
    path: Path,
    *,
    text_field: str,
    special_tokens: tuple[str, ...],
    pattern: str,
    errors: EncodingErrors,
    report: Callable[[int], None],
) -> Iterator[bytes]:
    """Yield texts of a compressed file or of JSON lines that can be counted one by one.

    Args:
        path: The file.
        text_field: Where the text is in a line of JSON.
        special_tokens: What cuts the text.
        pattern: Decides where compressed text may be cut.
        errors: What to do about malformed UTF-8.
        report: Called with the bytes of the file that have been read.

    Raises:
        DataError: When the file is damaged, truncated, malformed or not UTF-8.
        ConfigError: When the package that reads it is not installed.
    """
    with path.open("rb") as file:
        blocks = _watched(_decompressed(path, file), file, report)
        name = path.name.removesuffix(path.suffix) if path.suffix in COMPRESSED else path.name
        if name.endswith(JSON_LINES):
            yield from _texts_of_lines(path, blocks, text_field, errors)
        else:
            characters = decode_blocks(blocks, errors, name=f"`{path}`")
            for chunk in separable_chunks(characters, special_tokens, BLOCK_BYTES, pattern):
                yield chunk.encode()


def _watched(
    blocks: Iterator[bytes], file: BinaryIO, report: Callable[[int], None]
) -> Iterator[bytes]:
    for block in blocks:
        yield block
        report(file.tell())


def _decompressed(path: Path, file: BinaryIO) -> Iterator[bytes]:
    if path.suffix == ".zst":
        yield from _zst_blocks(path, file)
        return
    stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
    try:
        while block := stream.read(BLOCK_BYTES):
            yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"`{path}` is damaged or cut off ({error}); bring it again") from None


def _zst_blocks(path: Path, file: BinaryIO) -> Iterator[bytes]:
    try:
        import zstandard
    except ModuleNotFoundError:
        raise ConfigError(
            f"`{path}` needs the package zstandard; pip install 'nano-transformer[zstd]', or unpack it"
        ) from None
    frame, is_inside = zstandard.ZstdDecompressor().decompressobj(), False
    try:
        while block := file.read(BLOCK_BYTES):
            while block:
                is_inside = True
                yield frame.decompress(block)
                block = b""
                if frame.eof:  # another frame may follow
                    block = frame.unused_data
                    frame, is_inside = zstandard.ZstdDecompressor().decompressobj(), False
    except zstandard.ZstdError as error:
        raise DataError(f"`{path}` is damaged ({error}); bring it again") from None
    if is_inside:
        raise DataError(f"`{path}` is cut off in the middle; bring it again")


def _texts_of_lines(
    path: Path, blocks: Iterator[bytes], text_field: str, errors: EncodingErrors
) -> Iterator[bytes]:
    for number, line in enumerate(_lines(blocks), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line.decode("utf-8", errors))
        except UnicodeDecodeError:
            raise DataError(
                f"`{path}` line {number} is not valid UTF-8; convert it, or accept it with "
                "`--encoding-errors replace`"
            ) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"`{path}` line {number} is not JSON: {error}") from None
        text = record.get(text_field) if isinstance(record, dict) else None
        if not isinstance(text, str):
            what = f"a JSON object with the text in `{text_field}`"
            raise DataError(
                f"`{path}` line {number} must be {what}; name its field by `text_field`"
            )
        try:
            yield text_bytes(text)
        except TokenizerError as error:
            raise DataError(f"`{path}` line {number}: {error}") from None


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    carry: list[bytes] = []
    for block in blocks:
        first, *others = block.split(b"\n")
        carry.append(first)
        for other in others:
            yield b"".join(carry)
            carry = [other]
    yield b"".join(carry)
