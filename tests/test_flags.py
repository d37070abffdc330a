"""The flat flags: every field of every configuration once, with its own words as help."""

import dataclasses

import pytest

from nano_transformer.cli import pretrain, sample
from nano_transformer.cli.flags import field_docs, values
from nano_transformer.cli.plan import PlanFlags
from nano_transformer.data.config import DataConfig
from nano_transformer.errors import ConfigError
from nano_transformer.inference.config import SamplingConfig
from nano_transformer.model.config import ModelConfig
from nano_transformer.training.config import OptimizerConfig, TrainerConfig

# Decided by the tokenizer, by the model's flag of the same name, by a group of flags of its own.
DERIVED = {
    (ModelConfig, "vocab_size"),
    (TrainerConfig, "context_length"),
    (TrainerConfig, "optimizer"),
}


def test_every_field_has_exactly_one_flag_or_is_derived():
    flags = [
        field.name
        for group in dataclasses.fields(pretrain.Flags)
        if group.name != "command"  # what to do instead of training is in no configuration
        for field in dataclasses.fields(group.default_factory)
    ]
    fields = [
        field.name
        for cls in (DataConfig, ModelConfig, OptimizerConfig, TrainerConfig)
        for field in dataclasses.fields(cls)
        if (cls, field.name) not in DERIVED
    ]
    assert sorted(flags) == sorted(fields)
    assert len(set(flags)) == len(flags)


def test_every_field_says_what_it_is():
    configs = (DataConfig, ModelConfig, OptimizerConfig, TrainerConfig, SamplingConfig)
    for cls in (*configs, PlanFlags):
        docs = field_docs(cls)
        for field in dataclasses.fields(cls):
            assert docs[field.name].endswith((".", ").")), (cls, field.name)


def test_flags_without_arguments_are_the_defaults():
    flags = pretrain.parse_flags([])
    data, model, trainer = pretrain.component_configs(flags, vocab_size=300)
    assert data == DataConfig()
    assert model == ModelConfig(vocab_size=300)
    assert dataclasses.replace(trainer, output_dir=None) == TrainerConfig()
    assert str(trainer.output_dir) == "out/pretrain/demo"


def test_flags_reach_the_configuration_they_belong_to():
    arguments = (
        "--dataset owt --d-model 64 --num-kv-heads 2 --no-qk-norm --no-tie-embeddings "
        "--learning-rate 0.1 --max-iters 7 --context-length 32 --overwrite --output-dir x"
    )
    flags = pretrain.parse_flags(arguments.split())
    data, model, trainer = pretrain.component_configs(flags, vocab_size=300)
    assert data.dataset == "owt"
    assert (model.d_model, model.num_kv_heads, model.context_length) == (64, 2, 32)
    assert (model.use_qk_norm, model.tie_embeddings, model.scale_embeddings) == (False, False, True)
    assert (trainer.max_iters, trainer.context_length, trainer.overwrite) == (7, 32, True)
    assert trainer.optimizer.learning_rate == 0.1


def test_help_speaks_with_the_fields_words(capsys):
    with pytest.raises(SystemExit) as exit_:
        pretrain.parse_flags(["--help"])
    assert exit_.value.code == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for flag in ("--d-model", "--no-qk-norm", "--train-text-path", "--max-iters"):
        assert flag in shown
    assert "Width of the residual stream." in shown


def test_an_unknown_flag_is_answered_with_the_nearest(capsys):
    with pytest.raises(SystemExit) as exit_:
        pretrain.parse_flags(["--learning-rat", "1"])
    assert exit_.value.code == 2
    assert "--learning-rate" in capsys.readouterr().err


def test_sampling_flags_are_the_sampling_configuration():
    group = next(field for field in dataclasses.fields(sample.Flags) if field.name == "sampling")
    assert SamplingConfig(**values(group.default_factory())) == SamplingConfig()
    with pytest.raises(ConfigError, match="`top_k`"):
        SamplingConfig(top_k=0)
