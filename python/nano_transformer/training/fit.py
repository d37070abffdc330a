"""Whether a model, its data and its configuration fit together."""

from nano_transformer.data.batches import check_length
from nano_transformer.data.token_cache import TokenDataset
from nano_transformer.errors import ConfigError
from nano_transformer.model.transformer import TransformerLM
from nano_transformer.tokenization import Tokenizer
from nano_transformer.training.config import TrainerConfig


def check_fit(
    model: TransformerLM,
    train_dataset: TokenDataset,
    valid_dataset: TokenDataset,
    config: TrainerConfig,
) -> Tokenizer:
    """Return the tokenizer of the datasets, once it is sure that they can train the model.

    Raises:
        ConfigError: When sizes contradict each other, or the datasets were encoded differently.
        DataError: When a split is too short.
    """
    if config.context_length > model.config.context_length:
        raise ConfigError(
            f"the trainer's `context_length` {config.context_length} exceeds the model's "
            f"{model.config.context_length}; make the model's at least as long"
        )
    check_length(train_dataset, config.context_length, "training")
    check_length(valid_dataset, 1, "validation")
    tokenizer = train_dataset.tokenizer
    if tokenizer is None:
        raise ConfigError(
            "the training data carries no tokenizer; open it with open_token_cache(path, tokenizer=...)"
        )
    if train_dataset.tokenizer_digest != valid_dataset.tokenizer_digest:
        raise ConfigError(
            "training and validation data were encoded by different tokenizers; "
            "prepare both with one"
        )
    needed = tokenizer.vocab_size
    if needed > model.config.vocab_size:
        raise ConfigError(
            f"the model's `vocab_size` {model.config.vocab_size} is smaller than the tokenizer's "
            f"{needed}; build the model with vocab_size={needed}"
        )
    return tokenizer
