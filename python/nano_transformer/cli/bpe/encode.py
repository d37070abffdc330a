"""nanot-bpe encode: text to token ids, in a .npy file or on stdout."""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nano_transformer.cli.bpe.streams import open_input, refuse_existing
from nano_transformer.cli.bpe.tokenizer_flags import TokenizerFlags
from nano_transformer.cli.console import Progress, logger
from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.file_ids import (
    encode_blocks,
    ids_as_text,
    read_blocks,
    save_token_ids,
)
from nano_transformer.tokenization.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncodeFlags(TokenizerFlags):
    """Turn text into token ids: a .npy file, or numbers on stdout.

    Any bytes will do, and none is lost. The numbers stand on one line with spaces between them.
    """

    input_path: tuple[Path, ...] = ()
    """Text files, each encoded by itself and their ids joined; default: stdin."""
    output_path: Path | None = None
    """A .npy file for the ids, uint16 where the vocabulary allows, else uint32."""
    ordinary: bool = False
    """Treat special tokens in the text as any other text."""
    num_threads: int = 0
    """Threads; 0: one per core."""
    overwrite: bool = False
    """Replace the file if it is there."""

    def __post_init__(self) -> None:
        """Refuse another kind of output file."""
        super().__post_init__()
        if self.output_path is not None and self.output_path.suffix != ".npy":
            raise ConfigError(
                f"`output_path` must end in `.npy`, found `{self.output_path}`; "
                "without it the ids go to stdout"
            )


def encode(flags: EncodeFlags) -> None:
    """Run the command."""
    tokenizer = flags.open_tokenizer()
    arrays = _encode_inputs(tokenizer, flags)
    if flags.output_path is None:
        for text in ids_as_text(arrays):
            sys.stdout.write(text)
        return
    refuse_existing([flags.output_path], flags.overwrite)
    count = save_token_ids(flags.output_path, arrays, tokenizer.vocab_size)
    logger.info("%s ids: `%s`", f"{count:,}", flags.output_path)


def _encode_inputs(tokenizer: Tokenizer, flags: EncodeFlags) -> Iterator[npt.NDArray[np.integer]]:
    progress = Progress()
    for path in flags.input_path or [None]:
        if path is not None and path.is_file():
            yield from tokenizer.encode_file_by_stretches(
                path, ordinary=flags.ordinary, num_threads=flags.num_threads, progress=progress
            )
            continue
        with open_input(path) as file:
            yield from encode_blocks(
                tokenizer,
                read_blocks(file),
                ordinary=flags.ordinary,
                num_threads=flags.num_threads,
            )
