"""What a tokenizer makes of whole files: arrays of ids, and the arrays of a token cache."""

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nano_transformer.errors import DataError
from nano_transformer.tokenization.backend import Progress, Span, TokenizerBackend
from nano_transformer.tokenization.definition import TokenizerDefinition
from nano_transformer.tokenization.streaming import EncodingErrors
from nano_transformer.tokenization.token_arrays import token_dtype
from nano_transformer.tokenization.vocabulary import check_thread_count, refuse_stand_ins

STRETCH_BYTES = 1 << 28
"""Text whose ids are in memory together when a file is encoded stretch by stretch."""

FileIds = npt.NDArray[np.unsignedinteger]
"""uint16 where the largest id fits, else uint32."""


class FileEncoding:
    """The methods of `Tokenizer` that read files."""

    definition: TokenizerDefinition
    _backend: TokenizerBackend

    def encode_file(
        self,
        path: str | PathLike[str],
        *,
        ordinary: bool = False,
        num_threads: int = 0,
        progress: Progress | None = None,
    ) -> FileIds:
        """Return the ids of a file, [N], as `encode` gives them for its bytes.

        Memory holds the ids and some 24 MiB a thread, or the longest stretch in which no cut is certain.

        Args:
            path: A file of any bytes; what is not UTF-8 is kept.
            ordinary: Treat special tokens in the text as any other text.
            num_threads: 0 means one for each core; Python's twin always takes one.
            progress: Called as `progress("encoding", bytes, bytes)` about five times a second.

        Returns:
            uint16 where the largest id fits, else uint32.

        Raises:
            DataError: When this is no file, or one that becomes shorter.
            OSError: When the file cannot be read.
        """
        stretches = list(
            self.encode_file_by_stretches(
                path, ordinary=ordinary, num_threads=num_threads, progress=progress
            )
        )
        return stretches[0] if len(stretches) == 1 else np.concatenate(stretches)

    def encode_file_by_stretches(
        self,
        path: str | PathLike[str],
        *,
        ordinary: bool = False,
        num_threads: int = 0,
        progress: Progress | None = None,
    ) -> Iterator[FileIds]:
        """Yield the ids of a file as `encode_file` does, those of some 256 MiB of text at a time."""
        check_thread_count(num_threads)
        path = Path(path)
        size, start = path.stat().st_size, 0
        if not path.is_file():
            raise DataError(f"`{path}` is no regular file; read it and encode its text")
        dtype = token_dtype(max(self.definition.vocab))
        while True:
            report = None if progress is None else _report_from(progress, start, size)
            token_ids, stop = self._backend.encode_file(
                str(path), start, STRETCH_BYTES, not ordinary, num_threads, report
            )
            yield np.frombuffer(token_ids, dtype)
            if stop >= size:
                return
            if stop == start:
                raise DataError(
                    f"`{path}` ends at byte {stop} or before, and had {size}; it is being changed by "
                    "something else"
                )
            start = stop

    def write_token_arrays(
        self,
        spans: Sequence[Span],
        tokens_path: Path,
        documents_path: Path,
        *,
        encoding_errors: EncodingErrors = "strict",
        held_out_below: int = 0,
        keep_held_out: bool = False,
        num_threads: int = 0,
        progress: Progress | None = None,
    ) -> tuple[int, int]:
        """Encode the documents in byte spans of files into two .npy files, as a token cache wants.

        Documents are what lies between end-of-text tokens, each span by itself; without that token
        each span is one document. `nano_transformer.data.token_cache` makes the files durable.

        Args:
            spans: Path, first byte and end of each stretch to read.
            tokens_path: Where the ids go, with the end-of-text token before each document.
            documents_path: Where the table of documents goes.
            encoding_errors: "strict", or "replace" to read malformed UTF-8 as U+FFFD.
            held_out_below: A document is held out when its content hash is below this, 0 to 2**64.
            keep_held_out: Whether to write the documents held out, or the others.
            num_threads: 0 means one for each core.
            progress: Called about five times a second.

        Returns:
            The number of tokens and of documents.

        Raises:
            DataError: When a file is not UTF-8 (strict) or ends before its span.
            ConfigError: When malformed bytes are to be replaced by what a special token holds.
            OSError: When a file cannot be read or written.
        """
        check_thread_count(num_threads)
        if encoding_errors == "replace":
            refuse_stand_ins(self.definition.special_tokens)
        eos_token = self.definition.eos_token
        return self._backend.write_token_arrays(
            spans,
            str(tokens_path),
            str(documents_path),
            None if eos_token is None else eos_token.encode(),
            encoding_errors == "replace",
            held_out_below,
            keep_held_out,
            num_threads,
            progress,
        )


def _report_from(progress: Progress, start: int, total: int) -> Progress:
    """Return a callback for a part of the work that begins at `start` of `total`."""
    return lambda stage, done, _: progress(stage, start + done, total)
