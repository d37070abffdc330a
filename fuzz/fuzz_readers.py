"""Whatever a file holds, reading it as a tokenizer or token cache works or is one of our errors.

python fuzz/fuzz_readers.py READER [corpus folder] [-max_total_time=3600], with `pip install atheris`.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["nano_transformer", "json"]):
    from nano_transformer.data.token_cache import open_token_cache
    from nano_transformer.errors import NanoTransformerError
    from nano_transformer.tokenization import Tokenizer, formats
    from nano_transformer.tokenization.counts_file import load_counts
    from nano_transformer.tokenization.formats.gpt2 import read_merges, read_vocab

FOLDER = Path(tempfile.mkdtemp())


def read_cache(path: Path) -> None:
    """Open a cache whose record, table of documents or tokens are the input."""
    data = path.read_bytes()
    part, rest = data[:1], data[1:]
    names = {b"t": "x.npy", b"d": "x.documents.npy"}
    (FOLDER / names.get(part, "x.json")).write_bytes(rest)
    dataset = open_token_cache(FOLDER / "x.npy")
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
