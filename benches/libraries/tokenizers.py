"""Hugging Face's jobs: training from files, encoding in batches without offsets."""

from importlib import import_module
from pathlib import Path

import numpy as np

from libraries import SPECIAL, Action


def train(text: str, vocab_size: int, threads: int) -> Action:
    """Train from a file, which its `train` reads line by line."""
    del threads  # its pool is sized by RAYON_NUM_THREADS
    library = import_module("tokenizers")
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[SPECIAL],
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )

    def run() -> int:
        tokenizer.train([text], trainer)
        return int(tokenizer.get_vocab_size())

    return run


def encode(text: str, vocabulary: str, threads: int) -> Action:
    del threads
    file = str(Path(vocabulary) / "tokenizer.json")
    tokenizer = import_module("tokenizers").Tokenizer.from_file(file)

    def run() -> object:
        documents = Path(text).read_bytes().decode().split(SPECIAL)
        encodings = tokenizer.encode_batch_fast(documents, add_special_tokens=False)
        return np.concatenate([np.array(encoding.ids, np.uint16) for encoding in encodings])

    return run
