"""The training loop: steps, log lines, evaluations, checkpoints and exact resume."""

import logging
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nano_transformer.config_io import to_plain
from nano_transformer.data.batches import (
    Batch,
    EpochOrder,
    evaluation_batches,
    gather,
)
from nano_transformer.data.config import DataConfig
from nano_transformer.data.token_cache import TokenDataset
from nano_transformer.errors import CheckpointError, ConfigError, NanoTransformerError
from nano_transformer.evaluation.losses import Evaluation, evaluate
from nano_transformer.files import remove_leftovers, write_json_atomically
from nano_transformer.model.transformer import TransformerLM
from nano_transformer.training.config import TrainerConfig
from nano_transformer.training.devices import autocast, choose_device, choose_dtype
from nano_transformer.training.fit import check_fit
from nano_transformer.training.metrics import MetricsFile
from nano_transformer.training.optimizers import create_optimizer
from nano_transformer.training.runs import (
    BEST,
    LATEST,
    METRICS,
    RUN_CONFIG,
    TOKENIZER,
    TRAINER_CONFIG,
    check_output_dir,
    find_checkpoint,
)
from nano_transformer.training.schedule import learning_rate, peak_learning_rate
from nano_transformer.training.signals import TrainingInterrupted, stop_requests
from nano_transformer.training.state import TrainingState, restore_state, save_state
from nano_transformer.training.step import StepResult, train_step

logger = logging.getLogger(__name__)


class TrainResult(NamedTuple):
    """How a run ended."""

    step: int
    valid_loss: float
    """Validation loss of the last evaluation, nats per token."""
    valid_bits_per_byte: float
    best_valid_loss: float
    output_dir: Path


class Trainer:
    """Trains a model on a dataset and keeps everything about the run in one folder."""

    def __init__(
        self,
        model: TransformerLM,
        train_dataset: TokenDataset,
        valid_dataset: TokenDataset,
        config: TrainerConfig,
        *,
        data_config: DataConfig | None = None,
    ) -> None:
        """Check that model, data and configuration fit, and load the state to resume from, if any.

        Raises:
            ConfigError: When sizes contradict each other.
            DataError: When a split does not fill one row.
            CheckpointError: When the output folder holds a run, or the run to resume is another's.
        """
        config = config.resolve()
        self.config, self.data_config = config, data_config
        self.tokenizer = check_fit(model, train_dataset, valid_dataset, config)
        self.device = choose_device(config.device)
        self.dtype = choose_dtype(config.dtype, self.device)
        self.model = model.to(self.device)
        self.train_dataset, self.valid_dataset = train_dataset, valid_dataset
        self.optimizer = create_optimizer(self.model, config.optimizer)
        self.order = EpochOrder(train_dataset, config.context_length, config.seed)
        self.token_byte_lengths = torch.from_numpy(self.tokenizer.token_byte_lengths())
        assert config.output_dir is not None, "resolve() derives output_dir"
        self.output_dir = config.output_dir
        self.state = TrainingState()
        self.resumed_run: Path | None = None
        if config.resume_from is not None:
            checkpoint = find_checkpoint(config.resume_from, (LATEST, BEST))
            self.resumed_run = checkpoint.parent
            self._resume(checkpoint)
        if not self._continues_in_place():
            check_output_dir(self.output_dir, overwrite=config.overwrite)
            self.state.best_valid_loss = float("inf")  # this folder has no best.pt yet

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.state.step

    def train(self) -> TrainResult:
        """Train to `max_iters` steps.

        Raises:
            TrainingInterrupted: On SIGINT or SIGTERM, after latest.pt was saved.
            NanoTransformerError: When loss or gradient stop being finite; the checkpoints stay.
        """
        config = self.config
        metrics = self._open_run_folder()
        peak = peak_learning_rate(config.optimizer, config.tokens_per_step)
        self.model.train()
        evaluation: Evaluation | None = None
        began, first_step, last_log = time.perf_counter(), self.step, time.perf_counter()
        logged_step = self.step
        with stop_requests() as stop:
            while self.step < config.max_iters:
                rate = learning_rate(config.optimizer, peak, self.step, config.max_iters)
                result = self._take_step(rate)
                is_last = self.step == config.max_iters
                if self.step % config.log_interval == 0 or is_last:
                    now = time.perf_counter()
                    speed = (self.step - logged_step) * config.tokens_per_step / (now - last_log)
                    metrics.append(self._step_row(result, rate, speed))
                    remaining = (config.max_iters - self.step) * (now - began)
                    eta = remaining / (self.step - first_step)
                    logger.info(_log_line(self.step, config.max_iters, result, rate, speed, eta))
                    last_log, logged_step = now, self.step
                if self.step % config.eval_interval == 0 or is_last:
                    evaluation = self._evaluate_and_save(metrics)
                    last_log, logged_step = time.perf_counter(), self.step
                if stop.signal_number is not None and not is_last:
                    self._save(LATEST)
                    raise TrainingInterrupted(stop.signal_number, self.step)
        if evaluation is None:  # a finished run was resumed: there was no step to take
            evaluation = self.evaluate("valid")
        return TrainResult(
            self.step,
            evaluation.loss,
            evaluation.bits_per_byte,
            self.state.best_valid_loss,
            self.output_dir,
        )

    def evaluate(self, split: str) -> Evaluation:
        """Score the model on `eval_iters` fixed batches of the "train" or "valid" split."""
        dataset = self.train_dataset if split == "train" else self.valid_dataset
        config = self.config
        batches = evaluation_batches(
            dataset, config.context_length, config.batch_size, config.eval_iters
        )
        return evaluate(
            self.model,
            batches,
            self.token_byte_lengths,
            device=self.device,
            precision=self._precision(),
        )

    def _precision(self) -> AbstractContextManager[object]:
        return autocast(self.device, self.dtype)

    def _take_step(self, rate: float) -> StepResult:
        starts, after = self.order.row_starts(self.state.position, self.config.rows_per_step)
        rows = self.config.batch_size
        micro_batches: list[Batch] = [
            gather(self.train_dataset, starts[first : first + rows], self.config.context_length)
            for first in range(0, len(starts), rows)
        ]
        result = train_step(
            self.model,
            self.optimizer,
            micro_batches,
            learning_rate=rate,
            grad_clip=self.config.grad_clip,
            device=self.device,
            precision=self._precision(),
        )
        if not result.is_finite:
            raise NanoTransformerError(
                f"training diverged at step {self.step + 1}: loss {result.loss}, gradient norm "
                f"{result.grad_norm}; nothing was saved of it, start again with a smaller "
                "--learning-rate"
            )
        self.state.step, self.state.position = self.step + 1, after
        return result

    def _evaluate_and_save(self, metrics: MetricsFile) -> Evaluation:
        train, valid = self.evaluate("train"), self.evaluate("valid")
        is_best = valid.loss < self.state.best_valid_loss
        self.state.best_valid_loss = min(self.state.best_valid_loss, valid.loss)
        metrics.append(
            {
                "step": self.step,
                "event": "evaluation",
                "train_loss": train.loss,
                "valid_loss": valid.loss,
                "train_bits_per_byte": train.bits_per_byte,
                "valid_bits_per_byte": valid.bits_per_byte,
            }
        )
        if is_best:
            self._save(BEST)
        self._save(LATEST)
        logger.info(
            "step %*d/%d | train loss %.4f | valid loss %.4f | valid bits per byte %.4f%s",
            len(str(self.config.max_iters)),
            self.step,
            self.config.max_iters,
            train.loss,
            valid.loss,
            valid.bits_per_byte,
            " | best so far" if is_best else "",
        )
        return valid

    def _step_row(
        self, result: StepResult, rate: float, tokens_per_second: float
    ) -> dict[str, Any]:
        return {
            "step": self.step,
            "loss": result.loss,
            "ce_loss": result.loss,
            "learning_rate": rate,
            "grad_norm": result.grad_norm,
            "tokens_per_second": tokens_per_second,
            "tokens": self.step * self.config.tokens_per_step,
            "batch_size": self.config.batch_size,
            "context_length": self.config.context_length,
            "epoch": self.state.position.epoch,
        }

    def _open_run_folder(self) -> MetricsFile:
        """Write what describes the run; a new run clears away what an old one left."""
        folder = self.output_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json_atomically(folder / RUN_CONFIG, self._run_config())
            write_json_atomically(folder / TRAINER_CONFIG, to_plain(self.config))
            self.tokenizer.save(folder / TOKENIZER)
            for name in (LATEST, BEST, METRICS):
                remove_leftovers(folder / name)
            if not self._continues_in_place():
                for name in (LATEST, BEST):
                    (folder / name).unlink(missing_ok=True)
            continued = self.resumed_run and self.resumed_run / METRICS
            return MetricsFile(folder / METRICS, continued=continued, keep_through_step=self.step)
        except OSError as error:
            raise CheckpointError(
                f"output folder `{folder}` cannot be written ({error.strerror or error}); "
                "choose another --output-dir"
            ) from None

    def _continues_in_place(self) -> bool:
        """Say whether the run goes on in the folder that it was resumed from."""
        return self.resumed_run is not None and self.resumed_run.resolve() == (
            self.output_dir.resolve()
        )

    def _run_config(self) -> dict[str, Any]:
        return {
            "format_version": 1,
            "train_cache_path": str(self.train_dataset.cache_path),
            "valid_cache_path": str(self.valid_dataset.cache_path),
            "train_tokens": len(self.train_dataset),
            "valid_tokens": len(self.valid_dataset),
            **self._identity(),
            "data_config": self.data_config and to_plain(self.data_config),
            "model_config": to_plain(self.model.config),
        }

    def _identity(self) -> dict[str, Any]:
        """Return what must be equal for a checkpoint to be continued on this data."""
        return {
            "special_tokens": list(self.tokenizer.special_tokens),
            "tokenizer_digest": self.tokenizer.digest,
            "train_data_digest": self.train_dataset.digest,
            "valid_data_digest": self.valid_dataset.digest,
        }

    def _save(self, name: str) -> None:
        save_state(
            self.output_dir / name,
            self.state,
            self.model,
            self.optimizer,
            device=self.device,
            dtype=self.dtype,
            identity=self._identity(),
            description={
                "valid_cache_path": str(self.valid_dataset.cache_path),
                "model_config": to_plain(self.model.config),
                "trainer_config": to_plain(self.config),
                "data_config": self.data_config and to_plain(self.data_config),
            },
        )

    def _resume(self, path: Path) -> None:
        self.state = restore_state(
            path,
            self.model,
            self.optimizer,
            device=self.device,
            dtype=self.dtype,
            identity=self._identity(),
        )
        if self.state.step > self.config.max_iters:
            raise ConfigError(
                f"`max_iters` {self.config.max_iters} lies before step {self.state.step} of "
                f"`{path}`; give more than {self.state.step}"
            )


def _log_line(
    step: int, max_iters: int, result: StepResult, rate: float, speed: float, eta_seconds: float
) -> str:
    minutes, seconds = divmod(round(eta_seconds), 60)
    return (
        f"step {step:{len(str(max_iters))}d}/{max_iters} | loss {result.loss:.4f} | lr {rate:.2e} | "
        f"grad {result.grad_norm:.2f} | {speed / 1000:.1f}k tok/s | eta {minutes}:{seconds:02d}"
    )
