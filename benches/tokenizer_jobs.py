"""Which jobs the tokenizer bench has: who does what with which text."""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from harness import Job
from hostile_texts import HOSTILE_TEXTS

HOSTILE_SECONDS = 60.0
"""A hostile job that takes longer is stopped: the floor is a second for 10 MB."""

SLOW_ENCODER_BYTES = 50_000_000
"""Hugging Face's encoder takes minutes and gigabytes for longer texts, and no floor is about it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked for."""

    texts: dict[str, Path]
    large: Path | None
    """A text of 1 GB, for memory."""
    folder: Path
    """Of this run: the vocabulary in every format, hostile texts, caches."""
    threads: tuple[int, ...]
    libraries: Collection[str]
    vocab_size: int
    hostile_vocab_size: int
    hostile_sizes: tuple[int, ...]
    end_of_text_id: int

    @property
    def vocabulary(self) -> str:
        """The folder with GPT-2's vocabulary."""
        return str(self.folder / "vocabulary")

    def job(self, work: str, text: str, library: str, path: Path, **options: object) -> Job:
        """Return a job of one library with one text; `options` are fields of `Job`."""
        fields: dict[str, object] = {
            "function": f"libraries.{library.split()[0]}:{work}",
            "megabytes": path.stat().st_size / 1e6,
            "ignored_id": self.end_of_text_id,
        }
        fields |= {"work": work, "text": text, "library": library} | options
        return Job(**fields)  # type: ignore[arg-type]


def train_jobs(plan: Plan) -> Iterator[Job]:
    """Yield training from a file to the vocabulary, reading included."""
    for threads in plan.threads:
        for text, path in plan.texts.items():
            for library in ("ours", "gigabpe", "gigatoken", "rustbpe", "tokenizers"):
                arguments = {"text": str(path), "vocab_size": plan.vocab_size, "threads": threads}
                yield plan.job("train", text, library, path, threads=threads, arguments=arguments)


def encode_jobs(plan: Plan) -> Iterator[Job]:
    """Yield a file to an array of uint16 ids, reading included, with GPT-2's vocabulary."""
    functions = {
        "ours": "ours:encode",
        "gigatoken": "gigatoken:encode",
        "gigatoken encode": "gigatoken:encode_bytes",
        "fastokens": "fastokens:encode",
        "tiktoken": "tiktoken:encode",
        "tokenizers": "tokenizers:encode",
    }
    for threads in plan.threads:
        for text, path in plan.texts.items():
            for library, function in functions.items():
                if library == "tokenizers" and path.stat().st_size > SLOW_ENCODER_BYTES:
                    continue
                yield plan.job(
                    "encode",
                    text,
                    library,
                    path,
                    function=f"libraries.{function}",
                    threads=threads,
                    rounds=1 if library == "tokenizers" else None,
                    arguments=_encoding(plan, path, threads),
                )


def cache_jobs(plan: Plan) -> Iterator[Job]:
    """Yield a file to ids on disk: ours with digests and fsync, tiktoken's with numpy alone."""
    for threads in plan.threads:
        for text, path in plan.texts.items():
            for library in ("ours", "tiktoken"):
                output = str(plan.folder / f"{library}.npy")
                arguments = _encoding(plan, path, threads) | {"output": output}
                yield plan.job("cache", text, library, path, threads=threads, arguments=arguments)


def memory_jobs(plan: Plan) -> Iterator[Job]:
    """Yield a large file to ids on disk, by the function and by the command, once each."""
    if plan.large is None:
        return
    for threads in plan.threads:
        for library, function in (("ours", "cache"), ("ours nanot-bpe", "cache_command")):
            output = str(plan.folder / "large.npy")
            arguments = _encoding(plan, plan.large, threads) | {"output": output}
            yield plan.job(
                "memory",
                plan.large.stem,
                library,
                plan.large,
                function=f"libraries.ours:{function}",
                threads=threads,
                rounds=1,
                arguments=arguments,
            )


def decode_jobs(plan: Plan) -> Iterator[Job]:
    """Yield ids in a numpy array to bytes."""
    for text, path in plan.texts.items():
        for library in ("ours", "gigatoken", "tiktoken"):
            arguments = {"ids": str(plan.folder / f"{text}.npy"), "vocabulary": plan.vocabulary}
            yield plan.job("decode", text, library, path, arguments=arguments)


def short_jobs(plan: Plan) -> Iterator[Job]:
    """Yield one short string a call, ours and tiktoken in turn in one process."""
    text, path = next(iter(plan.texts.items()))
    arguments = {"text": str(path), "vocabulary": plan.vocabulary}
    function = "libraries.short_calls:short_calls"
    if "tiktoken" in plan.libraries:
        yield plan.job("short", text, "ours", path, function=function, arguments=arguments)


def hostile_jobs(plan: Plan) -> Iterator[Job]:
    """Yield encoding and training of texts that are made to be slow, in two sizes."""
    for name, make in HOSTILE_TEXTS.items():
        for size in plan.hostile_sizes:
            path = plan.folder / f"{name} {size}.txt"
            path.write_bytes(make(size).encode())
            text = f"{name}, {size / 1e6:g} MB"
            limit = {"timeout_seconds": HOSTILE_SECONDS}
            for library in ("ours", "tiktoken"):
                yield plan.job(
                    "hostile encode",
                    text,
                    library,
                    path,
                    function=f"libraries.{library}:{'encode' if library == 'ours' else 'encode_whole'}",
                    arguments=_encoding(plan, path, 1),
                    **limit,
                )
            arguments = {"text": str(path), "vocab_size": plan.hostile_vocab_size, "threads": 1}
            yield plan.job(
                "hostile train",
                text,
                "ours",
                path,
                function="libraries.ours:train",
                arguments=arguments,
                **limit,
            )


def _encoding(plan: Plan, path: Path, threads: int) -> dict[str, object]:
    return {"text": str(path), "vocabulary": plan.vocabulary, "threads": threads}


WORKS: dict[str, Callable[[Plan], Iterator[Job]]] = {
    "train": train_jobs,
    "encode": encode_jobs,
    "cache": cache_jobs,
    "decode": decode_jobs,
    "short": short_jobs,
    "hostile": hostile_jobs,
    "memory": memory_jobs,
}
NEED_VOCABULARY = ("encode", "cache", "decode", "short", "hostile", "memory")


def chosen_jobs(plan: Plan, works: Collection[str]) -> list[Job]:
    """Return the jobs of these works whose library is ours or among those chosen."""
    jobs = [job for work in works for job in WORKS[work](plan)]
    return [job for job in jobs if job.library.split()[0] in ("ours", *plan.libraries)]
