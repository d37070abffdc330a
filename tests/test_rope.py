"""Rotary frequencies and tables against golden values and formulas written out on their own."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer import ModelConfig, TransformerLM
from nano_transformer.model.rope import RopeScaling, RotaryEmbedding, rope_frequencies


def plain_frequencies(width: int, theta: float) -> list[float]:
    return [theta ** (-2 * i / width) for i in range(width // 2)]


def test_yarn_gives_the_golden_vector():
    # transformers 5.23 for width 64, theta 10,000, factor 4, base context 4,096, to three places.
    golden = [1.0] * 11
    golden += [0.942, 0.885, 0.827, 0.769, 0.712, 0.654, 0.596, 0.538, 0.481, 0.423, 0.365, 0.308]
    golden += [0.25] * 9
    scaling = RopeScaling(type="yarn", factor=4.0, base_context_length=4096)
    ratios = rope_frequencies(64, 1e4, scaling) / torch.tensor(
        plain_frequencies(64, 1e4), dtype=torch.float64
    )
    assert ratios.tolist() == pytest.approx(golden, abs=5e-4)
    assert scaling.attention_factor == pytest.approx(1.138629, abs=5e-7)


def test_yarn_multiplies_cos_and_sin_by_its_factor_and_others_do_not():
    for kind, factor in (("yarn", 0.1 * math.log(8) + 1), ("linear", 1.0), ("llama3", 1.0)):
        scaling = RopeScaling(type=kind, factor=8.0, base_context_length=64)
        cos, sin = RotaryEmbedding(16, 1e4, 5, scaling).tables(torch.arange(5))
        lengths = (cos.square() + sin.square()).sqrt()
        torch.testing.assert_close(lengths, torch.full_like(lengths, factor))


@given(st.floats(1, 32), st.sampled_from([2, 8, 64]), st.floats(2, 1e6))
def test_linear_divides_every_frequency(factor, width, theta):
    found = rope_frequencies(width, theta, RopeScaling(type="linear", factor=factor))
    expected = [frequency / factor for frequency in plain_frequencies(width, theta)]
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


@given(
    factor=st.floats(1, 32),
    width=st.sampled_from([2, 8, 64, 128]),
    theta=st.floats(100, 1e6),
    base=st.integers(16, 16_384),
)
def test_llama3_keeps_short_waves_stretches_long_ones_and_blends_between(
    factor, width, theta, base
):
    found = rope_frequencies(
        width, theta, RopeScaling(type="llama3", factor=factor, base_context_length=base)
    )
    expected = []
    for frequency in plain_frequencies(width, theta):
        wavelength = 2 * math.pi / frequency
        if wavelength < base / 4:
            expected.append(frequency)
        elif wavelength > base / 1:
            expected.append(frequency / factor)
        else:
            smooth = (base / wavelength - 1) / (4 - 1)
            expected.append((1 - smooth) * frequency / factor + smooth * frequency)
    assert found.tolist() == pytest.approx(expected, rel=1e-9)


@given(
    factor=st.floats(1, 32),
    width=st.sampled_from([2, 8, 64, 128]),
    theta=st.floats(10, 1e6),
    base=st.integers(1, 16_384),
    kind=st.sampled_from(["none", "linear", "yarn", "llama3"]),
)
def test_a_scaled_frequency_lies_between_the_plain_one_and_its_share(
    factor, width, theta, base, kind
):
    scaling = RopeScaling(type=kind, factor=factor, base_context_length=base)
    found = rope_frequencies(width, theta, scaling)
    plain = torch.tensor(plain_frequencies(width, theta), dtype=torch.float64)
    assert bool((found <= plain * (1 + 1e-12)).all())
    assert bool((found >= plain / factor * (1 - 1e-12)).all())
    if kind == "none":
        assert torch.allclose(found, plain, rtol=1e-12)


def test_a_scaling_factor_of_one_changes_nothing():
    plain = RotaryEmbedding(8, 1e4, 6).tables(torch.arange(6))
    for kind in ("linear", "yarn", "llama3"):
        scaling = RopeScaling(type=kind, factor=1.0, base_context_length=32)
        found = RotaryEmbedding(8, 1e4, 6, scaling).tables(torch.arange(6))
        torch.testing.assert_close(found, plain, rtol=0, atol=1e-7)


def test_a_models_configuration_reaches_its_tables():
    config = ModelConfig(
        vocab_size=9,
        context_length=32,
        d_model=16,
        num_heads=2,
        rope_theta=100.0,
        rope_scaling_type="llama3",
        rope_scaling_factor=2.0,
        rope_base_context_length=16,
        rope_llama3_low_freq_factor=1.5,
        rope_llama3_high_freq_factor=3.0,
        rope_yarn_beta_fast=7.0,
        rope_yarn_beta_slow=2.0,
    )
    rope = TransformerLM(config).rope
    assert rope.scaling == RopeScaling(
        type="llama3",
        factor=2.0,
        base_context_length=16,
        yarn_beta_fast=7.0,
        yarn_beta_slow=2.0,
        llama3_low_freq_factor=1.5,
        llama3_high_freq_factor=3.0,
    )
    assert (rope.head_width, rope.theta, len(rope.cos)) == (8, 100.0, 32)


def test_the_base_context_is_the_context_unless_given():
    config = ModelConfig(vocab_size=9, context_length=77)
    assert config.resolve().rope_base_context_length == 77


def test_tables_grown_on_demand_are_the_same_as_tables_made_at_once():
    scaling = RopeScaling(type="yarn", factor=2.0, base_context_length=8)
    grown, made = (RotaryEmbedding(8, 1e4, size, scaling) for size in (2, 50))
    for needed in (3, 5, 50):
        grown.reserve(needed)
    assert torch.equal(grown.cos[:50], made.cos)
    assert torch.equal(grown.sin[:50], made.sin)
    before = grown.cos
    grown.reserve(50)
    assert grown.cos is before


def test_tables_stay_float32_in_a_model_of_lower_precision():
    rope = RotaryEmbedding(8, 1e4, 1000)
    exact = rope.cos.clone()
    for dtype in (torch.bfloat16, torch.float16):
        assert rope.to(dtype).cos.dtype == torch.float32
        assert torch.equal(rope.cos, exact)
    assert rope.double().cos.dtype == torch.float64
    assert float((rope.cos[999, 0] - math.cos(999)).abs()) < 1e-15


def test_tables_follow_the_module_to_its_device_and_are_right_there():
    expected = RotaryEmbedding(8, 1e4, 6).cos
    with torch.device("meta"):
        rope = RotaryEmbedding(8, 1e4, 6)
    assert rope.cos.is_meta
    assert torch.equal(rope.to_empty(device="cpu").cos, expected)
    assert rope.to("meta").cos.is_meta
    rope.reserve(9)
    assert rope.cos.is_meta
