"""How a tokenizer is loaded from files and saved to them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Self

from nano_transformer.tokenization import formats
from nano_transformer.tokenization.backend import BackendKind
from nano_transformer.tokenization.definition import TokenizerDefinition
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN


class Persistence:
    """The part of a tokenizer that knows the formats of files."""

    definition: TokenizerDefinition

    @classmethod
    @abstractmethod
    def from_definition(
        cls, definition: TokenizerDefinition, *, backend: BackendKind = "auto"
    ) -> Self:
        """Build a tokenizer from data that some format was read into."""

    @classmethod
    def load(cls, path: str | PathLike[str], *, backend: BackendKind = "auto") -> Self:
        """Load a tokenizer from a file, a folder, or a run of `nanot-pretrain`.

        A file holds our own JSON (see `save`) or Hugging Face's `tokenizer.json`; a folder holds
        one of them, or GPT-2's `vocab.json` and `merges.txt`.

        Raises:
            TokenizerError: When nothing is found there, or it is malformed or no byte-level BPE.
            OSError: When a file cannot be read.
        """
        return cls.from_definition(formats.load_definition(Path(path)), backend=backend)

    @classmethod
    def from_files(
        cls,
        vocab_filepath: str | PathLike[str],
        merges_filepath: str | PathLike[str],
        special_tokens: Sequence[str] | None = None,
        *,
        pattern: str = DEFAULT_PATTERN,
        backend: BackendKind = "auto",
    ) -> Self:
        """Load GPT-2's `vocab.json` and `merges.txt`, which do not say pattern and special tokens.

        Raises:
            TokenizerError: When a file is malformed; names the line.
            OSError: When a file cannot be read.
        """
        definition = formats.read_gpt2(
            Path(vocab_filepath), Path(merges_filepath), special_tokens or (), pattern=pattern
        )
        return cls.from_definition(definition, backend=backend)

    @classmethod
    def from_huggingface(cls, path: str | PathLike[str], *, backend: BackendKind = "auto") -> Self:
        """Load Hugging Face's `tokenizer.json`.

        Raises:
            TokenizerError: When it is malformed, or anything but byte-level BPE; names the field.
            OSError: When the file cannot be read.
        """
        return cls.from_definition(formats.read_huggingface(Path(path)), backend=backend)

    @classmethod
    def from_tiktoken(
        cls,
        path: str | PathLike[str],
        *,
        pattern: str,
        special_tokens: Mapping[str, int] | Sequence[str] = (),
        backend: BackendKind = "auto",
    ) -> Self:
        """Load a file of tiktoken's ranks, which says neither the pattern nor special tokens.

        Args:
            path: One token in base64 and its rank a line.
            pattern: As above; the one that the ranks were learnt with.
            special_tokens: With their ids, or in the order to append them after the largest rank.
            backend: As above.

        Raises:
            TokenizerError: When the file is malformed; names the line.
            OSError: When the file cannot be read.
        """
        definition = formats.read_tiktoken(
            Path(path), pattern=pattern, special_tokens=special_tokens
        )
        return cls.from_definition(definition, backend=backend)

    def save(self, path: str | PathLike[str]) -> None:
        """Write one JSON file with everything, which `load` reads; wholly or not at all."""
        formats.write_own(Path(path), self.definition)

    def save_gpt2(
        self, vocab_filepath: str | PathLike[str], merges_filepath: str | PathLike[str]
    ) -> None:
        """Write GPT-2's `vocab.json` and `merges.txt`; pattern, special tokens and roles are lost."""
        formats.write_gpt2(Path(vocab_filepath), Path(merges_filepath), self.definition)

    def save_huggingface(self, path: str | PathLike[str]) -> None:
        """Write Hugging Face's `tokenizer.json`; roles are lost.

        Raises:
            TokenizerError: When the format cannot say what this tokenizer does.
        """
        formats.write_huggingface(Path(path), self.definition)

    def save_tiktoken(self, path: str | PathLike[str]) -> None:
        """Write tiktoken's ranks; pattern, special tokens and roles are lost.

        Raises:
            TokenizerError: When the order of ids is not that of merges, so that ranks cannot say it.
        """
        formats.write_tiktoken(Path(path), self.definition)
