"""What the tokenizer promises beside its peers, and what a run of the bench says to it."""

import dataclasses
from collections.abc import Iterator, Sequence

from harness import Measurement

TRAIN_FLOORS = {
    1: {"best peer": 1.5, "rustbpe": 5.0, "tokenizers": 15.0},
    2: {"best peer": 1.4, "rustbpe": 6.0, "tokenizers": 10.0},
}
ENCODE_FLOORS = {1: {"gigatoken": 1.1, "tiktoken": 9.0}, 2: {"gigatoken": 0.9}}
OWN_TWO_THREADS = 1.8
CACHE_OVER_ENCODE = 1.5
CACHE_FLOOR = 10.0
DECODE_FLOOR = 2.0
MEMORY_MEGABYTES = 300.0
HOSTILE_MEGABYTES_PER_SECOND = 10.0
HOSTILE_GROWTH = 12.0


@dataclasses.dataclass(frozen=True)
class Row:
    """One promise and what was measured."""

    job: str
    text: str
    threads: int
    asked: str
    measured: str
    holds: bool


class Found:
    """Measurements by what they are of; what failed or gave another result is left out."""

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        self.measurements = measurements
        ours = {self._key(m): m for m in measurements if m.library == "ours"}
        self._by_name = {
            (*self._key(m), m.library): m
            for m in measurements
            if m.error is None
            and self._key(m) in ours
            and (m.work == "train" or m.result == ours[self._key(m)].result)
        }

    @staticmethod
    def _key(measurement: Measurement) -> tuple[str, str, int]:
        return measurement.work, measurement.text, measurement.threads

    def get(self, work: str, text: str, threads: int, library: str) -> Measurement | None:
        """Return a measurement that can be compared, if there is one."""
        return self._by_name.get((work, text, threads, library))

    def peers(self, work: str, text: str, threads: int) -> list[Measurement]:
        """Return the others' measurements."""
        return [
            m
            for (*key, name), m in self._by_name.items()
            if tuple(key) == (work, text, threads) and not name.startswith("ours")
        ]

    def ours(self, work: str) -> list[Measurement]:
        """Return ours of one work."""
        return [m for m in self.measurements if m.work == work and m.library == "ours"]


def rows(measurements: Sequence[Measurement]) -> list[Row]:
    """Return a row for each promise that the run can say something about."""
    found = Found(measurements)
    kinds = (_training, _encoding, _caching, _decoding, _memory, _short, _hostile)
    return [row for kind in kinds for row in kind(found)]


def _failed(ours: Measurement, job: str) -> Row:
    return Row(job, ours.text, ours.threads, "a result", ours.error or "", holds=False)


def _faster(job: str, ours: Measurement, peer: Measurement, floor: float, name: str = "") -> Row:
    ratio = peer.median_seconds / ours.median_seconds
    return Row(
        job,
        ours.text,
        ours.threads,
        f"{floor:g}x {name or peer.library}",
        f"{ratio:.2f}x ({ours.median_seconds:.3f} s, {peer.median_seconds:.3f} s)",
        ratio >= floor,
    )


def _training(found: Found) -> Iterator[Row]:
    for ours in found.ours("train"):
        if ours.error:
            yield _failed(ours, "train")
            continue
        peers = found.peers("train", ours.text, ours.threads)
        if not peers:
            continue
        best = min(peers, key=lambda m: m.median_seconds)
        by_name = {m.library: m for m in peers} | {"best peer": best}
        for name, floor in TRAIN_FLOORS.get(ours.threads, {}).items():
            if name in by_name:
                shown = f"the best peer, {best.library}" if name == "best peer" else name
                yield _faster("train", ours, by_name[name], floor, shown)
        least = min(peers, key=lambda m: m.median_peak)
        yield Row(
            "train, peak memory",
            ours.text,
            ours.threads,
            f"at most {least.library}'s {least.median_peak:.0f} MB",
            f"{ours.median_peak:.0f} MB",
            ours.median_peak <= least.median_peak,
        )


def _encoding(found: Found) -> Iterator[Row]:
    job = "file to ids"
    for ours in found.ours("encode"):
        if ours.error:
            yield _failed(ours, job)
            continue
        for name, floor in ENCODE_FLOORS.get(ours.threads, {}).items():
            if peer := found.get("encode", ours.text, ours.threads, name):
                yield _faster(job, ours, peer, floor)
        single = found.get("encode", ours.text, 1, "ours")
        if ours.threads == 2 and single:
            yield _faster(job, ours, single, OWN_TWO_THREADS, "our own single thread")


def _caching(found: Found) -> Iterator[Row]:
    job = "file to cache"
    for ours in found.ours("cache"):
        if ours.error:
            yield _failed(ours, job)
            continue
        if encode := found.get("encode", ours.text, ours.threads, "ours"):
            ratio = ours.median_seconds / encode.median_seconds
            asked = f"at most {CACHE_OVER_ENCODE:g}x the time of file to ids"
            measured = f"{ratio:.2f}x ({ours.median_seconds:.3f} s)"
            holds = ratio <= CACHE_OVER_ENCODE
            yield Row(job, ours.text, ours.threads, asked, measured, holds)
        if peer := found.get("cache", ours.text, ours.threads, "tiktoken"):
            yield _faster(job, ours, peer, CACHE_FLOOR, "tiktoken + numpy")


def _decoding(found: Found) -> Iterator[Row]:
    for ours in found.ours("decode"):
        if ours.error:
            yield _failed(ours, "decode")
        elif peer := found.get("decode", ours.text, ours.threads, "gigatoken"):
            yield _faster("decode", ours, peer, DECODE_FLOOR)


def _memory(found: Found) -> Iterator[Row]:
    for m in found.measurements:
        if m.work != "memory":
            continue
        job = f"{m.megabytes / 1e3:.2g} GB to cache, {m.library}"
        if m.error:
            yield _failed(m, job)
            continue
        asked = f"at most {MEMORY_MEGABYTES:g} MB resident"
        measured = f"{m.median_peak:.0f} MB ({m.median_seconds:.1f} s)"
        yield Row(job, m.text, m.threads, asked, measured, m.median_peak <= MEMORY_MEGABYTES)


def _short(found: Found) -> Iterator[Row]:
    for ours in found.ours("short"):
        if ours.error or not isinstance(ours.result, list):
            yield _failed(ours, "short string")
            continue
        for call in ("encode", "encode_ordinary"):
            mine, theirs = (
                sorted(times[f"{name} {call}"] for times in ours.result)[len(ours.result) // 2]
                for name in ("ours", "tiktoken")
            )
            asked = f"at most tiktoken's {theirs:.2f} µs"
            yield Row(
                f"short string, {call}", ours.text, 1, asked, f"{mine:.2f} µs", mine <= theirs
            )


def _hostile(found: Found) -> Iterator[Row]:
    for work in ("hostile encode", "hostile train"):
        ours = found.ours(work)
        for small, large in zip(ours[::2], ours[1::2], strict=True):
            if small.error or large.error:
                yield _failed(large if large.error else small, work)
                continue
            speeds = [m.megabytes / m.median_seconds for m in (small, large)]
            growth = large.median_seconds / small.median_seconds
            asked = f"{HOSTILE_MEGABYTES_PER_SECOND:g} MB/s, growth at most {HOSTILE_GROWTH:g}x"
            measured = f"{speeds[0]:.1f} and {speeds[1]:.1f} MB/s, {growth:.1f}x"
            holds = min(speeds) >= HOSTILE_MEGABYTES_PER_SECOND and growth <= HOSTILE_GROWTH
            yield Row(work, large.text, 1, asked, measured, holds)
            for m in (small, large):
                if peer := found.get(work, m.text, 1, "tiktoken"):
                    yield _faster(work, m, peer, 1.0)


def table(measured_rows: Sequence[Row]) -> str:
    """Return the rows in Markdown; those that fall short are marked."""
    lines = ["| job | text | threads | asked | measured | |", "|---|---|---|---|---|---|"]
    for row in measured_rows:
        mark = "" if row.holds else "**falls short**"
        cells = (row.job, row.text, str(row.threads), row.asked, row.measured, mark)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def left_out(measurements: Sequence[Measurement]) -> list[str]:
    """Return a sentence for each peer that failed, or gave another result than we did."""
    found = Found(measurements)
    sentences = []
    for m in measurements:
        where = f"{m.library}, {m.work}, {m.text}, {m.threads} threads"
        if m.error is not None:
            sentences.append(f"{where}: failed: {m.error}")
        elif m not in found.peers(m.work, m.text, m.threads) and not m.library.startswith("ours"):
            sentences.append(f"{where}: other ids than ours ({m.result}), so it is not compared")
    return sentences
