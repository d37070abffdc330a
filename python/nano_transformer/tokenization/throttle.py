"""How often a long job reports its progress."""

import time
from collections.abc import Callable
from typing import Literal

from nano_transformer.tokenization.backend import Progress

INTERVAL_SECONDS = 0.2


def throttled(
    progress: Progress | None, stage: Literal["counting", "merging", "encoding"], total: int
) -> Callable[[int], None]:
    """Return a function of the amount done that reports five times a second, and at the end."""
    last_report = time.monotonic()

    def report(done: int) -> None:
        nonlocal last_report
        now = time.monotonic()
        if progress is not None and (done >= total or now - last_report >= INTERVAL_SECONDS):
            last_report = now
            progress(stage, done, total)

    return report
