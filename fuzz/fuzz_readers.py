"""Whatever a file holds, reading it as a tokenizer or token cache works or is one of our errors.

python fuzz/fuzz_readers.py READER [corpus folder] [-max_total_time=3600], with `pip install atheris`.
"""

import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["nano_transformer", "json"]):
    from nano_transformer.data.token_cache import build_token_cache, open_token_cache
    from nano_transformer.errors import NanoTransformerError
    from nano_transformer.tokenization import Tokenizer, formats, train_bpe
    from nano_transformer.tokenization.counts_file import load_counts
    from nano_transformer.tokenization.formats.gpt2 import read_merges, read_vocab

FOLDER = Path(tempfile.mkdtemp())


PARTS = {b"t": "x.npy", b"d": "x.documents.npy", b"j": "x.json"}


@functools.cache
def sound_cache() -> dict[str, bytes]:
    """Build a small token cache; return its files."""
    text = FOLDER / "text.txt"
    text.write_text("the dog<|endoftext|>a cat\n" * 4)
    vocab, merges = train_bpe(texts=["the dog"], vocab_size=260, backend="python")
    tokenizer = Tokenizer(vocab, merges, ["<|endoftext|>"], backend="python")
    build_token_cache(tokenizer, [(text, 0, text.stat().st_size)], FOLDER / "x.npy")
    return {name: (FOLDER / name).read_bytes() for name in PARTS.values()}


def read_cache(path: Path) -> None:
    """Open a sound cache of which one file, named by the first byte, is replaced by the input."""
    data = path.read_bytes()
    replaced = PARTS.get(data[:1], "x.json")
    for name, content in sound_cache().items():
        (FOLDER / name).write_bytes(data[1:] if name == replaced else content)
    for verify in (False, True):
        dataset = open_token_cache(FOLDER / "x.npy", verify=verify)
        dataset.document_ids[0 : len(dataset)]


READERS: dict[str, Callable[[Path], object]] = {
    "merges": read_merges,
    "vocab": read_vocab,
    "tiktoken": lambda path: formats.read_tiktoken(path, pattern="gpt2"),
    "huggingface": lambda path: Tokenizer.from_definition(
        formats.read_huggingface(path), backend="python"
    ),
    "own": lambda path: Tokenizer.from_definition(formats.read_own(path), backend="python"),
    "counts": load_counts,
    "cache": read_cache,
}


def main() -> None:
    """Fuzz the reader that is named first; the rest goes to libFuzzer."""
    reader = READERS[sys.argv.pop(1)]
    path = FOLDER / "input"

    def one_input(data: bytes) -> None:
        path.write_bytes(data)
        try:
            reader(path)
        except NanoTransformerError as error:
            message = str(error)
            assert message, "an error without a message"
            assert len(message) < 2_000, f"an error of {len(message)} characters"

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
