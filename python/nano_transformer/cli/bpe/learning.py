"""How `nanot-bpe train` learns a tokenizer, saves it, and says what came of it."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from nano_transformer.cli.bpe.streams import size_text
from nano_transformer.cli.console import Progress, logger
from nano_transformer.data.sources import NAMED_DATASETS, named_text_paths
from nano_transformer.data.tokenizer_choice import OWN_TEXT_VOCAB_SIZE, tokenizer_paths
from nano_transformer.tokenization.inspection import longest_tokens, measure_fit, spell
from nano_transformer.tokenization.tokenizer import Tokenizer
from nano_transformer.tokenization.training import train_bpe

NAMED_SOURCES = 4
"""How many of the texts are named when learning begins."""

NOT_TEXT_ITSELF = (".gz", ".zst", ".jsonl")

HEAD_BYTES = 1 << 20
"""How much of the text the report counts bytes per token on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learning:
    """What decides the tokenizer besides the text; as in `TrainFlags`."""

    vocab_size: int | None
    special_tokens: tuple[str, ...]
    pattern: str
    tie_break: Literal["bytes", "huggingface"]
    min_frequency: int
    text_field: str
    encoding_errors: Literal["strict", "replace"]
    num_threads: int


def learn_named(learning: Learning, data_dir: Path, *, overwrite: bool) -> None:
    """Learn the tokenizers of the named datasets whose text is there, else the demo's."""
    present = [
        NAMED_DATASETS[name]
        for name in ("tinystories", "owt")
        if (data_dir / NAMED_DATASETS[name].train_file).exists()
    ]
    for dataset in present or [NAMED_DATASETS["demo"]]:
        paths = tokenizer_paths(dataset.name, data_dir)
        if all(path.exists() for path in paths) and not overwrite:
            logger.info("`%s` is there already; --overwrite trains it anew", paths[0])
            continue
        text_path = data_dir / dataset.train_file
        if not text_path.exists():
            text_path, _ = named_text_paths(dataset, data_dir)
        size = learning.vocab_size or dataset.vocab_size
        learn(dataclasses.replace(learning, vocab_size=size), [text_path], (), paths)


def learn(
    learning: Learning, texts: Sequence[Path], counts: Sequence[Path], output_paths: Sequence[Path]
) -> None:
    """Learn a tokenizer and save it in one file of ours, or in GPT-2's two."""
    size = learning.vocab_size or OWN_TEXT_VOCAB_SIZE
    options: dict[str, Any] = dataclasses.asdict(learning) | {"vocab_size": size}
    sources = [f"`{path}`" for path in (*texts, *counts)]
    if len(sources) > NAMED_SOURCES:
        sources[NAMED_SOURCES - 1 :] = [f"{len(sources) - NAMED_SOURCES + 1} others"]
    logger.info("learning %s entries from %s", f"{size:,}", ", ".join(sources))
    progress, began = Progress(), time.perf_counter()
    vocab, merges = train_bpe(
        list(texts) or None, counts_paths=list(counts), progress=progress, **options
    )
    tokenizer = Tokenizer(vocab, merges, learning.special_tokens, pattern=learning.pattern)
    seconds = time.perf_counter() - began
    if len(output_paths) == 1:
        tokenizer.save(output_paths[0])
    else:
        tokenizer.save_gpt2(*output_paths)
    on_disk = sum(path.stat().st_size for path in texts if path.is_file())
    read = progress.totals.get("counting") or on_disk
    logger.info(
        "tokenizer of %s entries%s in %.1f s (%s): %s",
        f"{len(tokenizer):,}",
        f" from {size_text(read)}" if texts else "",
        seconds,
        tokenizer.backend_name,
        ", ".join(f"`{path}`" for path in output_paths),
    )
    _report(tokenizer, texts)


def _report(tokenizer: Tokenizer, texts: Sequence[Path]) -> None:
    longest = (repr(spell(token, 40)) for token in longest_tokens(tokenizer, 5))
    logger.info("longest tokens %s", " ".join(longest))
    if texts and texts[0].is_file() and texts[0].suffix not in NOT_TEXT_ITSELF:
        with texts[0].open("rb") as file:
            fit = measure_fit(tokenizer, file.read(HEAD_BYTES))
        logger.info(
            "%.2f bytes per token on the first %s of `%s`",
            fit.bytes_per_token,
            size_text(fit.num_bytes),
            texts[0],
        )
