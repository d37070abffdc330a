"""What a checkpoint of a run holds: everything the next step depends on, and what it must fit to."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nano_transformer.data.batches import DataPosition
from nano_transformer.errors import CheckpointError
from nano_transformer.training.checkpointing import load_checkpoint, save_checkpoint
from nano_transformer.training.runs import load_weights

logger = logging.getLogger(__name__)


@dataclass
class TrainingState:
    """How far a run has come."""

    step: int = 0
    """Optimizer steps done."""
    position: DataPosition = field(default_factory=DataPosition)
    """Where the next row is read."""
    best_valid_loss: float = float("inf")


def save_state(
    path: Path,
    state: TrainingState,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    device: torch.device,
    dtype: torch.dtype,
    identity: dict[str, Any],
    description: dict[str, Any],
) -> None:
    """Write a checkpoint of tensors and plain data.

    Args:
        path: File to replace.
        state: Progress of the run.
        model: Its weights are saved.
        optimizer: Its running means are saved.
        device: Its random state is saved beside the CPU's.
        dtype: Precision of matrix products, noted so that a change can be told.
        identity: What must be equal for the run to be continued (see `restore_state`).
        description: What a reader needs to rebuild the run: configurations and paths.
    """
    cuda = device.type == "cuda"
    content = {
        "step": state.step,
        "epoch": state.position.epoch,
        "cursor": state.position.cursor,
        "best_valid_loss": state.best_valid_loss,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "cpu_rng_state": torch.get_rng_state(),
        "cuda_rng_state": torch.cuda.get_rng_state(device) if cuda else None,
        "num_threads": torch.get_num_threads(),
        "dtype": str(dtype),
        **identity,
        **description,
    }
    save_checkpoint(path, content)


def restore_state(
    path: Path,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    device: torch.device,
    dtype: torch.dtype,
    identity: dict[str, Any],
) -> TrainingState:
    """Put model, optimizer and random states back to what `save_state` saw.

    Raises:
        CheckpointError: When the checkpoint is damaged, or another model's, tokenizer's or text's.
    """
    content = load_checkpoint(path, map_location=device)
    for key, expected in identity.items():
        if content.get(key) != expected:
            raise CheckpointError(
                f"`{path}` cannot be continued: its `{key}` is {content.get(key)!r}, this run's is "
                f"{expected!r}; use the text and tokenizer it was trained with"
            )
    load_weights(model, content["model"], path)
    optimizer.load_state_dict(content["optimizer"])
    if content["num_threads"] != torch.get_num_threads() or content["dtype"] != str(dtype):
        logger.warning(
            "resuming with %d threads in %s, saved with %d in %s: losses may differ in the last digits",
            torch.get_num_threads(),
            dtype,
            content["num_threads"],
            content["dtype"],
        )
    torch.set_rng_state(content["cpu_rng_state"].cpu())
    if content["cuda_rng_state"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(content["cuda_rng_state"].cpu(), device)
    position = DataPosition(content["epoch"], content["cursor"])
    return TrainingState(content["step"], position, content["best_valid_loss"])
