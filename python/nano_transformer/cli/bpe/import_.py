"""nanot-bpe import: a tokenizer of another library as one file of ours."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from nano_transformer.cli.bpe.export import FileFormat
from nano_transformer.cli.bpe.streams import refuse_existing
from nano_transformer.cli.console import logger
from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN
from nano_transformer.tokenization.tokenizer import Tokenizer
from nano_transformer.tokenization.vocabulary import END_OF_TEXT


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportFlags:
    """Turn the tokenizer of another library into one file that tells everything.

    gpt2 and tiktoken files know neither the pattern nor the special tokens: say them by --pattern
    and --special-tokens.
    """

    input_path: Path | None = None
    """What to read: a tokenizer.json, a .tiktoken file, or a folder with vocab.json and merges.txt."""
    format: FileFormat | None = None
    """What it is; default: what its name says."""
    pattern: str | None = None
    """What cuts text into pre-tokens: gpt2 (the default for gpt2 files), gpt4, gpt4o or a regular
    expression."""
    special_tokens: tuple[str, ...] | None = None
    """Special tokens: of tiktoken as NAME=ID each, or as NAME to be appended; of gpt2 as NAME
    (default <|endoftext|>)."""
    output_path: Path | None = None
    """The file to write."""
    overwrite: bool = False
    """Replace the file if it is there."""

    def __post_init__(self) -> None:
        """Refuse what is not said, and what the file itself says."""
        if self.input_path is None or self.output_path is None:
            raise ConfigError("an import needs --input-path and --output-path")
        kind = self.found_format()
        if kind == "tiktoken" and self.pattern is None:
            raise ConfigError(
                "a .tiktoken file does not say its pattern; give --pattern (gpt2, gpt4, gpt4o or a "
                "regular expression), and --special-tokens NAME=ID where there are some"
            )
        for name in ("pattern", "special_tokens"):
            if kind in ("huggingface", "own") and getattr(self, name) is not None:
                raise ConfigError(f"`{name}` is in the file of format {kind}; leave it out")

    def found_format(self) -> FileFormat:
        """Return the format given, else the one that the name of the input tells."""
        path = self.input_path
        if self.format is not None or path is None:
            return self.format or "own"
        if path.suffix == ".tiktoken":
            return "tiktoken"
        is_pair = (path / "vocab.json").exists() and not (path / "tokenizer.json").exists()
        return "gpt2" if is_pair else "huggingface"


def import_(flags: ImportFlags) -> None:
    """Run the command."""
    assert flags.input_path is not None, "the flags were checked"
    assert flags.output_path is not None, "the flags were checked"
    refuse_existing([flags.output_path], flags.overwrite)
    path, pattern = flags.input_path, flags.pattern or DEFAULT_PATTERN
    match flags.found_format():
        case "gpt2":
            specials = (END_OF_TEXT,) if flags.special_tokens is None else flags.special_tokens
            pair = path / "vocab.json", path / "merges.txt"
            tokenizer = Tokenizer.from_files(*pair, special_tokens=specials, pattern=pattern)
        case "tiktoken":
            ids = _special_ids(flags.special_tokens or ())
            tokenizer = Tokenizer.from_tiktoken(path, pattern=pattern, special_tokens=ids)
        case _:
            tokenizer = Tokenizer.load(path)
    tokenizer.save(flags.output_path)
    logger.info("%s entries: `%s`", f"{len(tokenizer):,}", flags.output_path)


def _special_ids(words: Sequence[str]) -> Mapping[str, int] | Sequence[str]:
    """Read NAME=ID for all special tokens, or NAME for all of them."""
    split = [word.rpartition("=") for word in words]
    with_ids = {name: int(number) for name, _, number in split if name and number.isdecimal()}
    if with_ids and len(with_ids) < len(words):
        raise ConfigError("some special tokens have an id and some none; give NAME=ID for all")
    return with_ids or list(words)
