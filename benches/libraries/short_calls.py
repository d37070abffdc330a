"""How long one short call takes when all is warm, ours and tiktoken's in turn in one process."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from libraries import Action, ours, tiktoken

WORDS = 20
STRINGS = 64
BLOCKS = 400


def short_calls(text: str, vocabulary: str) -> Action:
    """Return microseconds a call: the median over blocks of one call for each string."""
    tokenizer, encoding = ours.open_tokenizer(vocabulary), tiktoken.open_encoding(vocabulary)
    with Path(text).open("rb") as file:
        words = file.read(STRINGS * WORDS * 40).decode("utf-8", "ignore").split()
    strings = [" ".join(words[i * WORDS : (i + 1) * WORDS]) for i in range(STRINGS)]
    strings = [string for string in strings if string]
    for string in strings:
        assert tokenizer.encode(string) == encoding.encode(string, allowed_special="all")
    calls: dict[str, Callable[[str], object]] = {
        "ours encode": tokenizer.encode,
        "tiktoken encode": lambda string: encoding.encode(string, allowed_special="all"),
        "ours encode_ordinary": tokenizer.encode_ordinary,
        "tiktoken encode_ordinary": encoding.encode_ordinary,
    }

    def run() -> dict[str, float]:
        blocks: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(BLOCKS):
            for name, call in calls.items():
                began = time.perf_counter()
                for string in strings:
                    call(string)
                blocks[name].append((time.perf_counter() - began) / len(strings))
        return {name: 1e6 * statistics.median(times) for name, times in blocks.items()}

    return run
