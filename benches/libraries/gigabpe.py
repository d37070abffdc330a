"""gigabpe's job: it trains from files, and does nothing else."""

from importlib import import_module

from libraries import SPECIAL, Action


def train(text: str, vocab_size: int, threads: int) -> Action:
    """Train with GPT-2's pattern; it learns what Hugging Face does from files, line by line."""
    gigabpe = import_module("gigabpe")
    return lambda: len(
        gigabpe.train_bpe(
            [text],
            vocab_size,
            special_tokens=[SPECIAL],
            pretokenizer="bytelevel",
            threads=threads,
        )[0]
    )
