"""The process in which one job of `harness.py` runs once: seconds, peak memory and result as JSON."""

import hashlib
import json
import os
import resource
import sys
import time
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Read the request from the command line, and write one line of JSON."""
    request = json.loads(sys.argv[1])
    use_processors(request["threads"])
    module, function = request["function"].split(":")
    action = getattr(import_module(module), function)(**request["arguments"])
    began, cpu_began = time.perf_counter(), time.process_time()
    result = action()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    peak = peak_megabytes()  # before anything is done with the result
    outcome = {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_megabytes": peak,
        "result": comparable(result, request["ignored_id"]),
    }
    sys.stdout.write("\n" + json.dumps(outcome) + "\n")


def use_processors(count: int) -> None:
    """Keep this process to so many processors, whatever number of threads a library starts."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def peak_megabytes() -> float:
    """Return the most memory that was resident at a time, with Python and the libraries."""
    status = Path("/proc/self/status")
    if status.exists():
        # `getrusage` also remembers the process that started this one; this line does not.
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def comparable(result: object, ignored_id: int) -> object:
    """Return what two libraries with the same result have in common, small enough for JSON.

    Some put the end-of-text id between documents and some do not, so it is ignored.
    """
    import numpy as np

    if isinstance(result, Path):
        result = np.load(result)
    if isinstance(result, np.ndarray):
        ids = result[result != ignored_id].astype("<u4")
        return f"{len(ids):,} ids {hashlib.sha256(ids.tobytes()).hexdigest()[:16]}"
    if isinstance(result, bytes):
        return f"{len(result):,} bytes {hashlib.sha256(result).hexdigest()[:16]}"
    return result


if __name__ == "__main__":
    main()
