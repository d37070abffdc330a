"""When a token cache fits its texts and tokenizer, and how one is built that does."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from threading import Event

import numpy as np

from nano_transformer import files
from nano_transformer.data.cache_record import (
    DIGEST_BLOCK_BYTES,
    FORMAT_VERSION,
    CachePaths,
    CacheRecord,
    DigestsRecord,
    OptionsRecord,
    SourceRecord,
    TokenizerRecord,
    differing_options,
    read_record,
    write_record,
)
from nano_transformer.data.token_dataset import TokenDataset, open_token_cache
from nano_transformer.errors import DataError
from nano_transformer.tokenization.backend import Progress, Span
from nano_transformer.tokenization.inputs import check_text_file
from nano_transformer.tokenization.streaming import EncodingErrors
from nano_transformer.tokenization.token_arrays import DOCUMENT_DTYPE, documents_header
from nano_transformer.tokenization.tokenizer import Tokenizer

__all__ = ["TokenDataset", "build_token_cache", "open_or_build_token_cache", "open_token_cache"]

AnySpan = tuple[str | PathLike[str], int, int]

LOCK_SECONDS = 6 * 3600.0
"""How long to wait while another process builds the same cache: as long as a large text takes."""


def open_or_build_token_cache(
    tokenizer: Tokenizer,
    spans: Sequence[AnySpan],
    cache_path: str | PathLike[str],
    *,
    encoding_errors: EncodingErrors = "strict",
    held_out_share: float = 0.0,
    keep_held_out: bool = False,
    num_threads: int = 0,
    force_rebuild: bool = False,
    on_event: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> TokenDataset:
    """Open the token cache when it fits tokenizer, texts and options, else build it anew.

    A text of the recorded path, size and time of change is taken as unchanged; when only the size
    agrees, its SHA-256 decides. Of several processes that want the same cache one builds it, the
    others wait and open it.

    Args:
        tokenizer: As for `build_token_cache`, like all that is not named here.
        spans: Stretches of text files.
        cache_path: Where the tokens are, `x.npy`.
        encoding_errors: What to do about malformed UTF-8.
        held_out_share: Share of the documents that is held out.
        keep_held_out: Which side of the hold-out is wanted.
        num_threads: 0 means one for each core.
        force_rebuild: Build even when the cache fits.
        on_event: Called with one sentence that says why the cache is built.
        progress: Called about five times a second while it is.

    Raises:
        DataError: When a text is missing, a folder, empty, malformed or without documents.
    """
    wanted = _describe(tokenizer, spans, encoding_errors, held_out_share, keep_held_out)
    path = Path(cache_path)
    found = (
        "a rebuild was asked for" if force_rebuild else _open_if_fitting(path, wanted, tokenizer)
    )
    if isinstance(found, TokenDataset):
        return found
    with files.exclusive(path, timeout_seconds=LOCK_SECONDS):
        if not force_rebuild:
            found = _open_if_fitting(path, wanted, tokenizer)
        if isinstance(found, TokenDataset):
            return found
        if on_event:
            on_event(f"building the token cache `{path}`: {found}")
        _write(tokenizer, wanted, path, num_threads, progress)
        return open_token_cache(path, tokenizer=tokenizer)


def build_token_cache(
    tokenizer: Tokenizer,
    spans: Sequence[AnySpan],
    cache_path: str | PathLike[str],
    *,
    encoding_errors: EncodingErrors = "strict",
    held_out_share: float = 0.0,
    keep_held_out: bool = False,
    num_threads: int = 0,
    progress: Progress | None = None,
) -> TokenDataset:
    """Encode the documents in stretches of text files into `x.npy`, `x.documents.npy`, `x.json`.

    Documents are what lies between end-of-text tokens; those of ASCII white space alone are left
    out. Which of them are held out depends on nothing but their bytes, so that a text that grows
    keeps its split. The files replace an older cache only when all of them are on disk.

    Args:
        tokenizer: What makes ids of text; each document begins with its end-of-text token.
        spans: Path, first byte and end of each stretch.
        cache_path: Where the tokens go, `x.npy`.
        encoding_errors: "strict", or "replace" to read malformed UTF-8 as U+FFFD.
        held_out_share: Share of the documents that is held out, at least 0 and below 1.
        keep_held_out: Whether to write the documents held out, or all others.
        num_threads: Threads that encode; 0 means one for each core. Hashing takes cores of its own.
        progress: Called as `progress("encoding", bytes, bytes)` about five times a second.

    Raises:
        DataError: When a text is missing, a folder, empty, malformed, without documents, or changes
            while it is read.
        ConfigError: When an option cannot work.
        OSError: When the disk is full or a file cannot be read; an older cache stays.
    """
    wanted = _describe(tokenizer, spans, encoding_errors, held_out_share, keep_held_out)
    path = Path(cache_path)
    with files.exclusive(path, timeout_seconds=LOCK_SECONDS):
        _write(tokenizer, wanted, path, num_threads, progress)
        return open_token_cache(path, tokenizer=tokenizer)


@dataclass(frozen=True)
class _Wanted:
    """What a cache must have been made from."""

    tokenizer: TokenizerRecord
    sources: tuple[SourceRecord, ...]  # without digests: hashing waits until it is needed
    inodes: tuple[int, ...]
    spans: tuple[tuple[int, int, int], ...]
    options: OptionsRecord

    def spans_by_path(self) -> list[Span]:
        return [(self.sources[source].path, start, stop) for source, start, stop in self.spans]


def _describe(
    tokenizer: Tokenizer,
    spans: Sequence[AnySpan],
    encoding_errors: EncodingErrors,
    held_out_share: float,
    keep_held_out: bool,
) -> _Wanted:
    options = OptionsRecord(
        encoding_errors=encoding_errors,
        held_out_share=held_out_share,
        keep_held_out=keep_held_out,
    )
    paths = list(dict.fromkeys(fspath(path) for path, _, _ in spans))
    if not paths:
        raise DataError("a token cache needs at least one text file; none was given")
    identities = [_identify(path) for path in paths]
    for path, start, stop in spans:
        size = identities[paths.index(fspath(path))][0].size
        if not 0 <= start <= stop <= size:
            raise DataError(f"bytes {start} to {stop} do not lie in `{path}`, which has {size}")
    return _Wanted(
        tokenizer=TokenizerRecord(
            digest=tokenizer.digest,
            vocab_size=tokenizer.vocab_size,
            end_of_text_id=tokenizer.end_of_text_id,
        ),
        sources=tuple(source for source, _ in identities),
        inodes=tuple(inode for _, inode in identities),
        spans=tuple((paths.index(fspath(path)), start, stop) for path, start, stop in spans),
        options=options,
    )


def _identify(path: str) -> tuple[SourceRecord, int]:
    check_text_file(Path(path))
    status = Path(path).stat()
    source = SourceRecord(path=path, size=status.st_size, mtime_ns=status.st_mtime_ns, sha256="")
    return source, status.st_ino


def _open_if_fitting(cache_path: Path, wanted: _Wanted, tokenizer: Tokenizer) -> TokenDataset | str:
    """Return the cache at `cache_path`, or why it cannot be used."""
    paths = CachePaths.of(cache_path)
    if not any(path.exists() for path in paths):
        return "there is none yet"
    try:
        record = read_record(paths.record)
        reason = _misfit(record, wanted)
        if reason is not None:
            return reason
        dataset = open_token_cache(cache_path, tokenizer=tokenizer)
    except DataError as error:
        return str(error)
    # A text may have moved since; tokens are traced to where it is now.
    return replace(dataset, sources=tuple(source.path for source in wanted.sources))


def _misfit(record: CacheRecord, wanted: _Wanted) -> str | None:
    """Return why a cache does not fit, or None."""
    if record.tokenizer != wanted.tokenizer:
        return "the one found was made with another tokenizer"
    if differences := differing_options(record.options, wanted.options):
        return f"the one found was made with {', '.join(differences)}"
    if record.spans != wanted.spans or len(record.sources) != len(wanted.sources):
        return "the one found was made from other files or other parts of them"
    for found, source in zip(record.sources, wanted.sources, strict=True):
        if source == replace(found, sha256=""):
            continue
        same_size = source.size == found.size
        if not same_size or files.sha256_of_file(Path(source.path)) != found.sha256:
            return f"`{source.path}` is not the text that the one found was made from"
    return None


def _write(
    tokenizer: Tokenizer,
    wanted: _Wanted,
    cache_path: Path,
    num_threads: int,
    progress: Progress | None,
) -> None:
    """Write a whole cache; the caller holds its lock."""
    paths = CachePaths.of(cache_path)
    for path in paths:
        files.remove_leftovers(path)  # the lock was free, so no other build is running
    tokens, documents = files.partial_path(paths.tokens), files.partial_path(paths.documents)
    try:
        record = _write_arrays(tokenizer, wanted, tokens, documents, num_threads, progress)
        # Without its record the old set counts as absent, so no crash can pair it with new arrays.
        paths.record.unlink(missing_ok=True)
        files.sync_folder(paths.record.parent)
        files.commit(tokens, paths.tokens)
        files.commit(documents, paths.documents)
        write_record(paths.record, record)
    finally:
        tokens.unlink(missing_ok=True)
        documents.unlink(missing_ok=True)


def _write_arrays(
    tokenizer: Tokenizer,
    wanted: _Wanted,
    tokens: Path,
    documents: Path,
    num_threads: int,
    progress: Progress | None,
) -> CacheRecord:
    """Write both arrays durably, and describe them."""
    is_cancelled = Event()
    # Threads that wait for the disk or a free core: one hashes the texts while they are encoded, then the
    # arrays are flushed while they are hashed.
    with ThreadPoolExecutor(max_workers=2) as pool:
        try:
            hashing = pool.submit(_hash_sources, wanted, is_cancelled)
            num_tokens, num_documents = tokenizer.write_token_arrays(
                wanted.spans_by_path(),
                tokens,
                documents,
                encoding_errors=wanted.options.encoding_errors,
                held_out_below=wanted.options.held_out_below,
                keep_held_out=wanted.options.keep_held_out,
                num_threads=num_threads,
                progress=progress,
            )
            if num_documents == 0:
                raise DataError(_no_documents(wanted))
            syncing = [pool.submit(_sync_file, partial) for partial in (tokens, documents)]
            digests = _digests(tokens, documents)
            for synced in syncing:
                synced.result()
            sources = hashing.result()
        except BaseException:
            is_cancelled.set()
            raise
    return _record(wanted, sources, digests, documents, num_tokens, num_documents)


def _hash_sources(wanted: _Wanted, is_cancelled: Event) -> tuple[SourceRecord, ...]:
    """Return the texts with their digests, unless that is cancelled."""

    def check() -> None:
        if is_cancelled.is_set():
            raise CancelledError

    return tuple(
        replace(source, sha256=files.sha256_of_file(Path(source.path), check))
        for source in wanted.sources
    )


def _digests(tokens: Path, documents: Path) -> DigestsRecord:
    return DigestsRecord(
        block_bytes=DIGEST_BLOCK_BYTES,
        tokens=tuple(files.sha256_of_blocks(tokens, DIGEST_BLOCK_BYTES)),
        documents=tuple(files.sha256_of_blocks(documents, DIGEST_BLOCK_BYTES)),
    )


def _record(
    wanted: _Wanted,
    sources: tuple[SourceRecord, ...],
    digests: DigestsRecord,
    documents: Path,
    num_tokens: int,
    num_documents: int,
) -> CacheRecord:
    """Describe freshly written arrays, once it is sure that the texts stayed what they were."""
    for source, inode in zip(wanted.sources, wanted.inodes, strict=True):
        if _identify(source.path) != (source, inode):
            raise DataError(
                f"`{source.path}` changed while reading; build the token cache again when nothing "
                "writes to it any more"
            )
    table = np.memmap(documents, DOCUMENT_DTYPE, mode="r", offset=len(documents_header(0)))
    return CacheRecord(
        format_version=FORMAT_VERSION,
        dtype="uint16" if wanted.tokenizer.vocab_size <= 1 << 16 else "uint32",
        num_tokens=num_tokens,
        num_documents=num_documents,
        num_bytes=int(table["byte_length"].sum()),
        tokenizer=wanted.tokenizer,
        sources=sources,
        spans=wanted.spans,
        options=wanted.options,
        digests=digests,
    )


def _no_documents(wanted: _Wanted) -> str:
    names = ", ".join(f"`{source.path}`" for source in wanted.sources)
    share = wanted.options.held_out_share
    if share == 0:
        return f"{names} holds no documents, only white space between delimiters; give another text"
    side = "held out" if wanted.options.keep_held_out else "left"
    return (
        f"no document of {names} is {side} with `held_out_share` {share}; choose another share, or "
        "give a text of more documents"
    )


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
