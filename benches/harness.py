"""How fast are we beside others? Jobs take turns, so that a slow minute hits all alike."""

import dataclasses
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One contender for one piece of work."""

    name: str
    prepare: Callable[[], Callable[[], object]]
    """Makes ready, untimed, and returns what is timed; a partial of a module's function."""
    fresh_process: bool = True
    """Prepare and run in a new process each round (cold caches), or once prepared in this one."""


def measure(jobs: Sequence[Job], rounds: int) -> dict[str, list[float]]:
    """Run A B C A B C ...; return each job's seconds, one number a round."""
    ready = {job.name: job.prepare() for job in jobs if not job.fresh_process}
    seconds: dict[str, list[float]] = {job.name: [] for job in jobs}
    for _ in range(rounds):
        for job in jobs:
            if job.fresh_process:
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                    seconds[job.name].append(process.submit(_prepare_and_time, job).result())
            else:
                seconds[job.name].append(_time(ready[job.name]))
    return seconds


def _prepare_and_time(job: Job) -> float:
    return _time(job.prepare())


def _time(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    result = action()
    seconds = time.perf_counter() - start
    del result  # freeing it is not part of the work
    return seconds


def print_table(title: str, seconds: dict[str, list[float]], megabytes: float) -> None:
    """Print median, minimum, throughput, and how many times longer than the first job each took."""
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    first = next(iter(medians.values()))
    sys.stdout.write(f"\n{title}, {megabytes:.1f} MB, {len(next(iter(seconds.values())))} rounds\n")
    sys.stdout.write(f"{'':16}{'median s':>10}{'min s':>10}{'MB/s':>10}{'times ours':>12}\n")
    for name, median in medians.items():
        speed = megabytes / median
        row = f"{median:10.3f}{min(seconds[name]):10.3f}{speed:10.1f}{median / first:12.2f}\n"
        sys.stdout.write(f"{name:16}{row}")


def machine_facts(distributions: Sequence[str]) -> dict[str, object]:
    """Return what a figure depends on: processor, cores, system, versions of what was compared."""
    versions = {}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def write_json(path: Path, facts: dict[str, object], results: dict[str, object]) -> None:
    """Write facts and the seconds of every round, from which all printed figures follow."""
    text = json.dumps({"machine": facts, "results": results}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
