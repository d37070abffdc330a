"""How a file becomes durable: atomic replacement, digests and locks."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from nano_transformer.errors import NanoTransformerError

READ_BYTES = 1 << 18
"""Bytes that are read and hashed at a time: they stay in near caches."""


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Replace `path` by what `write` puts into a file object, wholly or not at all.

    The order is write, flush, fsync, rename, fsync of the folder, so that after a crash at any point
    `path` holds either its old content or its new content, and the new one is on disk.

    Raises:
        OSError: When the disk is full or the folder cannot be written; `path` keeps its old content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        commit(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        # torch.save hides the operating system's reason (a full disk, say) behind its own RuntimeError.
        reason = error.__context__
        if isinstance(error, RuntimeError) and isinstance(reason, OSError):
            raise OSError(reason.errno, reason.strerror, str(path)) from None
        raise


def partial_path(path: Path) -> Path:
    """Return the temporary name under which `path` is written before it is renamed."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers of `path` left behind; no other may be running."""
    for leftover in path.parent.glob(f".{path.name}.*.partial"):
        leftover.unlink(missing_ok=True)


def commit(partial: Path, path: Path) -> None:
    """Rename a finished temporary file over `path` and make the rename durable."""
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, where the platform lets a folder be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text_atomically(path: Path, text: str) -> None:
    """Replace `path` by UTF-8 `text`, with line ends as they are."""
    write_atomically(path, lambda file: _write_all(file, text.encode()))


def write_json_atomically(path: Path, value: Any) -> None:
    """Replace `path` by `value` as indented JSON with a final newline."""
    write_text_atomically(
        path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    )


def _write_all(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def sha256_of_file(path: Path, check: Callable[[], None] = lambda: None) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes; `check` is called now and then and may raise."""
    return _sha256(path, 0, sys.maxsize, check)


def sha256_of_blocks(path: Path, block_bytes: int) -> Iterator[str]:
    """Yield one hexadecimal SHA-256 per `block_bytes` of a file, the last block possibly shorter.

    As many threads as cores take a block each, in order and ahead of the caller; when it stops asking,
    they begin no other.
    """
    starts = range(0, path.stat().st_size, block_bytes)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        yield from pool.map(lambda start: _sha256(path, start, block_bytes), starts)
    finally:
        pool.shutdown(cancel_futures=True)


def _sha256(
    path: Path, start: int, most_bytes: int, check: Callable[[], None] = lambda: None
) -> str:
    digest, left = hashlib.sha256(), most_bytes
    buffer = memoryview(bytearray(READ_BYTES))
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while length := file.readinto(buffer[:left]):
            digest.update(buffer[:length])
            left -= length
            check()
    return digest.hexdigest()


@contextmanager
def exclusive(path: Path, *, timeout_seconds: float = 600.0) -> Iterator[None]:
    """Hold the lock that guards `path`; the system frees it when its holder dies.

    Raises:
        NanoTransformerError: When another process holds it for longer than `timeout_seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=timeout_seconds)
    try:
        with lock:
            yield
    except Timeout:
        raise NanoTransformerError(
            f"`{path}` is being written by another process for over {timeout_seconds:.0f} s; "
            "wait for it or stop it"
        ) from None
