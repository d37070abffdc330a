"""gigatoken's jobs: it reads files itself and gives numpy arrays."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from libraries import SPECIAL, Action


def train(text: str, vocab_size: int, threads: int) -> Action:
    del threads  # its pool is sized by RAYON_NUM_THREADS
    gigatoken = import_module("gigatoken")
    separator = SPECIAL.encode()
    return lambda: len(gigatoken.train_bpe(text, vocab_size, [SPECIAL], separator=separator)[0])


def encode(text: str, vocabulary: str, threads: int) -> Action:
    """Encode by `encode_files`; the whole file as one text is faster than its documents."""
    tokenizer = _open(vocabulary)
    import_module("awkward")  # else the first call imports it, which is not what we measure

    def run() -> object:
        documents = tokenizer.encode_files(text, parallel=threads > 1)
        return np.asarray(documents.layout.content.data).astype(np.uint16)

    return run


def encode_bytes(text: str, vocabulary: str, threads: int) -> Action:
    """Encode the bytes of a file by one call of `encode`."""
    del threads
    tokenizer = _open(vocabulary)
    return lambda: tokenizer.encode(Path(text).read_bytes()).astype(np.uint16)


def decode(ids: str, vocabulary: str) -> Action:
    """Decode the type of ids that it gives itself; others are converted first."""
    tokenizer, array = _open(vocabulary), np.load(ids).astype(np.uint32)
    return lambda: tokenizer.decode(array)


def _open(vocabulary: str) -> Any:
    return import_module("gigatoken").Tokenizer(str(Path(vocabulary) / "tokenizer.json"))
