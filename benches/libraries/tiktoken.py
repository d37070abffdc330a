"""tiktoken's jobs, with the expression that it uses for GPT-2 itself."""

import base64
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from libraries import SPECIAL, Action

Ids = npt.NDArray[np.uint16]


def encode(text: str, vocabulary: str, threads: int) -> Action:
    """Encode documents by `encode_to_numpy`, which is faster than its batches of lists."""
    encoding = open_encoding(vocabulary)
    return lambda: np.concatenate(list(_encoded(encoding, _documents(text), threads)))


def encode_whole(text: str, vocabulary: str, threads: int) -> Action:
    """Encode a text in which documents are not told apart."""
    del threads
    encoding = open_encoding(vocabulary)

    def run() -> object:
        words = Path(text).read_bytes().decode()
        return encoding.encode_to_numpy(words, disallowed_special=()).astype(np.uint16)

    return run


def cache(text: str, vocabulary: str, threads: int, output: str) -> Action:
    """Write ids as nanoGPT prepares its data: one array, the end-of-text token between documents."""
    encoding = open_encoding(vocabulary)
    end = np.array([encoding.eot_token], np.uint16)

    def run() -> Path:
        # Like ours, without the line break after a delimiter, nor documents of white space alone.
        first, *others = _documents(text)
        documents = [first, *(document.removeprefix("\n") for document in others)]
        documents = [document for document in documents if document.strip()]
        parts = [part for ids in _encoded(encoding, documents, threads) for part in (end, ids)]
        np.save(output, np.concatenate(parts))
        return Path(output)

    return run


def decode(ids: str, vocabulary: str) -> Action:
    encoding, array = open_encoding(vocabulary), np.load(ids)
    return lambda: encoding.decode_bytes(array.tolist())


def _documents(text: str) -> list[str]:
    return Path(text).read_bytes().decode().split(SPECIAL)


def _encoded(encoding: Any, documents: list[str], threads: int) -> Iterable[Ids]:
    def encode_one(document: str) -> Ids:
        ids: npt.NDArray[np.uint32] = encoding.encode_to_numpy(document, disallowed_special=())
        return ids.astype(np.uint16)

    if threads == 1:
        return map(encode_one, documents)
    with ThreadPoolExecutor(threads) as pool:
        return pool.map(encode_one, documents)


def open_encoding(vocabulary: str) -> Any:
    lines = (Path(vocabulary) / "ranks.tiktoken").read_text(encoding="ascii").splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in map(str.split, lines)}
    pattern = import_module("tiktoken_ext.openai_public").r50k_pat_str
    return import_module("tiktoken").Encoding(
        "gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens={SPECIAL: len(ranks)}
    )
