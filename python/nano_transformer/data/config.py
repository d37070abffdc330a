"""Which text a run learns from, and with which tokenizer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nano_transformer.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Text, tokenizer and cache locations; `None` means "derive it from the dataset's name"."""

    dataset: Literal["demo", "tinystories", "openwebtext", "owt"] = "demo"
    """Named dataset to learn from, unless --train-text-path names a file."""
    train_text_path: Path | None = None
    """Text file to learn from; documents are separated by <|endoftext|>."""
    valid_text_path: Path | None = None
    """Text file to validate on; when absent, a share of the training text is held out."""
    vocab_path: Path | None = None
    """Tokenizer's vocab.json; it is trained from the training text when it does not exist yet."""
    merges_path: Path | None = None
    """Tokenizer's merges.txt; goes with --vocab-path."""
    tokenizer_path: Path | None = None
    """A tokenizer to use as it is, instead of the two files above: one file of nanot-bpe's, Hugging
    Face's tokenizer.json, or a folder or run that holds one."""
    vocab_size: int | None = None
    """Entries of a tokenizer that must first be trained
    (demo 1,024; tinystories 10,000; owt 32,000; own text 4,096)."""
    encoding_errors: Literal["strict", "replace"] = "strict"
    """What to do with bytes that are no UTF-8: refuse the file, or replace them by U+FFFD."""
    held_out_share: float = 0.05
    """Share of the documents to validate on when there is no validation text."""
    data_dir: Path = Path("data")
    """Folder with the named datasets' files, trained tokenizers and token caches."""
    force_rebuild_cache: bool = False
    """Write the token caches anew even when they fit."""

    def __post_init__(self) -> None:
        """Refuse combinations that leave something unclear."""
        if (self.vocab_path is None) != (self.merges_path is None):
            raise ConfigError(
                "`vocab_path` and `merges_path` belong together; give both or neither"
            )
        for name in ("vocab_path", "vocab_size"):
            if self.tokenizer_path is not None and getattr(self, name) is not None:
                raise ConfigError(
                    f"`{name}` does not go with `tokenizer_path`, whose tokenizer is used as it is; "
                    "leave one of them out"
                )
        if self.valid_text_path is not None and self.train_text_path is None:
            raise ConfigError("`valid_text_path` needs `train_text_path`; give both or a `dataset`")
        if not 0 < self.held_out_share < 1:
            raise ConfigError(
                f"`held_out_share` must lie between 0 and 1, found {self.held_out_share}"
            )
        if self.vocab_size is not None and self.vocab_size < 257:
            raise ConfigError(
                f"`vocab_size` must hold 256 bytes and the end-of-text token, so at least 257; "
                f"found {self.vocab_size}"
            )
