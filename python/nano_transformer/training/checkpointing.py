"""Checkpoint files: written whole, checked byte by byte before they are read."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from nano_transformer.errors import CheckpointError
from nano_transformer.files import write_atomically

FORMAT_VERSION = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace `path` by a checkpoint of tensors and plain data.

    Raises:
        OSError: When the disk is full or the folder cannot be written; the old file stays.
    """
    content = {"format_version": FORMAT_VERSION, **state}
    write_atomically(path, lambda file: torch.save(content, file))


def load_checkpoint(path: Path, map_location: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a checkpoint; nothing in it is executed.

    torch writes a CRC-32 beside every record and ignores it when it loads, so it is checked here, on
    the same open file, first.

    Raises:
        CheckpointError: When the file is missing, damaged, no checkpoint, or from a newer version.
    """
    try:
        with path.open("rb") as file:
            _check_records(file, path)
            file.seek(0)
            state = torch.load(file, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint `{path}` does not exist; check the path") from None
    except IsADirectoryError:
        raise CheckpointError(f"`{path}` is a folder; a checkpoint file is needed") from None
    except CheckpointError:
        raise
    except Exception as error:  # torch.load raises many kinds on a file it cannot read
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"`{path}` is not a checkpoint that can be read: {reason}") from None
    version = state.get("format_version") if isinstance(state, dict) else None
    if not isinstance(version, int):
        raise CheckpointError(f"`{path}` is not a nano-transformer checkpoint: no `format_version`")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"`{path}` has format version {version}, this package reads up to {FORMAT_VERSION}; "
            "install a newer one"
        )
    return state  # type: ignore[no-any-return]


def _check_records(file: Any, path: Path) -> None:
    advice = "restore it from a copy, or use the run's other checkpoint"
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"`{path}` is damaged or cut short ({error}); {advice}") from None
    if damaged is not None:
        raise CheckpointError(f"`{path}` is damaged: record `{damaged}` fails its CRC-32; {advice}")
