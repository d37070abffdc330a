"""Configurations survive the way to JSON and back, and refuse what they do not know."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.config_io import from_plain, to_plain
from nano_transformer.data.config import DataConfig
from nano_transformer.errors import ConfigError
from nano_transformer.model.config import ModelConfig
from nano_transformer.training.config import OptimizerConfig, TrainerConfig


@given(
    st.floats(1e-6, 1.0),
    st.integers(1, 10**9),
    st.sampled_from(["linear", "cosine"]),
    st.none() | st.just(Path("out/a b")),
)
def test_json_out_is_json_in(learning_rate, max_iters, lr_schedule, output_dir):
    config = TrainerConfig(
        optimizer=OptimizerConfig(
            learning_rate=learning_rate, lr_schedule=lr_schedule, warmup_iters=0
        ),
        max_iters=max_iters,
        output_dir=output_dir,
    )
    assert from_plain(TrainerConfig, json.loads(json.dumps(to_plain(config)))) == config


def test_defaults_survive_too():
    for config in (ModelConfig(vocab_size=300), DataConfig(), DataConfig(data_dir=Path("x"))):
        assert from_plain(type(config), json.loads(json.dumps(to_plain(config)))) == config


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"vocab_size": 9, "d_modle": 3}, ["`d_modle`", "did you mean `d_model`"]),
        ({}, ["`vocab_size` is missing"]),
        ({"vocab_size": "9"}, ["vocab_size", "expected int", "'9'"]),
        ({"vocab_size": True}, ["vocab_size", "expected int", "True"]),
        ({"vocab_size": 9, "use_qk_norm": 1}, ["use_qk_norm", "expected bool", "1"]),
        ({"vocab_size": 9, "attention_backend": "flash"}, ["`auto`", "'flash'"]),
        ({"vocab_size": 9, "d_ff": 1.5}, ["d_ff", "expected int", "1.5"]),
        ({"vocab_size": 9, "d_model": 33}, ["`d_model` 33"]),
        ([], ["expected an object"]),
    ],
)
def test_what_does_not_fit_is_refused_with_the_place(plain, words):
    with pytest.raises(ConfigError) as error:
        from_plain(ModelConfig, plain, where="model.json")
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_wrong_key_inside_a_nested_configuration_is_named_with_its_path():
    with pytest.raises(ConfigError, match=r"run\.optimizer: unknown key `lerning_rate`"):
        from_plain(TrainerConfig, {"optimizer": {"lerning_rate": 1.0}}, where="run")


def test_whole_numbers_are_accepted_for_floats():
    assert from_plain(TrainerConfig, {"grad_clip": 1}).grad_clip == 1.0
