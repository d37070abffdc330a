"""nanot-bpe cache: text files to the token cache that training reads."""

import dataclasses
import sys
from pathlib import Path
from typing import Literal

from nano_transformer.cli.bpe.streams import refuse_existing, size_text
from nano_transformer.cli.bpe.tokenizer_flags import TokenizerFlags
from nano_transformer.cli.console import Progress, logger
from nano_transformer.data.cache_record import CachePaths
from nano_transformer.data.token_cache import TokenDataset, build_token_cache, open_token_cache
from nano_transformer.errors import ConfigError
from nano_transformer.tokenization.inputs import check_text_file


@dataclasses.dataclass(frozen=True, kw_only=True)
class CacheFlags(TokenizerFlags):
    """Encode text files into a token cache, or check one.

    A cache is x.npy with the ids, x.documents.npy with the table of documents, and x.json with what
    they were made from.
    """

    input_path: tuple[Path, ...] = ()
    """Text files; the tokenizer's end-of-text token stands between documents."""
    output_path: Path | None = None
    """Where the ids go, x.npy."""
    verify: Path | None = None
    """Check every byte of an existing cache x.npy, and build nothing."""
    encoding_errors: Literal["strict", "replace"] = "strict"
    """What to do with bytes that are no UTF-8: refuse the file, or replace them by U+FFFD."""
    num_threads: int = 0
    """Threads; 0: one per core."""
    overwrite: bool = False
    """Replace a cache that is there."""

    def __post_init__(self) -> None:
        """Refuse both things at once, and neither."""
        super().__post_init__()
        if self.verify is not None and (self.input_path or self.output_path is not None):
            raise ConfigError("`verify` checks what is there; give no input or output with it")
        if self.verify is None and (not self.input_path or self.output_path is None):
            raise ConfigError("a cache needs --input-path and --output-path, or --verify x.npy")


def cache(flags: CacheFlags) -> None:
    """Run the command."""
    has_tokenizer = flags.tokenizer is not None or flags.vocab_path is not None
    if flags.verify is not None:
        tokenizer = flags.open_tokenizer() if has_tokenizer else None
        _report(open_token_cache(flags.verify, tokenizer=tokenizer, verify=True))
        return
    assert flags.output_path is not None, "the flags were checked"
    refuse_existing(CachePaths.of(flags.output_path), flags.overwrite)
    spans = [(path, 0, check_text_file(path)) for path in flags.input_path]
    tokenizer = flags.open_tokenizer()
    num_bytes = sum(size for _, _, size in spans)
    logger.info("encoding %s into `%s`", size_text(num_bytes), flags.output_path)
    dataset = build_token_cache(
        tokenizer,
        spans,
        flags.output_path,
        encoding_errors=flags.encoding_errors,
        num_threads=flags.num_threads,
        progress=Progress(),
    )
    _report(dataset)


def _report(dataset: TokenDataset) -> None:
    sys.stdout.write(
        f"documents        {dataset.num_documents:,}\n"
        f"tokens           {len(dataset):,} ({dataset.tokens.dtype})\n"
        f"bytes of text    {dataset.num_bytes:,}\n"
        f"bytes per token  {dataset.num_bytes / len(dataset):.2f}\n"
    )
