"""From text files to two token datasets and their tokenizer, doing only what is not done yet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nano_transformer.data.config import DataConfig
from nano_transformer.data.sources import (
    NAMED_DATASETS,
    TextPart,
    hold_out,
    named_text_paths,
    whole,
)
from nano_transformer.data.token_cache import (
    TokenDataset,
    open_or_build_token_cache,
    open_token_cache,
)
from nano_transformer.data.tokenizer_choice import (
    Report,
    derived_name,
    open_or_train_tokenizer,
    tokenizer_paths,
)
from nano_transformer.errors import ConfigError, DataError
from nano_transformer.tokenization import Tokenizer
from nano_transformer.tokenization.backend import Progress
from nano_transformer.tokenization.streaming import EncodingErrors
from nano_transformer.tokenization.vocabulary import END_OF_TEXT


class PreparedData(NamedTuple):
    """What a trainer needs of the text."""

    train_dataset: TokenDataset
    valid_dataset: TokenDataset
    tokenizer: Tokenizer


def prepare_pretraining_data(
    train_text_path: str | Path,
    valid_text_path: str | Path | None = None,
    vocab_path: str | Path | None = None,
    merges_path: str | Path | None = None,
    train_cache_path: str | Path | None = None,
    valid_cache_path: str | Path | None = None,
    *,
    tokenizer_path: str | Path | None = None,
    special_tokens: Sequence[str] = (END_OF_TEXT,),
    vocab_size: int | None = None,
    held_out_share: float = 0.05,
    encoding_errors: EncodingErrors = "strict",
    data_dir: str | Path = "data",
    force_rebuild_cache: bool = False,
    report: Report | None = None,
    progress: Progress | None = None,
) -> PreparedData:
    """Open, or first build, the tokenizer and the token caches of a text.

    Args:
        train_text_path: UTF-8 text; documents are separated by the end-of-text token.
        valid_text_path: Text to validate on; None: `held_out_share` of the training text.
        vocab_path: Tokenizer's vocab.json; with `merges_path` trained from the training text when
            neither exists. None: a name in `data_dir` derived from the text's.
        merges_path: Tokenizer's merges.txt.
        train_cache_path: Token cache of the training part, `x.npy`; None: in `data_dir`.
        valid_cache_path: Token cache of the validation part.
        tokenizer_path: A tokenizer that `Tokenizer.load` takes, used as it is instead of the two.
        special_tokens: Strings that are one token each in a tokenizer of two files.
        vocab_size: Entries of a tokenizer that must first be trained; None: 4,096.
        held_out_share: Share of the text held out when there is no validation text, in (0, 1).
        encoding_errors: What to do with bytes that are no UTF-8.
        data_dir: Folder of derived names.
        force_rebuild_cache: Write the caches even when they fit.
        report: Receives one sentence about each thing that is built.
        progress: Receives (stage, done, total) during long work.

    Raises:
        DataError: For a text that is missing, empty, a folder, or not UTF-8.
        ConfigError: When an existing tokenizer has another size than `vocab_size`.
        TokenizerError: When the tokenizer's files are malformed.
    """
    train_text_path, data_dir = Path(train_text_path), Path(data_dir)
    name = derived_name(train_text_path)
    whole(train_text_path)  # a text that cannot be read is refused before anything is trained
    if tokenizer_path is None:
        derived_vocab, derived_merges = tokenizer_paths(name, data_dir)
        tokenizer = open_or_train_tokenizer(
            train_text_path,
            Path(vocab_path or derived_vocab),
            Path(merges_path or derived_merges),
            vocab_size=vocab_size,
            special_tokens=special_tokens,
            encoding_errors=encoding_errors,
            report=report,
            progress=progress,
        )
    else:
        tokenizer = Tokenizer.load(tokenizer_path)
        name = f"{name}-{tokenizer.digest[:8]}"
    if valid_text_path is None:
        delimiter = tokenizer.definition.eos_token
        train_part, valid_part = hold_out(train_text_path, held_out_share, delimiter)
    else:
        train_part, valid_part = whole(train_text_path), whole(Path(valid_text_path))

    def open_split(part: TextPart, cache_path: Path) -> TokenDataset:
        return open_or_build_token_cache(
            tokenizer,
            part.spans,
            cache_path,
            encoding_errors=encoding_errors,
            held_out_share=part.held_out_share,
            keep_held_out=part.keep_held_out,
            force_rebuild=force_rebuild_cache,
            on_event=report,
            progress=progress,
        )

    return PreparedData(
        open_split(train_part, Path(train_cache_path or data_dir / f"{name}-train-tokens.npy")),
        open_split(valid_part, Path(valid_cache_path or data_dir / f"{name}-valid-tokens.npy")),
        tokenizer,
    )


def prepare_named_pretraining_data(
    dataset: str = "demo",
    *,
    vocab_path: str | Path | None = None,
    merges_path: str | Path | None = None,
    tokenizer_path: str | Path | None = None,
    vocab_size: int | None = None,
    encoding_errors: EncodingErrors = "strict",
    data_dir: str | Path = "data",
    force_rebuild_cache: bool = False,
    report: Report | None = None,
    progress: Progress | None = None,
) -> PreparedData:
    """Open, or first build, the tokenizer and the caches of a named dataset.

    Args:
        dataset: "demo", "tinystories", "openwebtext" or "owt".
        vocab_path: As in `prepare_pretraining_data`, as are the arguments below.
        merges_path: Tokenizer's merges.txt.
        tokenizer_path: As in `prepare_pretraining_data`.
        vocab_size: Entries of a tokenizer that must first be trained; None: the dataset's own.
        encoding_errors: What to do with bytes that are no UTF-8.
        data_dir: Folder with the dataset's text files.
        force_rebuild_cache: Write the caches even when they fit.
        report: Receives one sentence about each thing that is built.
        progress: Receives (stage, done, total) during long work.

    Raises:
        DataError: When the text files are missing, with the commands that bring them.
    """
    if dataset not in NAMED_DATASETS:
        raise ConfigError(f"`dataset` must be one of {sorted(NAMED_DATASETS)}, found {dataset!r}")
    named, data_dir = NAMED_DATASETS[dataset], Path(data_dir)
    train_text_path, valid_text_path = named_text_paths(named, data_dir)
    derived_vocab, derived_merges = tokenizer_paths(named.name, data_dir)
    vocab_path = Path(vocab_path or derived_vocab)
    if vocab_size is None and not vocab_path.exists():
        vocab_size = named.vocab_size
    return prepare_pretraining_data(
        train_text_path,
        valid_text_path,
        vocab_path,
        merges_path or derived_merges,
        None if tokenizer_path else data_dir / f"{named.name}-train-tokens.npy",
        None if tokenizer_path else data_dir / f"{named.name}-valid-tokens.npy",
        tokenizer_path=tokenizer_path,
        vocab_size=vocab_size,
        encoding_errors=encoding_errors,
        data_dir=data_dir,
        force_rebuild_cache=force_rebuild_cache,
        report=report,
        progress=progress,
    )


def prepare_data(
    config: DataConfig, *, report: Report | None = None, progress: Progress | None = None
) -> PreparedData:
    """Prepare what a `DataConfig` describes; arguments and errors as above."""
    shared: dict[str, Any] = {
        "vocab_path": config.vocab_path,
        "merges_path": config.merges_path,
        "tokenizer_path": config.tokenizer_path,
        "vocab_size": config.vocab_size,
        "encoding_errors": config.encoding_errors,
        "data_dir": config.data_dir,
        "force_rebuild_cache": config.force_rebuild_cache,
        "report": report,
        "progress": progress,
    }
    if config.train_text_path is None:
        return prepare_named_pretraining_data(config.dataset, **shared)
    return prepare_pretraining_data(
        config.train_text_path,
        config.valid_text_path,
        held_out_share=config.held_out_share,
        **shared,
    )


def open_text(
    text_path: Path,
    tokenizer: Tokenizer,
    encoding_errors: EncodingErrors = "strict",
    *,
    data_dir: Path = Path("data"),
    report: Report | None = None,
    progress: Progress | None = None,
) -> TokenDataset:
    """Open, or first build, the token cache of a whole text for a given tokenizer."""
    name = f"{derived_name(text_path)}-{tokenizer.digest[:8]}-tokens.npy"
    return open_or_build_token_cache(
        tokenizer,
        whole(text_path).spans,
        data_dir / name,
        encoding_errors=encoding_errors,
        on_event=report,
        progress=progress,
    )


def open_valid_split(cache_path: Path, tokenizer: Tokenizer, digest: str) -> TokenDataset:
    """Open the token cache that a run was validated on.

    Raises:
        DataError: When it is gone or holds something else by now.
    """
    advice = "run nanot-pretrain in the same folder again, or name a text by --text-path"
    if not cache_path.exists():
        raise DataError(f"the run's validation data `{cache_path}` is not there; {advice}")
    dataset = open_token_cache(cache_path, tokenizer=tokenizer)
    if dataset.digest != digest:
        raise DataError(f"`{cache_path}` is no longer what the run was validated on; {advice}")
    return dataset
