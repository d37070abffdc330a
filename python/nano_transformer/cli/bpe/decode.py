"""nanot-bpe decode: token ids back to exactly the bytes they stand for."""

import dataclasses
import sys
from pathlib import Path
from typing import BinaryIO

from nano_transformer import files
from nano_transformer.cli.bpe.streams import open_input, refuse_existing
from nano_transformer.cli.bpe.tokenizer_flags import TokenizerFlags
from nano_transformer.cli.console import logger
from nano_transformer.tokenization.file_ids import read_token_ids


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodeFlags(TokenizerFlags):
    """Turn token ids back into text, byte for byte.

    Ids come as a .npy file (of `nanot-bpe encode` or a token cache) or as numbers.
    """

    input_path: Path | None = None
    """A .npy file, or a text of ids with white space between them; default: stdin."""
    output_path: Path | None = None
    """File for the text; default: stdout."""
    overwrite: bool = False
    """Replace the file if it is there."""


def decode(flags: DecodeFlags) -> None:
    """Run the command."""
    tokenizer = flags.open_tokenizer()
    name = "stdin" if flags.input_path is None else f"`{flags.input_path}`"

    def write(output: BinaryIO) -> None:
        with open_input(flags.input_path) as file:
            for token_ids in read_token_ids(file, name):
                output.write(tokenizer.decode_bytes(token_ids))

    if flags.output_path is None:
        write(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    refuse_existing([flags.output_path], flags.overwrite)
    files.write_atomically(flags.output_path, write)
    logger.info("%s bytes: `%s`", f"{flags.output_path.stat().st_size:,}", flags.output_path)
