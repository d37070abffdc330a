"""How a run is trained: optimizer, length, evaluation and where its files go."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from nano_transformer.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The optimizer and its learning-rate schedule."""

    optimizer: Literal["adamw"] = "adamw"
    """Update rule (arXiv:1711.05101)."""
    learning_rate: float = 3e-3
    """Peak learning rate at the reference batch of 2,048 tokens a step."""
    scale_lr_with_batch_size: bool = True
    """Multiply the learning rate by the square root of tokens a step over 2,048."""
    lr_schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Course of the learning rate after warm-up: to zero on a line or a cosine, or level."""
    warmup_iters: int | None = None
    """Steps over which the learning rate rises from zero; derived: 50, at most a tenth of the run."""
    weight_decay: float = 0.1
    """Decoupled decay of weight matrices; embeddings and norm gains are not decayed."""
    beta1: float = 0.9
    """Decay rate of the mean of gradients."""
    beta2: float = 0.95
    """Decay rate of the mean of squared gradients."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if not 0 < self.learning_rate < float("inf"):
            raise ConfigError(f"`learning_rate` must be positive, found {self.learning_rate}")
        if not 0 <= self.weight_decay < float("inf"):
            raise ConfigError(f"`weight_decay` must not be negative, found {self.weight_decay}")
        if self.warmup_iters is not None and self.warmup_iters < 0:
            raise ConfigError(f"`warmup_iters` must not be negative, found {self.warmup_iters}")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must lie in [0, 1), found {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """The length and shape of a run, its evaluation, device and files."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """The optimizer and its schedule."""
    batch_size: int = 16
    """Rows per micro-step."""
    gradient_accumulation_steps: int = 1
    """Micro-steps whose gradients make one optimizer step."""
    context_length: int = 128
    """Tokens per row; at most the model's own context length."""
    max_iters: int = 800
    """Optimizer steps of the whole run."""
    grad_clip: float = 1.0
    """Largest norm of the gradient; 0 leaves it as it is."""
    seed: int = 1337
    """Seed of the weights and of the order of rows."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto: the best one there is."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of matrix products (autocast); auto: bfloat16 where the processor has it.
    Weights stay float32."""
    eval_interval: int = 200
    """Steps between evaluations; each also saves latest.pt."""
    eval_iters: int = 20
    """Batches per split in an evaluation."""
    log_interval: int = 50
    """Steps between log lines; metrics.jsonl gets a row for each."""
    output_dir: Path | None = None
    """Run folder; derived by nanot-pretrain: out/pretrain/ and the dataset's name."""
    overwrite: bool = False
    """Replace the run that the output folder already holds."""
    resume_from: Path | None = None
    """Run folder or checkpoint to continue with its own configuration;
    only run length, paths, device and logging may be changed."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name in (
            "batch_size",
            "gradient_accumulation_steps",
            "context_length",
            "max_iters",
            "eval_interval",
            "eval_iters",
            "log_interval",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"`{name}` must be at least 1, found {getattr(self, name)}")
        if not 0 <= self.grad_clip < float("inf"):
            raise ConfigError(f"`grad_clip` must not be negative, found {self.grad_clip}")
        if (self.optimizer.warmup_iters or 0) >= self.max_iters:
            raise ConfigError(
                f"`warmup_iters` {self.optimizer.warmup_iters} leaves no step of `max_iters` "
                f"{self.max_iters}; use fewer warm-up steps"
            )

    def resolve(self) -> "TrainerConfig":
        """Return the same configuration with every derived field filled in."""
        optimizer = self.optimizer
        if optimizer.warmup_iters is None:
            optimizer = replace(optimizer, warmup_iters=min(50, self.max_iters // 10))
        return replace(
            self, optimizer=optimizer, output_dir=self.output_dir or Path("out/pretrain/run")
        )

    @property
    def rows_per_step(self) -> int:
        """Rows that make one optimizer step."""
        return self.batch_size * self.gradient_accumulation_steps

    @property
    def tokens_per_step(self) -> int:
        """Input tokens of one optimizer step."""
        return self.rows_per_step * self.context_length
