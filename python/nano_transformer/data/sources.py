"""Where named datasets live, and what part of a text is held out for validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nano_transformer.data.demo_corpus import (
    GENERATOR_VERSION,
    TRAIN_STORIES,
    VALID_STORIES,
    write_demo_corpus,
)
from nano_transformer.errors import DataError
from nano_transformer.tokenization.inputs import check_text_file
from nano_transformer.tokenization.vocabulary import END_OF_TEXT

_HUB = "https://huggingface.co/datasets"
_MIN_DOCUMENTS_TO_DRAW = 200
"""With fewer documents a 5 % draw could come out empty, so the end of the text is held out instead."""


@dataclass(frozen=True)
class NamedDataset:
    """A dataset that the commands know by name."""

    name: str
    train_file: str
    valid_file: str
    vocab_size: int
    """Entries of the tokenizer that is trained when there is none yet."""
    download: Sequence[str]
    """Shell commands that bring the files, run in the data folder."""


def _tinystories_download(split: str) -> str:
    file = f"TinyStoriesV2-GPT4-{split}.txt"
    return f"curl -fLO {_HUB}/roneneldan/TinyStories/resolve/main/{file}"


def _owt_download(split: str) -> str:
    file = f"owt_{split}.txt.gz"
    return f"curl -fLO {_HUB}/stanford-cs336/owt-sample/resolve/main/{file} && gunzip {file}"


_OWT = NamedDataset(
    "owt",
    "owt_train.txt",
    "owt_valid.txt",
    vocab_size=32_000,
    download=[_owt_download("train"), _owt_download("valid")],
)

NAMED_DATASETS = {
    "demo": NamedDataset(
        "demo",
        # Another version of the generator tells other stories.
        f"demo-v{GENERATOR_VERSION}-train.txt",
        f"demo-v{GENERATOR_VERSION}-valid.txt",
        vocab_size=1_024,
        download=[],
    ),
    "tinystories": NamedDataset(
        "tinystories",
        "TinyStoriesV2-GPT4-train.txt",
        "TinyStoriesV2-GPT4-valid.txt",
        vocab_size=10_000,
        download=[_tinystories_download("train"), _tinystories_download("valid")],
    ),
    "openwebtext": _OWT,
    "owt": _OWT,
}


def named_text_paths(dataset: NamedDataset, data_dir: Path) -> tuple[Path, Path]:
    """Return the training and validation text of a named dataset; the demo's is written when absent.

    Raises:
        DataError: When a file is missing, with the commands that bring it.
    """
    paths = data_dir / dataset.train_file, data_dir / dataset.valid_file
    if dataset.name == "demo":
        ranges = ((0, TRAIN_STORIES), (TRAIN_STORIES, VALID_STORIES))
        for path, (first, count) in zip(paths, ranges, strict=True):
            if not path.exists():
                write_demo_corpus(path, seed=0, first_story=first, num_stories=count)
    missing = [path for path in paths if not path.exists()]
    if missing:
        commands = "\n".join(f"    {command}" for command in dataset.download)
        raise DataError(
            f"dataset `{dataset.name}` needs {' and '.join(f'`{path}`' for path in missing)}, "
            f"not found; bring the files with\n    mkdir -p {data_dir} && cd {data_dir}\n{commands}"
        )
    return paths


@dataclass(frozen=True)
class TextPart:
    """The part of one text file that a split consists of."""

    spans: Sequence[tuple[Path, int, int]]
    """File, first byte, end byte."""
    held_out_share: float = 0.0
    """Share of the documents, drawn by their content, that is held out; 0: the spans are the split."""
    keep_held_out: bool = False
    """Whether the split is the held-out share or the rest."""


def whole(path: Path) -> TextPart:
    """Return the part that is all of a file.

    Raises:
        DataError: When the file is missing, a folder, or empty.
    """
    return TextPart([(path, 0, check_text_file(path))])


def hold_out(
    path: Path, share: float, delimiter: str | None = END_OF_TEXT
) -> tuple[TextPart, TextPart]:
    """Divide one text into a training and a validation part.

    A text of many documents is divided by a draw on each document's content, so that equal documents
    fall on one side and their order plays no part. A text of few documents is cut near its end, after
    a line break where there is one.

    Args:
        path: UTF-8 text.
        share: Share of the text to hold out, in (0, 1).
        delimiter: What stands between documents; None: the text is one document.

    Raises:
        DataError: When the file is missing, a folder, empty, or too short to be divided.
    """
    size = check_text_file(path)
    if delimiter and _has_documents(path, delimiter.encode(), _MIN_DOCUMENTS_TO_DRAW):
        spans = [(path, 0, size)]
        return TextPart(spans, share), TextPart(spans, share, keep_held_out=True)
    cut = _line_start_near(path, round(size * (1 - share)), size)
    if not 0 < cut < size:
        raise DataError(
            f"text file `{path}` has {size} bytes, too few to hold out a share of {share} for "
            "validation; give a longer text, or a validation text of its own"
        )
    return TextPart([(path, 0, cut)]), TextPart([(path, cut, size)])


def _has_documents(path: Path, delimiter: bytes, enough: int) -> bool:
    """Count delimiters until there are enough of them."""
    found, tail = 0, b""
    with path.open("rb") as file:
        while found < enough and (block := file.read(1 << 20)):
            joined = tail + block
            found += joined.count(delimiter)
            # A tail shorter than the delimiter can complete one, but cannot be counted twice.
            tail = joined[len(joined) - len(delimiter) + 1 :]
    return found >= enough


def _line_start_near(path: Path, target: int, size: int) -> int:
    """Return the last line start at or before `target`, else the nearest character border."""
    with path.open("rb") as file:
        first = max(0, target - (1 << 16))
        file.seek(first)
        before = file.read(target - first)
        newline = before.rfind(b"\n")
        if newline >= 0 and first + newline + 1 < size:
            return first + newline + 1
        after = file.read(4)
    # UTF-8 continuation bytes are 10xxxxxx; a character must not be torn.
    continuation = 0
    while continuation < len(after) and after[continuation] & 0xC0 == 0x80:
        continuation += 1
    return target + continuation
