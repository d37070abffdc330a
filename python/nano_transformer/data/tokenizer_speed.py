"""How fast the tokenizer works on one's own text, beside the libraries that are installed."""

import importlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from nano_transformer.data.token_cache import build_token_cache
from nano_transformer.errors import DataError
from nano_transformer.tokenization.backend import Progress
from nano_transformer.tokenization.tokenizer import Tokenizer
from nano_transformer.tokenization.training import train_bpe
from nano_transformer.tokenization.vocabulary import END_OF_TEXT

OURS = "nano-transformer"

GPT2_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


class Job(NamedTuple):
    """One contender for one task."""

    task: str
    name: str
    prepare: Callable[[], Callable[[], object]]
    """Makes ready, untimed, and returns what is timed."""


@dataclass(frozen=True)
class Timing:
    """What one job took in each round."""

    task: str
    name: str
    num_bytes: int
    seconds: list[float] = field(default_factory=list)

    @property
    def median_seconds(self) -> float:
        """The middle one of the rounds."""
        return statistics.median(self.seconds)

    @property
    def megabytes_per_second(self) -> float:
        """Text per second at the median."""
        return self.num_bytes / 1e6 / self.median_seconds


class Peer(NamedTuple):
    """Another library over our vocabulary."""

    encode: Callable[[list[str]], list[list[int]]]
    decode: Callable[[list[int]], str]


def measure_speed(
    text: str,
    *,
    vocab_size: int,
    rounds: int,
    report: Callable[[str], None],
    progress: Progress | None = None,
) -> list[Timing]:
    """Time training, encoding, decoding and caching, and what installed peers do of it.

    Jobs take turns (A B C A B C ...), so that a slow minute hits all alike. A tokenizer is built anew
    before each of its rounds, so that none has seen the text. All use every core where they can.

    Args:
        text: Text to work on; documents in it are separated by `<|endoftext|>`.
        vocab_size: Entries to learn; every library then has the same vocabulary.
        rounds: How often each job runs.
        report: Receives a sentence about each peer that is missing or left out.
        progress: Called with ("rounds", jobs done, jobs) after each job.

    Raises:
        DataError: When the text is empty.
    """
    if not text.strip():
        raise DataError("the text is empty or white space alone; give one with words in it")
    with tempfile.TemporaryDirectory(prefix="nanot-bench-") as folder:
        jobs = list(_jobs(text, vocab_size, Path(folder), report))
        timings = [Timing(job.task, job.name, len(text.encode())) for job in jobs]
        for number in range(rounds):
            for index, (job, timing) in enumerate(zip(jobs, timings, strict=True)):
                timing.seconds.append(_time(job.prepare()))
                if progress is not None:
                    progress("rounds", number * len(jobs) + index + 1, rounds * len(jobs))
    return timings


def _time(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    result = action()
    seconds = time.perf_counter() - began
    del result  # freeing it is not part of the work
    return seconds


def _jobs(text: str, vocab_size: int, folder: Path, report: Callable[[str], None]) -> Iterator[Job]:
    """Yield ours and the peers' jobs, the peers' only when their ids and text are the same."""
    text_path = folder / "text.txt"
    text_path.write_text(text, encoding="utf-8", newline="")
    vocab, merges = train_bpe(text_path, vocab_size)
    build = partial(Tokenizer, vocab, merges, [END_OF_TEXT])
    tokenizer = build()
    documents = text.split(END_OF_TEXT)
    expected = tokenizer.encode_batch(documents)
    token_ids = tokenizer.encode(text)
    spans = [(text_path, 0, text_path.stat().st_size)]

    peers: dict[str, Callable[[], Peer]] = {}
    for name, load in (("tiktoken", _load_tiktoken), ("tokenizers", _load_tokenizers)):
        try:
            peer_of = load(tokenizer, folder)
        except ImportError:
            report(f"{name} is not installed, so it is left out")
            continue
        peer = peer_of()
        if peer.encode(documents) != expected or peer.decode(token_ids) != text:
            report(f"{name} gives other ids or another text, so it is left out")
            continue
        peers[name] = peer_of

    yield Job("train", OURS, lambda: partial(train_bpe, text_path, vocab_size))
    yield Job("encode to lists", OURS, lambda: partial(build().encode_batch, documents))
    for name, peer_of in peers.items():
        yield Job("encode to lists", name, _encoding(peer_of, documents))
    yield Job("encode to numpy", OURS, lambda: partial(build().encode_to_numpy, documents))
    yield Job("decode", OURS, lambda: partial(build().decode, token_ids))
    for name, peer_of in peers.items():
        yield Job("decode", name, _decoding(peer_of, token_ids))
    yield Job(
        "token cache",
        OURS,
        lambda: partial(build_token_cache, build(), spans, folder / "cache.npy"),
    )


def _encoding(
    peer_of: Callable[[], Peer], documents: list[str]
) -> Callable[[], Callable[[], object]]:
    return lambda: partial(peer_of().encode, documents)


def _decoding(
    peer_of: Callable[[], Peer], token_ids: list[int]
) -> Callable[[], Callable[[], object]]:
    return lambda: partial(peer_of().decode, token_ids)


def _load_tiktoken(tokenizer: Tokenizer, _folder: Path) -> Callable[[], Peer]:
    tiktoken: Any = importlib.import_module("tiktoken")
    specials = {token: tokenizer.token_to_id(token) for token in tokenizer.special_tokens}
    ranks = {t: i for i, t in tokenizer.vocab.items() if i not in specials.values()}

    def build() -> Peer:
        encoding = tiktoken.Encoding(
            "peer", pat_str=GPT2_PATTERN, mergeable_ranks=ranks, special_tokens=specials
        )
        threads = os.cpu_count() or 1
        encode = partial(encoding.encode_batch, num_threads=threads, allowed_special="all")
        return Peer(encode, encoding.decode)

    return build


def _load_tokenizers(tokenizer: Tokenizer, folder: Path) -> Callable[[], Peer]:
    tokenizers: Any = importlib.import_module("tokenizers")
    path = folder / "tokenizer.json"
    tokenizer.save_huggingface(path)

    def build() -> Peer:
        peer = tokenizers.Tokenizer.from_file(str(path))

        def encode(documents: Sequence[str]) -> list[list[int]]:
            return [encoding.ids for encoding in peer.encode_batch_fast(documents)]

        return Peer(encode, partial(peer.decode, skip_special_tokens=False))

    return build
