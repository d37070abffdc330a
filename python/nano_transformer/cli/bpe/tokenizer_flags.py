"""Flags that say which tokenizer to use, shared by the commands that need one."""

import dataclasses
from pathlib import Path

from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN
from nano_transformer.tokenization.tokenizer import Tokenizer
from nano_transformer.tokenization.vocabulary import END_OF_TEXT


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerFlags:
    """Which tokenizer to use."""

    tokenizer: Path | None = None
    """The tokenizer: a file of nanot-bpe, Hugging Face's tokenizer.json, or a folder or run that
    holds a tokenizer."""
    vocab_path: Path | None = None
    """GPT-2's vocab.json, with --merges-path instead of --tokenizer."""
    merges_path: Path | None = None
    """GPT-2's merges.txt."""
    special_tokens: tuple[str, ...] = (END_OF_TEXT,)
    """Special tokens, which GPT-2's two files do not tell."""
    pattern: str = DEFAULT_PATTERN
    """What cuts text into pre-tokens, which GPT-2's two files do not tell either."""

    def __post_init__(self) -> None:
        """Refuse what names no tokenizer, half of one, or two."""
        if (self.vocab_path is None) != (self.merges_path is None):
            raise ConfigError(
                "`vocab_path` and `merges_path` belong together; give both, or --tokenizer"
            )
        if self.tokenizer is not None and self.vocab_path is not None:
            raise ConfigError("`tokenizer` and `vocab_path` name two tokenizers; give one of them")
        for name in ("special_tokens", "pattern"):
            if self.vocab_path is None and getattr(self, name) != getattr(TokenizerFlags, name):
                raise ConfigError(
                    f"`{name}` is in the tokenizer's own file; give it with --vocab-path alone"
                )

    def open_tokenizer(self) -> Tokenizer:
        """Load the chosen tokenizer.

        Raises:
            ConfigError: When none is chosen.
            TokenizerError: When its files are malformed.
        """
        if self.tokenizer is not None:
            return Tokenizer.load(self.tokenizer)
        if self.vocab_path is None or self.merges_path is None:
            raise ConfigError(
                "which tokenizer? give --tokenizer PATH, or --vocab-path and --merges-path; "
                "`nanot-bpe train` makes one"
            )
        return Tokenizer.from_files(
            self.vocab_path, self.merges_path, self.special_tokens, pattern=self.pattern
        )
