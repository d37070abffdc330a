"""How a BPE vocabulary is learnt from text: the public function, for either backend."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.backend import BackendKind, PreTokenCounter, Progress
from nano_transformer.tokenization.backend_choice import create_counter
from nano_transformer.tokenization.counts_file import PreTokenCounts, load_counts
from nano_transformer.tokenization.inputs import FilePath, Inputs, expand_inputs, streamed_texts
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN, check_pattern
from nano_transformer.tokenization.streaming import EncodingErrors
from nano_transformer.tokenization.throttle import throttled
from nano_transformer.tokenization.vocabulary import (
    check_thread_count,
    refuse_stand_ins,
    text_bytes,
)

logger = logging.getLogger("nano_transformer")

TieBreak = Literal["bytes", "huggingface"]

BATCH_BYTES = 8 << 20
"""How much of streamed texts is handed over for counting at a time."""


def train_bpe(
    input_path: FilePath | Sequence[FilePath] | None = None,
    vocab_size: int = 10_000,
    special_tokens: Sequence[str] = ("<|endoftext|>",),
    *,
    texts: Iterable[str | bytes] | None = None,
    counts_paths: Sequence[FilePath] = (),
    pattern: str = DEFAULT_PATTERN,
    tie_break: TieBreak = "bytes",
    min_frequency: int = 1,
    text_field: str = "text",
    backend: BackendKind = "auto",
    encoding_errors: EncodingErrors = "strict",
    num_threads: int = 0,
    progress: Progress | None = None,
) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]]]:
    """Learn a byte-level BPE vocabulary from files, from texts in memory or from counts.

    Special tokens cut the text before anything is counted. Then the most frequent pair of
    neighbours within a pre-token merges, again and again. A pair whose joined bytes are a token
    already never does. The result depends on neither backend, threads nor the order of texts.

    Args:
        input_path: A file, a folder, a glob pattern, or several; `.gz` and `.zst` are unpacked, and
            `.jsonl` holds a text a line. Each is read in bounded memory.
        vocab_size: Ids wanted: 256 bytes, then merges, then special tokens.
        special_tokens: Strings that get one id each and never merge.
        texts: Texts in memory instead of `input_path`.
        counts_paths: Files of counts (see `count_pre_tokens`), alone or besides texts.
        pattern: What cuts a text into the pre-tokens that merges stay within.
        tie_break: Which of equally frequent pairs merges: "bytes", the lexicographically greatest pair
            of byte strings; "huggingface", the one that its library takes.
        min_frequency: Pairs that occur less often do not merge.
        text_field: Where the text is in a line of JSON.
        backend: As for `Tokenizer`.
        encoding_errors: "strict", or "replace" to read malformed UTF-8 as U+FFFD.
        num_threads: 0 means one for each core; the Python twin always takes one.
        progress: Called with ("counting", bytes, bytes) and ("merging", merges, merges).

    Returns:
        Bytes of each id, and the merges in the order learnt. Both are shorter than asked for when
        the text has no pair left to merge; a warning is logged then.

    Raises:
        ConfigError: When `vocab_size` has no room for the bytes and special tokens, or another option
            cannot work.
        DataError: When a file is missing, empty, damaged or not UTF-8.

    Example:
        >>> vocab, merges = train_bpe(texts=["low lower"], vocab_size=259, backend="python")
        >>> merges
        [(b'o', b'w'), (b'l', b'ow')]
        >>> vocab[258]
        b'<|endoftext|>'
    """
    specials = [text_bytes(token) for token in dict.fromkeys(special_tokens)]
    # A special token of one byte has that byte's id already.
    added = [token for token in specials if len(token) > 1]
    num_merges = vocab_size - 256 - len(added)
    if num_merges < 0:
        raise ConfigError(
            f"`vocab_size` is {vocab_size}; it must be at least {256 + len(added)}: 256 bytes and "
            f"{len(added)} special tokens"
        )
    if tie_break not in ("bytes", "huggingface"):
        raise ConfigError(f'`tie_break` is {tie_break!r}; it must be "bytes" or "huggingface"')
    if not 0 <= min_frequency < 1 << 64:
        raise ConfigError(f"`min_frequency` is {min_frequency}; it must be at least 0")
    counter = _count(
        input_path,
        texts,
        counts_paths,
        PreTokenCounts(
            pattern=pattern, special_tokens=tuple(dict.fromkeys(special_tokens)), pieces=[]
        ),
        text_field=text_field,
        backend=backend,
        errors=encoding_errors,
        num_threads=num_threads,
        progress=progress,
    )
    merges = counter.learn_merges(num_merges, tie_break, min_frequency, progress)
    if len(merges) < num_merges:
        logger.warning(
            "the text yields only %s of %s merges, so the vocabulary has %s entries instead of %s",
            *(f"{n:,}" for n in (len(merges), num_merges, vocab_size - num_merges + len(merges))),
            f"{vocab_size:,}",
        )
    vocab = {byte: bytes([byte]) for byte in range(256)}
    for token in [left + right for left, right in merges] + added:
        vocab[len(vocab)] = token
    return vocab, merges


def count_pre_tokens(
    input_path: FilePath | Sequence[FilePath] | None = None,
    special_tokens: Sequence[str] = ("<|endoftext|>",),
    *,
    texts: Iterable[str | bytes] | None = None,
    pattern: str = DEFAULT_PATTERN,
    text_field: str = "text",
    backend: BackendKind = "auto",
    encoding_errors: EncodingErrors = "strict",
    num_threads: int = 0,
    progress: Progress | None = None,
) -> PreTokenCounts:
    """Count the pre-tokens of texts, for `train_bpe(counts_paths=...)` to add up.

    Arguments and errors are those of `train_bpe`, and so is the result of training from the counts of
    all parts of a corpus.
    """
    wanted = PreTokenCounts(
        pattern=pattern, special_tokens=tuple(dict.fromkeys(special_tokens)), pieces=[]
    )
    counter = _count(
        input_path,
        texts,
        (),
        wanted,
        text_field=text_field,
        backend=backend,
        errors=encoding_errors,
        num_threads=num_threads,
        progress=progress,
    )
    wanted.pieces.extend(counter.items())
    return wanted


def _count(
    input_path: FilePath | Sequence[FilePath] | None,
    texts: Iterable[str | bytes] | None,
    counts_paths: Sequence[FilePath],
    wanted: PreTokenCounts,
    *,
    text_field: str,
    backend: BackendKind,
    errors: EncodingErrors,
    num_threads: int,
    progress: Progress | None,
) -> PreTokenCounter:
    """Count whatever is given, cut as `wanted` says."""
    check_pattern(wanted.pattern)
    check_thread_count(num_threads)
    if errors not in ("strict", "replace"):
        raise ConfigError(f'`encoding_errors` is {errors!r}; it must be "strict" or "replace"')
    for token in wanted.special_tokens:
        if not token:
            raise ConfigError("`special_tokens` holds an empty string; give each one a character")
    if errors == "replace":
        refuse_stand_ins(wanted.special_tokens)
    given = sum((input_path is not None, texts is not None))
    if given > 1 or (given == 0 and not counts_paths):
        raise ConfigError(
            "give either `input_path` or `texts`, and one of them unless there are counts"
        )
    specials = [text_bytes(token) for token in wanted.special_tokens]
    counter = create_counter(backend, wanted.pattern, specials)
    replace = errors == "replace"
    if texts is not None:
        several = [texts] if isinstance(texts, str | bytes) else texts
        data = [text_bytes(text) for text in several]
        counter.count_texts(data, 1, replace, num_threads, progress)
    if input_path is not None:
        inputs = expand_inputs(input_path)
        if inputs.plain:
            paths = [str(path) for path in inputs.plain]
            counter.count_files(paths, replace, num_threads, progress)
        batches = _streamed_batches(inputs, wanted, text_field, errors, progress)
        for first_number, batch in batches:
            counter.count_texts(batch, first_number, False, num_threads, None)
    for path in counts_paths:
        counter.add(load_counts(Path(path), wanted).pieces)
    return counter


def _streamed_batches(
    inputs: Inputs,
    wanted: PreTokenCounts,
    text_field: str,
    errors: EncodingErrors,
    progress: Progress | None,
) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the number of the first text and the texts, a few MiB at a time."""
    sizes = [path.stat().st_size for path in inputs.streamed]
    report = throttled(progress, "counting", sum(sizes))
    number, batch, batch_bytes, done = 1, [], 0, 0
    for path, size in zip(inputs.streamed, sizes, strict=True):
        texts = streamed_texts(
            path,
            text_field=text_field,
            special_tokens=wanted.special_tokens,
            pattern=wanted.pattern,
            errors=errors,
            report=lambda read, before=done: report(before + read),  # type: ignore[misc]
        )
        for text in texts:
            batch.append(text)
            batch_bytes += len(text)
            if batch_bytes >= BATCH_BYTES:
                yield number, batch
                number, batch, batch_bytes = number + len(batch), [], 0
        done += size
    if batch:
        yield number, batch
