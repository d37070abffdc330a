"""rustbpe's job: it trains from strings, and can load no vocabulary."""

from importlib import import_module
from pathlib import Path

from libraries import PATTERN, SPECIAL, Action


def train(text: str, vocab_size: int, threads: int) -> Action:
    """Train from documents: it knows no special tokens, so the text is cut for it, timed."""
    del threads  # its pool is sized by RAYON_NUM_THREADS
    tokenizer = import_module("rustbpe").Tokenizer()

    def run() -> int:
        documents = Path(text).read_bytes().decode().split(SPECIAL)
        tokenizer.train_from_iterator(iter(documents), vocab_size - 1, pattern=PATTERN)
        return int(tokenizer.vocab_size) + 1

    return run
