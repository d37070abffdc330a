"""Training a model: steps, schedule, checkpoints, and exact resume."""

from typing import TYPE_CHECKING

from nano_transformer.lazy import lazy_names

if TYPE_CHECKING:
    from nano_transformer.data.prepare import (
        prepare_named_pretraining_data,
        prepare_pretraining_data,
    )
    from nano_transformer.training.config import OptimizerConfig, TrainerConfig
    from nano_transformer.training.optimizers import create_optimizer
    from nano_transformer.training.runs import Run, load_run
    from nano_transformer.training.trainer import Trainer, TrainResult

_HOMES = {
    "data.prepare": ("prepare_named_pretraining_data", "prepare_pretraining_data"),
    "training.config": ("OptimizerConfig", "TrainerConfig"),
    "training.optimizers": ("create_optimizer",),
    "training.runs": ("Run", "load_run"),
    "training.trainer": ("TrainResult", "Trainer"),
}

__all__ = [
    "OptimizerConfig",
    "Run",
    "TrainResult",
    "Trainer",
    "TrainerConfig",
    "create_optimizer",
    "load_run",
    "prepare_named_pretraining_data",
    "prepare_pretraining_data",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
