"""How a BPE vocabulary is learnt from text: the public function, for either backend."""

from collections.abc import Iterable, Sequence
from os import PathLike, fspath
from pathlib import Path

from nano_transformer.errors import ConfigError, DataError
from nano_transformer.tokenization.backend import BackendKind, Progress
from nano_transformer.tokenization.backend_choice import require_module
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN, check_pattern
from nano_transformer.tokenization.reference_training import learn_merges_from
from nano_transformer.tokenization.streaming import EncodingErrors
from nano_transformer.tokenization.vocabulary import text_bytes

FilePath = str | PathLike[str]


def train_bpe(
    input_path: FilePath | Sequence[FilePath] | None = None,
    vocab_size: int = 10_000,
    special_tokens: Sequence[str] = ("<|endoftext|>",),
    *,
    pattern: str = DEFAULT_PATTERN,
    texts: Iterable[str | bytes] | None = None,
    backend: BackendKind = "auto",
    encoding_errors: EncodingErrors = "strict",
    num_threads: int = 0,
    progress: Progress | None = None,
) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]]]:
    """Learn a byte-level BPE vocabulary from files or from texts in memory.

    Special tokens cut the text before anything is counted. Then the most frequent pair of
    neighbours within a pre-token merges, again and again; ties go to the lexicographically greatest
    pair of byte strings. The result depends on neither backend nor threads.

    Args:
        input_path: A file, or several; each is read in bounded memory.
        vocab_size: Ids wanted: 256 bytes, then merges, then special tokens.
        special_tokens: Strings that get one id each and never merge.
        pattern: What cuts the text into the pre-tokens that merges stay within.
        texts: Texts in memory instead of `input_path`.
        backend: As for `Tokenizer`.
        encoding_errors: "strict", or "replace" to read malformed UTF-8 as U+FFFD.
        num_threads: 0 means one for each core; the Python twin always takes one.
        progress: Called with ("counting", bytes, bytes) and ("merging", merges, merges).

    Returns:
        Bytes of each id, and the merges in the order learnt. Both are shorter than asked for when
        the text has no pair left to merge.

    Raises:
        ConfigError: When `vocab_size` has no room for the bytes and special tokens.
        DataError: When a file is missing, a folder, empty or not UTF-8.

    Example:
        >>> vocab, merges = train_bpe(texts=["low lower"], vocab_size=259, backend="python")
        >>> merges
        [(b'o', b'w'), (b'l', b'ow')]
        >>> vocab[258]
        b'<|endoftext|>'
    """
    specials = [text_bytes(token) for token in dict.fromkeys(special_tokens)]
    if b"" in specials:
        raise ConfigError("`special_tokens` holds an empty string; give each one a character")
    # A special token of one byte has that byte's id already.
    added = [token for token in specials if len(token) > 1]
    num_merges = vocab_size - 256 - len(added)
    if num_merges < 0:
        raise ConfigError(
            f"`vocab_size` is {vocab_size}; it must be at least {256 + len(added)}: 256 bytes and "
            f"{len(added)} special tokens"
        )
    check_pattern(pattern)
    sources = _check_sources(input_path, texts)
    replace = encoding_errors == "replace"
    module = require_module(backend)
    if module is None:
        merges = learn_merges_from(
            sources, num_merges, specials, pattern, encoding_errors, progress
        )
    else:
        merges = module.train_bpe(
            sources, num_merges, specials, pattern, replace, num_threads, progress
        )
    vocab = {byte: bytes([byte]) for byte in range(256)}
    for token in [left + right for left, right in merges] + added:
        vocab[len(vocab)] = token
    return vocab, merges


def _check_sources(
    input_path: FilePath | Sequence[FilePath] | None, texts: Iterable[str | bytes] | None
) -> list[str] | list[bytes]:
    """Return paths of readable files, or texts as bytes."""
    if (input_path is None) == (texts is None):
        raise ConfigError("train_bpe takes either `input_path` or `texts`, and exactly one of them")
    if texts is not None:
        return [text_bytes(text) for text in ([texts] if isinstance(texts, str | bytes) else texts)]
    assert input_path is not None, "one of the two was given"
    paths = [input_path] if isinstance(input_path, str | PathLike) else list(input_path)
    if not paths:
        raise DataError("`input_path` names no file; give at least one")
    for path in paths:
        check_text_file(Path(path))
    return [fspath(path) for path in paths]


def check_text_file(path: Path) -> int:
    """Return the size in bytes of a text file that has one.

    Raises:
        DataError: When it is missing, a folder or empty.
    """
    if path.is_dir():
        raise DataError(f"`{path}` is a folder; give a text file")
    if not path.exists():
        raise DataError(f"text file `{path}` does not exist; check the path")
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"text file `{path}` is empty; a text is needed")
    return size
