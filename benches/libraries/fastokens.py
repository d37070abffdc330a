"""fastokens' job: it encodes batches of strings into one flat buffer."""

from importlib import import_module
from pathlib import Path

import numpy as np

from libraries import SPECIAL, Action


def encode(text: str, vocabulary: str, threads: int) -> Action:
    del threads  # its pool is sized by RAYON_NUM_THREADS
    file = str(Path(vocabulary) / "tokenizer.json")
    tokenizer = import_module("fastokens").Tokenizer.from_file(file)

    def run() -> object:
        documents = Path(text).read_bytes().decode().split(SPECIAL)
        ids, _ = tokenizer.encode_batch_flat(documents)
        return np.frombuffer(ids, "<u4").astype(np.uint16)

    return run
