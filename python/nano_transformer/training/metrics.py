"""metrics.jsonl: one flat JSON object per log line or evaluation, appended as the run goes."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nano_transformer.files import write_text_atomically


class MetricsFile:
    """Appends rows; on resume the rows past the checkpoint's step are dropped first."""

    def __init__(
        self, path: Path, *, continued: Path | None = None, keep_through_step: int = 0
    ) -> None:
        """Begin `path` with the rows of the file `continued` up to a step, or empty."""
        self.path = path
        kept: list[str] = []
        if continued is not None and continued.exists():
            # A kill can leave half a line at the end; it lies past the checkpoint anyway.
            kept = [
                line + "\n"
                for line in continued.read_text().splitlines()
                if (row := _parsed(line)) is not None and row["step"] <= keep_through_step
            ]
        write_text_atomically(path, "".join(kept))

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row; numbers that are not finite become null, which JSON can hold."""
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        with self.path.open("a") as file:
            file.write(json.dumps(plain) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a metrics file, leaving out a line that was never finished."""
    return [row for line in path.read_text().splitlines() if (row := _parsed(line)) is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None
