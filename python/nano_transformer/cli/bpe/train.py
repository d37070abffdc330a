"""nanot-bpe train: learn a vocabulary and its merges from text or from counts."""

import dataclasses
from pathlib import Path
from typing import Literal

from nano_transformer.cli.bpe.learning import Learning, learn, learn_named
from nano_transformer.cli.bpe.streams import refuse_existing
from nano_transformer.data.tokenizer_choice import derived_name, tokenizer_paths
from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN
from nano_transformer.tokenization.vocabulary import END_OF_TEXT


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainFlags:
    """Learn a vocabulary and merges from text, or from counts of it.

    Without --input-path and --counts the tokenizers of the named datasets whose files are there are
    trained, else the demo's.
    """

    input_path: tuple[Path, ...] = ()
    """Text to learn from: files, folders or patterns such as 'shards/*.jsonl.zst'; .gz and .zst are
    unpacked, of .jsonl one field is taken."""
    counts: tuple[Path, ...] = ()
    """Files of `nanot-bpe count`, which are added up; with or without --input-path."""
    vocab_size: int | None = None
    """Entries: 256 bytes, the merges, the special tokens
    (own text 4,096; demo 1,024; tinystories 10,000; owt 32,000)."""
    special_tokens: tuple[str, ...] = (END_OF_TEXT,)
    """Strings that are one token each; text is cut at them before counting."""
    pattern: str = DEFAULT_PATTERN
    """What cuts text into pre-tokens: gpt2, gpt4, gpt4o, or a regular expression."""
    tie_break: Literal["bytes", "huggingface"] = "bytes"
    """Which of equally frequent pairs merges: the greatest as bytes, or Hugging Face's choice."""
    min_frequency: int = 1
    """Stop when the best pair is rarer than this."""
    text_field: str = "text"
    """Where the text is in a line of JSONL."""
    tokenizer_path: Path | None = None
    """Write one file that tells everything, instead of the two of GPT-2's format."""
    vocab_path: Path | None = None
    """Where vocab.json goes; default: a name in the data folder derived from the text's."""
    merges_path: Path | None = None
    """Where merges.txt goes; belongs to --vocab-path."""
    encoding_errors: Literal["strict", "replace"] = "strict"
    """What to do with bytes that are no UTF-8: refuse the file, or replace them by U+FFFD."""
    num_threads: int = 0
    """Threads that count; 0: one per core."""
    data_dir: Path = Path("data")
    """Folder of the named datasets and of derived names."""
    overwrite: bool = False
    """Replace files that are there."""

    def __post_init__(self) -> None:
        """Refuse combinations that leave something unclear."""
        if (self.vocab_path is None) != (self.merges_path is None):
            raise ConfigError(
                "`vocab_path` and `merges_path` belong together; give both or neither"
            )
        if self.tokenizer_path is not None and self.vocab_path is not None:
            raise ConfigError("`tokenizer_path` is instead of `vocab_path`; give one of them")
        if not self.input_path and not self.counts:
            for name in ("tokenizer_path", "vocab_path"):
                if getattr(self, name) is not None:
                    raise ConfigError(
                        f"`{name}` needs `input_path`: which text is to be learnt from?"
                    )
        if self.pattern != DEFAULT_PATTERN and self.tokenizer_path is None:
            raise ConfigError(
                f"vocab.json and merges.txt cannot say the pattern {self.pattern}; "
                "give --tokenizer-path x.json"
            )
        if self.min_frequency < 1:
            raise ConfigError(f"`min_frequency` must be at least 1, found {self.min_frequency}")


def train(flags: TrainFlags) -> None:
    """Run the command."""
    options = {field.name: getattr(flags, field.name) for field in dataclasses.fields(Learning)}
    learning = Learning(**options)
    if not flags.input_path and not flags.counts:
        learn_named(learning, flags.data_dir, overwrite=flags.overwrite)
        return
    paths = _output_paths(flags)
    refuse_existing(paths, flags.overwrite)
    learn(learning, flags.input_path, flags.counts, paths)


def _output_paths(flags: TrainFlags) -> tuple[Path, ...]:
    """Return the one file to write, or the two."""
    if flags.tokenizer_path is not None:
        return (flags.tokenizer_path,)
    if flags.vocab_path is not None and flags.merges_path is not None:
        return flags.vocab_path, flags.merges_path
    if len(flags.input_path) != 1 or flags.counts or "*" in flags.input_path[0].name:
        raise ConfigError(
            "no single text gives the tokenizer a name; give --tokenizer-path x.json, or "
            "--vocab-path and --merges-path"
        )
    return tokenizer_paths(derived_name(flags.input_path[0]), flags.data_dir)
