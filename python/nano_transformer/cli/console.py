"""What a person sees: log lines and progress on stderr, one sentence for a mistake, the exit status."""

import logging
import os
import sys
import time
from collections.abc import Callable

from nano_transformer.errors import NanoTransformerError
from nano_transformer.training.signals import TrainingInterrupted

logger = logging.getLogger("nano_transformer")

CLEAR_LINE = "\r\x1b[K"
"""What removes a line of progress from a terminal."""

_SECONDS_BETWEEN_LINES = 5.0


def run_command(command: Callable[[], None]) -> None:
    """Run a command's body; end the process with a message and status when it fails.

    Status 1: a mistake that a message explains; 128 + the signal's number after SIGINT or SIGTERM,
    or when the reader of stdout went away.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        command()
        sys.stdout.flush()
    except BrokenPipeError:
        # As if SIGPIPE had ended us, without a word; what is buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + 13)
    except NanoTransformerError as error:
        _fail(f"error: {error}", 1)
    except TrainingInterrupted as stop:
        _fail(f"{stop}; its state is saved, go on with --resume-from", 128 + stop.signal_number)
    except KeyboardInterrupt:
        _fail("stopped by SIGINT", 130)
    except OSError as error:
        place = f" (`{error.filename}`)" if error.filename else ""
        _fail(f"error: {error.strerror or error}{place}", 1)


def _fail(message: str, status: int) -> None:
    sys.stderr.write(f"{CLEAR_LINE if sys.stderr.isatty() else ''}{message}\n")
    sys.exit(status)


class Progress:
    """Shows how far long work is: one line that changes in a terminal, a few plain lines elsewhere."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        """Units of each stage seen so far."""
        self._stage = ""
        self._began = self._shown = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note that `done` of `total` units of a stage are done."""
        self.totals[stage] = total
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._shown = stage, now, now
        is_terminal = sys.stderr.isatty()
        if now - self._shown < (0.2 if is_terminal else _SECONDS_BETWEEN_LINES) or not done:
            return
        self._shown = now
        share = done / max(total, 1)
        minutes, seconds = divmod(round((now - self._began) * (1 - share) / share), 60)
        line = f"{stage} {share:4.0%} | eta {minutes}:{seconds:02d}"
        sys.stderr.write(f"{CLEAR_LINE}{line}" if is_terminal else f"{line}\n")
        if is_terminal and done >= total:
            sys.stderr.write(CLEAR_LINE)
        sys.stderr.flush()
