"""Our own library's jobs, through its public functions."""

from pathlib import Path

import numpy as np

from libraries import SPECIAL, Action
from nano_transformer.cli.bpe.main import main as nanot_bpe
from nano_transformer.data.token_cache import build_token_cache
from nano_transformer.tokenization import Tokenizer, train_bpe


def train(text: str, vocab_size: int, threads: int) -> Action:
    return lambda: len(train_bpe(text, vocab_size, [SPECIAL], num_threads=threads)[0])


def encode(text: str, vocabulary: str, threads: int) -> Action:
    tokenizer = open_tokenizer(vocabulary)
    return lambda: tokenizer.encode_file(text, num_threads=threads)


def cache(text: str, vocabulary: str, threads: int, output: str) -> Action:
    tokenizer = open_tokenizer(vocabulary)

    def build() -> Path:
        spans = [(text, 0, Path(text).stat().st_size)]
        build_token_cache(tokenizer, spans, output, num_threads=threads)
        return Path(output)

    return build


def cache_command(text: str, vocabulary: str, threads: int, output: str) -> Action:
    """Run the command line in this process, which is a fresh one."""
    folder = Path(vocabulary)
    line = ["cache", "--input-path", text, "--output-path", output, "--overwrite"]
    line += ["--vocab-path", str(folder / "vocab.json")]
    line += ["--merges-path", str(folder / "merges.txt"), "--num-threads", str(threads)]

    def build() -> Path:
        nanot_bpe(line)
        return Path(output)

    return build


def decode(ids: str, vocabulary: str) -> Action:
    tokenizer, array = open_tokenizer(vocabulary), np.load(ids)
    return lambda: tokenizer.decode_bytes(array)


def open_tokenizer(vocabulary: str) -> Tokenizer:
    folder = Path(vocabulary)
    return Tokenizer.from_files(folder / "vocab.json", folder / "merges.txt", [SPECIAL])
