"""How many entries the tokenizer of a run has or will have, found without reading the run's text."""

from pathlib import Path
from typing import NamedTuple

from nano_transformer.data.config import DataConfig
from nano_transformer.data.sources import NAMED_DATASETS
from nano_transformer.data.tokenizer_choice import (
    OWN_TEXT_VOCAB_SIZE,
    derived_name,
    open_or_train_tokenizer,
    tokenizer_paths,
)
from nano_transformer.tokenization import Tokenizer
from nano_transformer.tokenization.vocabulary import END_OF_TEXT


class PlannedVocabulary(NamedTuple):
    """A vocabulary's size and where the figure comes from."""

    size: int
    source: str
    """One clause for a person."""


def planned_vocabulary(config: DataConfig) -> PlannedVocabulary:
    """Return the vocabulary of the tokenizer that is there, else the size that one would be trained for.

    Raises:
        ConfigError: When an existing tokenizer has another size than `vocab_size`.
        DataError: When only one of a tokenizer's two files exists.
        TokenizerError: When a tokenizer's files are malformed.
    """
    if config.tokenizer_path is not None:
        tokenizer = Tokenizer.load(config.tokenizer_path)
        return PlannedVocabulary(tokenizer.vocab_size, f"that of `{config.tokenizer_path}`")
    if config.train_text_path is None:
        named = NAMED_DATASETS[config.dataset]
        name, default = named.name, named.vocab_size
    else:
        name, default = derived_name(config.train_text_path), OWN_TEXT_VOCAB_SIZE
    derived = tokenizer_paths(name, config.data_dir)
    paths = config.vocab_path or derived[0], config.merges_path or derived[1]
    if any(path.exists() for path in paths):
        tokenizer = open_or_train_tokenizer(
            config.train_text_path or Path(name),
            *paths,
            vocab_size=config.vocab_size,
            special_tokens=(END_OF_TEXT,),
            encoding_errors=config.encoding_errors,
            report=None,
            progress=None,
        )
        return PlannedVocabulary(tokenizer.vocab_size, f"that of `{paths[0]}`")
    if config.vocab_size is not None:
        return PlannedVocabulary(config.vocab_size, "assumed, from --vocab-size")
    return PlannedVocabulary(default, "assumed: no tokenizer yet, --vocab-size not given")
