"""nanot-eval: loss and bits per byte of a trained model on its validation split or any text."""

import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from nano_transformer.cli.console import Progress, logger, run_command
from nano_transformer.cli.flags import flag_group, flags_type, parse, values
from nano_transformer.cli.run_choice import RunChoice, open_run
from nano_transformer.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scope:
    """What to score, and on how much of it."""

    text_path: Path | None = None
    """Text to score; default: the run's own validation split."""
    encoding_errors: Literal["strict", "replace"] = "strict"
    """What to do with bytes of the text that are no UTF-8."""
    eval_iters: int | None = None
    """Batches to score, spread evenly; default: all of the text."""
    batch_size: int = 16
    """Rows per batch."""
    context_length: int | None = None
    """Tokens per row; default: that of the run."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name in ("eval_iters", "batch_size", "context_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"`{name}` must be at least 1, found {value}")


Flags = flags_type("Flags", {"run": flag_group(RunChoice), "scope": flag_group(Scope)})


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, else the process's own."""
    run_command(lambda: _evaluate(parse(Flags, argv, prog="nanot-eval", description=__doc__ or "")))


def _evaluate(flags: Any) -> None:
    choice, scope = RunChoice(**values(flags.run)), Scope(**values(flags.scope))

    import torch

    from nano_transformer.data.batches import check_length, evaluation_batches
    from nano_transformer.data.prepare import open_text, open_valid_split
    from nano_transformer.evaluation.losses import evaluate
    from nano_transformer.training.devices import autocast, choose_dtype

    run, device = open_run(choice)
    if scope.text_path is None:
        dataset = open_valid_split(run.valid_cache_path, run.tokenizer, run.valid_data_digest)
    else:
        dataset = open_text(
            scope.text_path,
            run.tokenizer,
            scope.encoding_errors,
            report=logger.info,
            progress=Progress(),
        )
    context_length = scope.context_length or run.trainer_config.context_length
    check_length(dataset, 1, "evaluated")
    evaluation = evaluate(
        run.model,
        evaluation_batches(dataset, context_length, scope.batch_size, scope.eval_iters),
        torch.from_numpy(run.tokenizer.token_byte_lengths()),
        device=device,
        precision=autocast(device, choose_dtype(choice.dtype, device)),
    )
    sys.stdout.write(
        f"checkpoint     {run.checkpoint_path} (step {run.step})\n"
        f"targets        {evaluation.num_targets:,} tokens, {evaluation.text_bytes:,} bytes of text\n"
        f"loss           {evaluation.loss:.4f} nats per token "
        f"(perplexity {math.exp(evaluation.loss):.2f})\n"
        f"bits per byte  {evaluation.bits_per_byte:.4f}\n"
    )
