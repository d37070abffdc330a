"""What a run folder holds, and how a model comes back from it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nano_transformer.config_io import from_plain
from nano_transformer.data.config import DataConfig
from nano_transformer.errors import CheckpointError
from nano_transformer.model.config import ModelConfig
from nano_transformer.model.transformer import TransformerLM
from nano_transformer.tokenization import Tokenizer
from nano_transformer.tokenization.formats import OWN_NAME
from nano_transformer.training.checkpointing import load_checkpoint
from nano_transformer.training.config import TrainerConfig

LATEST, BEST = "latest.pt", "best.pt"
RUN_CONFIG, TRAINER_CONFIG, METRICS = "run_config.json", "trainer_config.json", "metrics.jsonl"
TOKENIZER = OWN_NAME


@dataclass(frozen=True)
class Run:
    """A trained model with all that is needed to use it or go on training it."""

    model: TransformerLM
    tokenizer: Tokenizer
    model_config: ModelConfig
    trainer_config: TrainerConfig
    data_config: DataConfig | None
    """How the command found its text; None for a run made through the library."""
    step: int
    """Optimizer steps the weights have seen."""
    checkpoint_path: Path
    valid_cache_path: Path
    """Token cache that the run was validated on."""
    valid_data_digest: str


def load_run(path: str | Path, *, device: torch.device | str = "cpu") -> Run:
    """Bring a model back from its run folder.

    Args:
        path: A run folder (best.pt is taken, else latest.pt) or a checkpoint inside one.
        device: Where to put the model.

    Raises:
        CheckpointError: When there is no run, a file is damaged, or files of two runs are mixed.
    """
    checkpoint_path = find_checkpoint(Path(path), (BEST, LATEST))
    state = load_checkpoint(checkpoint_path)
    model_config, trainer_config, data_config = configs_in(state)
    model = TransformerLM(model_config)
    load_weights(model, state["model"], checkpoint_path)
    return Run(
        model=model.to(device).eval(),
        tokenizer=load_run_tokenizer(checkpoint_path, state),
        model_config=model_config,
        trainer_config=trainer_config,
        data_config=data_config,
        step=state["step"],
        checkpoint_path=checkpoint_path,
        valid_cache_path=Path(state["valid_cache_path"]),
        valid_data_digest=state["valid_data_digest"],
    )


def configs_in(state: dict[str, Any]) -> tuple[ModelConfig, TrainerConfig, DataConfig | None]:
    """Return the configurations that a checkpoint was made with."""
    data = state["data_config"]
    return (
        from_plain(ModelConfig, state["model_config"], where="model_config"),
        from_plain(TrainerConfig, state["trainer_config"], where="trainer_config"),
        None if data is None else from_plain(DataConfig, data, where="data_config"),
    )


def check_output_dir(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder for a new run that holds one already, or that cannot be written.

    Nothing is made or changed, so that it can be asked before the text is prepared.

    Raises:
        CheckpointError: Naming the ways on.
    """
    if (folder / LATEST).exists() and not overwrite:
        raise CheckpointError(
            f"`{folder}` already holds a run; continue it with --resume-from {folder}, "
            "replace it with --overwrite, or choose another --output-dir"
        )
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        reason = "may not be written" if existing.is_dir() else "is no folder"
        raise CheckpointError(
            f"output folder `{folder}` cannot be written: `{existing}` {reason}; "
            "choose another --output-dir"
        )


def find_checkpoint(path: Path, names: tuple[str, ...]) -> Path:
    """Return `path` if it is a file, else the first of `names` in the folder `path`.

    Raises:
        CheckpointError: When there is neither.
    """
    if path.is_file():
        return path
    if not path.exists():
        raise CheckpointError(
            f"run `{path}` does not exist; give a run folder or a checkpoint file"
        )
    for name in names:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(
        f"`{path}` holds no run: neither of {', '.join(names)} is there; "
        "give a folder that nanot-pretrain wrote"
    )


def load_run_tokenizer(checkpoint_path: Path, state: dict[str, Any]) -> Tokenizer:
    """Read the tokenizer that lies beside a checkpoint, and check that it is the checkpoint's own.

    Raises:
        CheckpointError: When it is missing or another one.
    """
    path = checkpoint_path.parent / TOKENIZER
    if not path.is_file():
        raise CheckpointError(
            f"`{path}` is missing: a checkpoint is used inside its run folder, with the tokenizer's "
            "file beside it"
        )
    tokenizer = Tokenizer.load(path)
    if tokenizer.digest != state["tokenizer_digest"]:
        raise CheckpointError(
            f"`{checkpoint_path}` was trained with another tokenizer than `{path}` "
            f"(digest {state['tokenizer_digest'][:12]}, found {tokenizer.digest[:12]}); "
            "bring checkpoint and tokenizer of one run together"
        )
    return tokenizer


def load_weights(model: torch.nn.Module, weights: dict[str, torch.Tensor], source: Path) -> None:
    """Copy a state dict into a model of exactly its names and shapes.

    Raises:
        CheckpointError: Listing the first names or shapes that differ.
    """
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    saved = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if own != saved:
        different = sorted(name for name in own | saved if own.get(name) != saved.get(name))
        name = different[0]
        raise CheckpointError(
            f"`{source}` is of another model: {len(different)} weights differ, first `{name}`: expected "
            f"{own.get(name, 'none')}, found {saved.get(name, 'none')}; use the run's own configuration"
        )
    model.load_state_dict(weights)
