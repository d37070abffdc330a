"""nanot-bpe export: a tokenizer in the format of another library."""

import dataclasses
from pathlib import Path
from typing import Literal

from nano_transformer.cli.bpe.streams import refuse_existing
from nano_transformer.cli.bpe.tokenizer_flags import TokenizerFlags
from nano_transformer.cli.console import logger
from nano_transformer.errors import ConfigError

FileFormat = Literal["gpt2", "tiktoken", "huggingface", "own"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportFlags(TokenizerFlags):
    """Write a tokenizer in the format of another library.

    gpt2 is vocab.json and merges.txt, tiktoken a file of ranks; neither tells the pattern or which
    tokens are special. huggingface is a tokenizer.json, own the one file that tells everything.
    """

    format: FileFormat | None = None
    """What to write."""
    output_path: Path | None = None
    """Where it goes: a file, or for gpt2 the folder of the two files."""
    overwrite: bool = False
    """Replace files that are there."""

    def __post_init__(self) -> None:
        """Refuse to guess."""
        super().__post_init__()
        if self.format is None or self.output_path is None:
            raise ConfigError(
                "an export needs --format (gpt2, tiktoken, huggingface or own) and --output-path"
            )


def export(flags: ExportFlags) -> None:
    """Run the command."""
    assert flags.output_path is not None, "the flags were checked"
    tokenizer, path = flags.open_tokenizer(), flags.output_path
    if flags.format == "gpt2":
        if path.exists() and not path.is_dir():
            raise ConfigError(f"`{path}` is a file; the format gpt2 needs a folder for two files")
        paths = [path / "vocab.json", path / "merges.txt"]
    else:
        paths = [path]
    refuse_existing(paths, flags.overwrite)
    match flags.format:
        case "gpt2":
            tokenizer.save_gpt2(*paths)
        case "tiktoken":
            tokenizer.save_tiktoken(path)
        case "huggingface":
            tokenizer.save_huggingface(path)
        case _:
            tokenizer.save(path)
    names = ", ".join(f"`{path}`" for path in paths)
    logger.info("%s entries in the format %s: %s", f"{len(tokenizer):,}", flags.format, names)
    if flags.format in ("gpt2", "tiktoken"):
        logger.info(
            "the format does not tell: pattern %s, special tokens %s",
            tokenizer.pattern,
            ", ".join(f"{name}={tokenizer.token_to_id(name)}" for name in tokenizer.special_tokens)
            or "none",
        )
