"""nanot-pretrain: train a language model on a named dataset or one's own text."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nano_transformer.cli.console import Progress, logger, run_command
from nano_transformer.cli.flags import flag_group, flags_type, parse, values
from nano_transformer.cli.plan import PlanFlags, write_plan
from nano_transformer.data.config import DataConfig
from nano_transformer.data.planned_vocabulary import planned_vocabulary
from nano_transformer.errors import ConfigError
from nano_transformer.model.config import ModelConfig
from nano_transformer.training.config import OptimizerConfig, TrainerConfig

DERIVED = {
    ModelConfig: ("vocab_size",),  # the tokenizer decides
    TrainerConfig: ("context_length", "optimizer"),  # the model's; a group of its own
}
GROUPS = {
    "data": DataConfig,
    "model": ModelConfig,
    "optimizer": OptimizerConfig,
    "trainer": TrainerConfig,
}
Flags = flags_type(
    "Flags",
    {key: flag_group(cls, derived=DERIVED.get(cls, ())) for key, cls in GROUPS.items()}
    | {"command": flag_group(PlanFlags)},
)
CHANGEABLE_ON_RESUME = {
    *("max_iters", "log_interval", "device", "output_dir", "resume_from", "overwrite"),
    *("data_dir", "train_text_path", "valid_text_path", "vocab_path", "merges_path"),
    *("tokenizer_path", "force_rebuild_cache"),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with these arguments, else the process's own."""
    run_command(lambda: _pretrain(parse_flags(argv)))


def parse_flags(argv: Sequence[str] | None) -> Any:
    """Parse the flags; a resumed run's own configuration takes the place of the defaults.

    Raises:
        ConfigError: When a flag would change what a resumed run may not change.
    """

    def parsed(default: Any = None) -> Any:
        return parse(Flags, argv, prog="nanot-pretrain", description=__doc__ or "", default=default)

    flags = parsed()
    if flags.trainer.resume_from is None:
        return flags
    saved = _saved_flags(flags.trainer.resume_from)
    flags = parsed(saved)
    for key in GROUPS:
        before, now = values(getattr(saved, key)), values(getattr(flags, key))
        for name in before:
            if before[name] != now[name] and name not in CHANGEABLE_ON_RESUME:
                raise ConfigError(
                    f"`{name}` is {before[name]} in the run to resume and cannot become {now[name]}; "
                    "leave the flag out, or start a new run"
                )
    return flags


def _saved_flags(resume_from: Path) -> Any:
    from nano_transformer.training.checkpointing import load_checkpoint
    from nano_transformer.training.runs import BEST, LATEST, configs_in, find_checkpoint

    path = find_checkpoint(resume_from, (LATEST, BEST))
    model, trainer, data = configs_in(load_checkpoint(path))
    if data is None:
        raise ConfigError(
            f"`{path}` was trained through the library, which does not note where its text is; "
            "resume it with `Trainer` and TrainerConfig(resume_from=...)"
        )
    trainer = dataclasses.replace(
        trainer, output_dir=path.parent, resume_from=resume_from, overwrite=False
    )
    configs = {
        "data": data,
        "model": model,
        "optimizer": trainer.optimizer,
        "trainer": trainer,
    }
    flags = Flags()
    return type(flags)(
        **{
            key: type(getattr(flags, key))(
                **{name: getattr(configs[key], name) for name in values(getattr(flags, key))}
            )
            for key in GROUPS
        }
    )


def component_configs(flags: Any, vocab_size: int) -> tuple[DataConfig, ModelConfig, TrainerConfig]:
    """Build the component configurations that the flat flags describe."""
    data = DataConfig(**values(flags.data))
    model = ModelConfig(vocab_size=vocab_size, **values(flags.model))
    name = data.dataset if data.train_text_path is None else data.train_text_path.stem
    trainer = TrainerConfig(
        **values(flags.trainer),
        context_length=model.context_length,
        optimizer=OptimizerConfig(**values(flags.optimizer)),
    )
    output_dir = trainer.output_dir or Path("out/pretrain") / name
    return data, model, dataclasses.replace(trainer, output_dir=output_dir)


def _pretrain(flags: Any) -> None:
    # What can be refused is refused before any text is read; the true vocabulary size comes later.
    data_config, model_config, planned = component_configs(flags, vocab_size=1)
    if flags.command.plan:
        vocabulary = planned_vocabulary(data_config)
        model_config = dataclasses.replace(model_config, vocab_size=vocabulary.size)
        write_plan(vocabulary, model_config, planned)
        return

    import torch

    from nano_transformer.cli.report import announce, tell_story
    from nano_transformer.data.prepare import prepare_data
    from nano_transformer.model.transformer import TransformerLM
    from nano_transformer.training.devices import choose_device
    from nano_transformer.training.runs import check_output_dir
    from nano_transformer.training.trainer import Trainer

    choose_device(planned.device)
    if planned.output_dir is not None and planned.resume_from is None:
        check_output_dir(planned.output_dir, overwrite=planned.overwrite)
    data = prepare_data(data_config, report=logger.info, progress=Progress())
    _, model_config, trainer_config = component_configs(flags, data.tokenizer.vocab_size)
    torch.manual_seed(trainer_config.seed)
    model = TransformerLM(model_config)
    trainer = Trainer(
        model, data.train_dataset, data.valid_dataset, trainer_config, data_config=data_config
    )
    announce(trainer, data)
    result = trainer.train()
    tell_story(trainer, result)
