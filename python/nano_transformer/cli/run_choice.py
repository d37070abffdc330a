"""Flags that say which trained model to use and where, shared by nanot-eval and nanot-sample."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nano_transformer.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from nano_transformer.training.runs import Run


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunChoice:
    """Which trained model to use, on what device."""

    run_dir: Path = Path("out/pretrain/demo")
    """Run folder that nanot-pretrain wrote; its best.pt is taken, else latest.pt."""
    checkpoint: Path | None = None
    """A checkpoint file inside a run folder, instead of --run-dir."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto: the best one there is."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products; auto: bfloat16 where the processor has it."""


def open_run(flags: RunChoice) -> tuple["Run", "torch.device"]:
    """Load the chosen run onto the chosen device."""
    from nano_transformer.training.devices import choose_device
    from nano_transformer.training.runs import load_run

    if flags.checkpoint is not None and flags.checkpoint.is_dir():
        raise ConfigError(f"`checkpoint` {flags.checkpoint} is a folder; give it as --run-dir")
    device = choose_device(flags.device)
    return load_run(flags.checkpoint or flags.run_dir, device=device), device
