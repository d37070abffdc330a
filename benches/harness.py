"""How long does a piece of work take in a fresh process, and how much memory at most?

Jobs take turns (A B C A B C ...), so that a slow minute hits all alike, and each round starts a new
process, so that no cache is warm.
"""

import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

CHILD = Path(__file__).with_name("fresh_process.py")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One contender for one piece of work."""

    work: str
    """What is done: "train", "encode", ..."""
    text: str
    """The name of what it is done with."""
    library: str
    function: str
    """`module:function`; it makes ready, untimed, and returns what is timed."""
    arguments: Mapping[str, object]
    ignored_id: int = -1
    """An id that does not count when ids are compared."""
    threads: int = 1
    """Processors that the process may use, and threads that the library is told to use."""
    megabytes: float = 0.0
    """Of text that is worked on."""
    rounds: int | None = None
    """Fewer rounds than the others: for what takes long and is asked for by no floor."""
    timeout_seconds: float = 900.0


@dataclasses.dataclass(kw_only=True)
class Measurement:
    """What a job took in each of its rounds."""

    work: str
    text: str
    library: str
    threads: int
    megabytes: float
    seconds: list[float] = dataclasses.field(default_factory=list)
    cpu_seconds: list[float] = dataclasses.field(default_factory=list)
    """Of all threads together; beside `seconds` it shows whether others had the processor."""
    peak_megabytes: list[float] = dataclasses.field(default_factory=list)
    result: object = None
    """A fingerprint of what came out, to be compared; of named figures, a list of each round's."""
    error: str | None = None
    """Why the job has no figures; it is not tried again."""

    @property
    def median_seconds(self) -> float:
        """The middle one of the rounds."""
        return statistics.median(self.seconds)

    @property
    def median_peak(self) -> float:
        """Of the process, with Python and the library in it, in MB."""
        return statistics.median(self.peak_megabytes)


def measure(jobs: Sequence[Job], rounds: int, report: Callable[[str], None]) -> list[Measurement]:
    """Run A B C A B C ...; a job that fails keeps its error and no figures."""
    copied = ("work", "text", "library", "threads", "megabytes")
    found = [Measurement(**{name: getattr(job, name) for name in copied}) for job in jobs]
    for number in range(rounds):
        for job, measurement in zip(jobs, found, strict=True):
            if measurement.error is None and number < (job.rounds or rounds):
                _add_round(job, measurement)
                report(_line(job, measurement, number))
    return found


def _line(job: Job, measurement: Measurement, number: int) -> str:
    what = f"round {number + 1} {job.work} {job.text} {job.threads} threads {job.library}"
    if measurement.error is not None:
        return f"{what}: {measurement.error}"
    seconds, cpu, peak = measurement.seconds, measurement.cpu_seconds, measurement.peak_megabytes
    return f"{what}: {seconds[-1]:.3f} s, {cpu[-1]:.3f} s of CPU, {peak[-1]:.0f} MB"


def _add_round(job: Job, measurement: Measurement) -> None:
    try:
        outcome = run_fresh(job)
    except JobError as error:
        measurement.error = str(error)
        measurement.seconds.clear()
        measurement.cpu_seconds.clear()
        measurement.peak_megabytes.clear()
        return
    measurement.seconds.append(round(outcome.seconds, 6))
    measurement.cpu_seconds.append(round(outcome.cpu_seconds, 6))
    measurement.peak_megabytes.append(round(outcome.peak_megabytes, 1))
    if isinstance(outcome.result, dict):
        earlier = measurement.result if isinstance(measurement.result, list) else []
        measurement.result = [*earlier, outcome.result]
        return
    if measurement.result not in (None, outcome.result):
        raise AssertionError(f"{job.library} gives another result in each round of {job.work}")
    measurement.result = outcome.result


class JobError(Exception):
    """A job ended with an error or took too long."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What `fresh_process.py` writes."""

    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    result: object


def run_fresh(job: Job) -> Outcome:
    """Run a job once in a new process; return seconds, peak and result.

    Raises:
        JobError: With the last line that the process wrote.
    """
    sent = ("function", "arguments", "threads", "ignored_id")
    request = {name: getattr(job, name) for name in sent}
    # Rayon's pools (gigatoken, fastokens, tokenizers, rustbpe) are sized by this variable.
    environment = os.environ | {
        "RAYON_NUM_THREADS": str(job.threads),
        "OMP_NUM_THREADS": str(job.threads),
        "TOKENIZERS_PARALLELISM": "true" if job.threads > 1 else "false",
    }
    try:
        done = subprocess.run(
            [sys.executable, str(CHILD), json.dumps(request)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=job.timeout_seconds,
        )
    except subprocess.TimeoutExpired:
        raise JobError(f"stopped after {job.timeout_seconds:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"]
        raise JobError(lines[-1][:200])
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


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


def write_json(path: Path, facts: Mapping[str, object], found: Sequence[Measurement]) -> None:
    """Write facts and every round, from which all printed figures follow."""
    rows = ",\n".join("  " + json.dumps(dataclasses.asdict(measurement)) for measurement in found)
    head = json.dumps(facts, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"facts": {head},\n"measurements": [\n{rows}\n]}}\n', encoding="utf-8")


def read_json(path: Path) -> tuple[dict[str, object], list[Measurement]]:
    """Undo `write_json`."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    return plain["facts"], [Measurement(**row) for row in plain["measurements"]]
