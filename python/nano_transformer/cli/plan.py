"""What `nanot-pretrain --plan` prints: size, operations and memory of a run that is not started."""

import dataclasses
import sys

from nano_transformer.data.planned_vocabulary import PlannedVocabulary
from nano_transformer.model.config import ModelConfig
from nano_transformer.model.counts import count_parameters
from nano_transformer.model.flops import row_flops
from nano_transformer.model.memory import Precision, kv_cache_bytes, training_bytes
from nano_transformer.training.config import TrainerConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanFlags:
    """What to do instead of training."""

    plan: bool = False
    """Print parameters, operations and memory of the run these flags describe, and stop; reads no text."""


def write_plan(vocabulary: PlannedVocabulary, model: ModelConfig, trainer: TrainerConfig) -> None:
    """Write the plan of a run to stdout."""
    rows = plan_rows(vocabulary, model, trainer)
    name_width, figure_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, figure, remark in rows:
        line = f"{name:<{name_width}}  {figure:>{figure_width}}  {remark}"
        sys.stdout.write(f"{line.rstrip()}\n")


def plan_rows(
    vocabulary: PlannedVocabulary, model: ModelConfig, trainer: TrainerConfig
) -> list[list[str]]:
    """Return the plan's lines: what is counted, the figure, and a remark."""
    return [
        ["vocabulary", f"{vocabulary.size:,}", vocabulary.source],
        *_parameter_rows(model),
        *_flops_rows(model, trainer),
        *_memory_rows(model, trainer),
    ]


def _parameter_rows(model: ModelConfig) -> list[list[str]]:
    counts = count_parameters(model)
    remarks = {
        "embedding": f"{model.padded_vocab_size:,} rows of {model.d_model:,}",
        "head": "the embedding" if model.tie_embeddings else "",
        "mtp": f"horizons beyond the next token: {model.num_mtp_heads}",
    }
    rows = [
        [f"  {name.replace('_', ' ')}", f"{number:,}", remarks.get(name, "")]
        for name, number in counts._asdict().items()
    ]
    active = f"{counts.active:,} of them predict the next token"
    return [["parameters", f"{counts.total:,}", active], *rows]


def _flops_rows(model: ModelConfig, trainer: TrainerConfig) -> list[list[str]]:
    T = trainer.context_length
    flops, square = row_flops(model, T), row_flops(model, T, count_masked=True)
    tokens = trainer.tokens_per_step * trainer.max_iters
    return [
        ["FLOPs per token", "", f"mean over rows of {T:,} tokens"],
        [
            "  forward",
            _scaled(flops.forward / T),
            f"{flops.attention / flops.forward:.0%} attention",
        ],
        ["  training", _scaled(flops.training_per_token), "forward and backward"],
        [
            "  training, masked too",
            _scaled(square.training_per_token),
            "every pair of query and key, as PaLM counts",
        ],
        [
            "FLOPs of the run",
            _scaled(flops.training_per_token * tokens),
            f"{tokens:,} tokens: {trainer.max_iters:,} steps of {trainer.tokens_per_step:,}",
        ],
    ]


def _memory_rows(model: ModelConfig, trainer: TrainerConfig) -> list[list[str]]:
    T, rows = trainer.context_length, trainer.batch_size
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    if trainer.dtype != "auto":
        precisions = (trainer.dtype,)
    estimates = {
        precision: training_bytes(model, rows, T, precision=precision) for precision in precisions
    }
    exact = estimates[precisions[0]]
    cache = kv_cache_bytes(model, 1, model.context_length)
    return [
        ["memory of training", "", "with AdamW, uncompiled"],
        ["  weights", _bytes(exact.weights), "float32"],
        ["  gradients", _bytes(exact.gradients), "float32"],
        ["  optimizer state", _bytes(exact.optimizer_state), "two float32 per parameter"],
        *(
            [
                f"  activations, {precision}",
                _bytes(estimate.activations),
                f"estimate for {rows} rows; {_bytes(estimate.total)} in all",
            ]
            for precision, estimate in estimates.items()
        ),
        [
            "key/value cache",
            _bytes(cache),
            f"one row of {model.context_length:,} positions, float32",
        ],
    ]


def _scaled(number: float) -> str:
    for unit, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:,.2f} {unit}"
    return f"{number / 1e3:,.2f} k"


def _bytes(number: int) -> str:
    return f"{number / 1e9:,.2f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"
