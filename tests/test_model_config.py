"""Configurations: derived fields, old files, patterns of layers, and what is refused with what words."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer import ModelConfig, TransformerLM
from nano_transformer.config_io import from_plain, to_plain
from nano_transformer.errors import ConfigError
from nano_transformer.model.layer_pattern import layer_numbers


def small(**fields) -> ModelConfig:
    defaults = dict(vocab_size=97, context_length=16, d_model=32, num_layers=4, num_heads=4)
    return ModelConfig(**{**defaults, **fields})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (dict(pad_vocab_size_to_multiple_of=0), "`pad_vocab_size_to_multiple_of` at least 1 0"),
        (dict(head_width=0), "`head_width` at least 1 or absent 0"),
        (dict(head_width=7), "`head_width` even 7 8"),
        (dict(rope_scaling_type="ntk"), "`rope_scaling_type` none, linear, yarn, llama3 'ntk'"),
        (dict(rope_scaling_type="yarn", rope_scaling_factor=0.5), "`rope_scaling_factor` 1 0.5"),
        (dict(rope_scaling_factor=4.0), "`rope_scaling_factor` 4.0 `rope_scaling_type` none yarn"),
        (dict(rope_base_context_length=0), "`rope_base_context_length` at least 1 or absent 0"),
        (dict(rope_yarn_beta_fast=1.0), "`rope_yarn_beta_slow` smaller `rope_yarn_beta_fast` 1.0"),
        (dict(rope_yarn_beta_slow=0.0), "`rope_yarn_beta_slow` positive 0.0"),
        (
            dict(rope_llama3_low_freq_factor=5.0),
            "`rope_llama3_low_freq_factor` smaller `rope_llama3_high_freq_factor` 5.0 4.0",
        ),
        (
            dict(rope_scaling_type="yarn", rope_theta=1.0),
            "`rope_theta` `rope_scaling_type` yarn 1.0 10000",
        ),
        (dict(dropout=1.0), "`dropout` [0, 1) 1.0"),
        (dict(dropout=float("nan")), "`dropout` [0, 1) nan"),
        (dict(attention_window_size=0), "`attention_window_size` at least 1 or absent 0"),
        (dict(attention_window_pattern="odd"), "`attention_window_pattern` all every:2 'odd'"),
        (dict(attention_window_pattern="1,4"), "`attention_window_pattern` '1,4' layer 4 0 .. 3"),
        (dict(attention_global_tokens=-1), "`attention_global_tokens` at least 0 -1"),
        (
            dict(attention_backend="flash"),
            "`attention_backend` auto, sdpa, blocked, explicit 'flash'",
        ),
        (dict(attn_logit_softcap=0.0), "`attn_logit_softcap` positive or absent 0.0"),
        (dict(final_logit_softcap=-3.0), "`final_logit_softcap` positive or absent -3.0"),
        (
            dict(attn_logit_softcap=50.0, attention_backend="sdpa"),
            "`attn_logit_softcap` 50.0 `attention_backend` sdpa explicit",
        ),
        (dict(num_mtp_heads=-1), "`num_mtp_heads` at least 0 -1"),
        (dict(num_mtp_heads=16), "`num_mtp_heads` 16 `context_length` 16 at most 15"),
        (dict(d_model=30), "`d_model` 30 4 heads 32 `head_width`"),
    ],
)
def test_what_cannot_work_is_refused_with_field_value_and_what_would_do(fields, words):
    with pytest.raises(ConfigError) as error:
        small(**fields)
    message = str(error.value)
    position = 0
    for word in words.split():
        found = message.find(word, position if word.startswith("`") else 0)
        assert found >= 0, f"`{word}` is not in: {message}"


def test_a_head_width_of_its_own_frees_d_model_from_the_heads():
    config = small(d_model=30, head_width=10).resolve()
    assert (config.head_width, small().resolve().head_width) == (10, 8)


def test_a_configuration_saved_before_the_newer_fields_means_what_it_meant():
    old = dict(
        vocab_size=97,
        context_length=16,
        d_model=32,
        d_ff=64,
        num_layers=4,
        num_heads=4,
        num_kv_heads=4,
        rope_theta=10000.0,
        norm_eps=1e-6,
        use_qk_norm=True,
        tie_embeddings=True,
        scale_embeddings=True,
        zero_init_residual=True,
        attention_backend="auto",
    )
    assert from_plain(ModelConfig, old).resolve() == small(d_ff=64).resolve()
    newer = {
        field.name: field.default
        for field in dataclasses.fields(ModelConfig)
        if field.name not in old
    }
    assert newer == dict(
        pad_vocab_size_to_multiple_of=1,
        head_width=None,
        rope_scaling_type="none",
        rope_scaling_factor=1.0,
        rope_base_context_length=None,
        rope_yarn_beta_fast=32.0,
        rope_yarn_beta_slow=1.0,
        rope_llama3_low_freq_factor=1.0,
        rope_llama3_high_freq_factor=4.0,
        dropout=0.0,
        attention_window_size=None,
        attention_window_pattern="all",
        attention_global_tokens=0,
        attn_logit_softcap=None,
        final_logit_softcap=None,
        num_mtp_heads=0,
    )


def test_weights_keep_the_names_and_order_that_saved_runs_have():
    # An optimizer's state is saved by the weights' order, so that the order is part of the format.
    block = "attention_norm attention.qkv attention.out attention.query_norm attention.key_norm"
    block += " feed_forward_norm feed_forward.gate_up feed_forward.down"
    names = ["embedding", *(f"blocks.0.{name}" for name in block.split()), "final_norm", "head"]
    model = TransformerLM(small(num_layers=1, tie_embeddings=False))
    assert [name for name, _ in model.named_parameters()] == [f"{name}.weight" for name in names]
    assert list(model.state_dict()) == [f"{name}.weight" for name in names]


def test_a_resolved_configuration_comes_back_from_plain_data():
    config = small(
        attention_window_size=4, attention_window_pattern="from:1", final_logit_softcap=30.0
    ).resolve()
    assert from_plain(ModelConfig, to_plain(config)) == config


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("all", [0, 1, 2, 3, 4, 5, 6]),
        ("none", []),
        ("5,1,3,1", [1, 3, 5]),
        ("0", [0]),
        ("every:1", [0, 1, 2, 3, 4, 5, 6]),
        ("every:2", [1, 3, 5]),
        ("every:9", []),
        ("from:4", [4, 5, 6]),
        ("except:every:6", [0, 1, 2, 3, 4, 6]),
        ("except:0,6", [1, 2, 3, 4, 5]),
        ("except:all", []),
    ],
)
def test_patterns_name_layers(pattern, expected):
    assert list(layer_numbers(pattern, 7, field="x")) == expected


@given(st.integers(1, 12), st.integers(1, 14))
def test_every_nth_layer_is_counted_from_one(num_layers, step):
    found = layer_numbers(f"every:{step}", num_layers, field="x")
    assert list(found) == [n for n in range(num_layers) if (n + 1) % step == 0]


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "every:0",
        "every:",
        "1,",
        ",1",
        "-1",
        "1-3",
        "from:7",
        "7",
        "except:",
        "ALL",
        "every:2,3",
    ],
)
def test_other_patterns_are_refused_by_name(pattern):
    with pytest.raises(ConfigError, match="`x`"):
        layer_numbers(pattern, 7, field="x")


@given(st.text(max_size=12))
def test_any_text_is_a_pattern_or_refused(text):
    try:
        found = layer_numbers(text, 5, field="x")
    except ConfigError:
        return
    assert set(found) <= set(range(5))
    assert list(found) == sorted(set(found))


def test_the_windows_of_all_layers():
    config = small(attention_window_pattern="except:every:4")
    assert config.attention_windows(3) == (3, 3, 3, None)
    assert config.attention_windows(None) == (None,) * 4
