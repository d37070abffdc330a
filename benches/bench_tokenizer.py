"""How fast does the tokenizer train and encode, beside the peers that are installed?

python benches/bench_tokenizer.py TEXT [--vocab-size 4096] [--rounds 5] [--threads 1] [--json FILE]
"""

import argparse
import base64
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import harness

from nano_transformer.tokenization import Tokenizer, train_bpe

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SPECIAL = "<|endoftext|>"
PEERS = ("tiktoken", "tokenizers", "rustbpe", "gigatoken")
Prepared = Callable[[], object]
Encoding = Callable[[], Iterable[int]]


def train_ours(text: Path, vocab_size: int, threads: int) -> Prepared:
    return lambda: train_bpe(text, vocab_size, [SPECIAL], num_threads=threads)


def train_tokenizers(text: Path, vocab_size: int) -> Prepared:
    tokenizers = import_module("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[SPECIAL],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    return lambda: tokenizer.train([str(text)], trainer)


def train_rustbpe(text: Path, vocab_size: int) -> Prepared:
    tokenizer = import_module("rustbpe").Tokenizer()

    def train() -> object:
        # It knows no special tokens; the file is read inside, as the others do.
        documents = text.read_text(encoding="utf-8").split(SPECIAL)
        tokenizer.train_from_iterator(iter(documents), vocab_size - 1, pattern=PATTERN)
        return tokenizer

    return train


def train_gigatoken(text: Path, vocab_size: int) -> Prepared:
    gigatoken = import_module("gigatoken")
    separator = SPECIAL.encode()
    return lambda: gigatoken.train_bpe(text, vocab_size, [SPECIAL], separator=separator)


def encode_ours(text: Path, folder: Path) -> Encoding:
    tokenizer = Tokenizer.from_files(folder / "vocab.json", folder / "merges.txt")
    words = text.read_text(encoding="utf-8")
    return lambda: tokenizer.encode_ordinary(words)


def encode_tiktoken(text: Path, folder: Path) -> Encoding:
    ranks = {
        base64.b64decode(token): int(rank)
        for token, rank in map(str.split, (folder / "ranks.tiktoken").read_text().splitlines())
    }
    encoding = import_module("tiktoken").Encoding(
        "ours", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={}
    )
    words = text.read_text(encoding="utf-8")
    return lambda: encoding.encode_ordinary(words)


def encode_tokenizers(text: Path, folder: Path) -> Encoding:
    tokenizers = import_module("tokenizers")
    files = (str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE.from_file(*files))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = text.read_text(encoding="utf-8")
    return lambda: tokenizer.encode(words).ids


def encode_gigatoken(text: Path, folder: Path) -> Encoding:
    gigatoken = import_module("gigatoken")
    tokenizer = gigatoken.Tokenizer.from_tiktoken(folder / "ranks.tiktoken", "gpt2")
    words = text.read_text(encoding="utf-8")
    return lambda: tokenizer.encode(words).tolist()


def save_vocabulary(text: Path, vocab_size: int, folder: Path) -> None:
    """Learn a vocabulary without special tokens; write it in the forms that the encoders read."""
    tokenizer = Tokenizer(*train_bpe(text, vocab_size, []), special_tokens=[])
    tokenizer.save_gpt2(folder / "vocab.json", folder / "merges.txt")
    tokenizer.save_tiktoken(folder / "ranks.tiktoken")


def peers(action: str, **arguments: object) -> list[harness.Job]:
    """Return a job for each installed peer that has a function `ACTION_PEER` here."""
    here = globals()
    return [
        harness.Job(name=peer, prepare=partial(here[f"{action}_{peer}"], **arguments))
        for peer in PEERS
        if find_spec(peer) and f"{action}_{peer}" in here
    ]


def main() -> None:
    """Measure training, check that all encoders give the same ids, and measure encoding."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of every job that uses several")
    parser.add_argument("--json", type=Path)
    flags = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(flags.threads)
    megabytes = flags.text.stat().st_size / 1e6
    size = {"vocab_size": flags.vocab_size}

    ours = harness.Job(
        name="ours", prepare=partial(train_ours, flags.text, flags.vocab_size, flags.threads)
    )
    training = harness.measure([ours, *peers("train", text=flags.text, **size)], flags.rounds)
    harness.print_table(f"train {flags.vocab_size}, {flags.threads} threads", training, megabytes)
    with tempfile.TemporaryDirectory() as name:
        save_vocabulary(flags.text, flags.vocab_size, Path(name))
        files = {"text": flags.text, "folder": Path(name)}
        ours = harness.Job(name="ours", prepare=partial(encode_ours, **files))
        encode = [ours, *peers("encode", **files)]
        expected = encode_ours(**files)()
        for job in encode:
            if job.prepare()() != expected:
                sys.exit(f"{job.name} gives other ids than we do; the times would not compare")
        encoding = harness.measure(encode, flags.rounds)
    harness.print_table("encode text to a list of ids, cold", encoding, megabytes)
    if flags.json:
        facts = harness.machine_facts(["nano-transformer", *PEERS])
        results = {"megabytes": megabytes, **size, "train": training, "encode": encoding}
        harness.write_json(flags.json, facts | {"threads": flags.threads}, results)


if __name__ == "__main__":
    main()
