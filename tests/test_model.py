"""The model's blocks against loops written out by hand, and its state at initialisation."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from nano_transformer import (
    ModelConfig,
    MultiHeadSelfAttention,
    RMSNorm,
    SwiGLU,
    TransformerBlock,
    TransformerLM,
)
from nano_transformer.errors import ConfigError
from nano_transformer.model.attention_backends import attend
from nano_transformer.model.masks import visible
from nano_transformer.model.rope import RotaryEmbedding, rotate


def tiny(**fields) -> ModelConfig:
    defaults = dict(vocab_size=97, context_length=16, d_model=32, num_layers=2, num_heads=4)
    return ModelConfig(**{**defaults, **fields})


def randomized(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give every weight a random value: zeros at initialisation would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3 + 0.1)
    return model.double()


@pytest.mark.parametrize("d_model", [64, 256, 1024])
@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_the_first_loss_is_ln_v(d_model, tie_embeddings):
    torch.manual_seed(0)
    model = TransformerLM(
        vocab_size=2048, d_model=d_model, num_layers=2, tie_embeddings=tie_embeddings
    )
    tokens = torch.randint(0, 2048, (8, 129))
    logits = model(tokens[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).item()
    assert abs(loss - math.log(2048)) < (0.02 if tie_embeddings else 1e-3)


def test_blocks_are_the_identity_at_initialisation():
    block = TransformerLM(tiny()).blocks[0]
    x = torch.randn(2, 5, 32)
    rope = RotaryEmbedding(8, 10000.0, 5).tables(torch.arange(5))
    assert torch.equal(block(x, rope), x)


def test_without_zero_initialised_outputs_blocks_change_the_stream():
    block = TransformerLM(tiny(zero_init_residual=False)).blocks[0]
    x = torch.randn(2, 5, 32)
    rope = RotaryEmbedding(8, 10000.0, 5).tables(torch.arange(5))
    assert not torch.allclose(block(x, rope), x)


@given(
    batch=st.integers(1, 2),
    length=st.integers(1, 7),
    heads=st.sampled_from([(1, 1), (4, 4), (4, 2), (6, 1)]),
    backend=st.sampled_from(["explicit", "sdpa"]),
    with_mask=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_attention_equals_a_loop_over_queries_and_visible_keys(
    batch, length, heads, backend, with_mask, seed
):
    num_heads, num_kv_heads = heads
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(batch, num_heads, length, 4, dtype=torch.float64, generator=generator)
    k, v = torch.randn(2, batch, num_kv_heads, length, 4, dtype=torch.float64, generator=generator)
    positions = torch.arange(length)
    mask = visible(positions, positions) if with_mask else None
    expected = torch.zeros_like(q)
    for b in range(batch):
        for h in range(num_heads):
            g = h // (num_heads // num_kv_heads)
            for t in range(length):
                scores = [float(q[b, h, t] @ k[b, g, s]) / math.sqrt(4) for s in range(t + 1)]
                total = sum(math.exp(score) for score in scores)
                for s, score in enumerate(scores):
                    expected[b, h, t] += math.exp(score) / total * v[b, g, s]
    torch.testing.assert_close(attend(q, k, v, mask, backend), expected, rtol=1e-10, atol=1e-10)


@given(st.lists(st.integers(0, 9), max_size=6), st.lists(st.integers(-1, 9), max_size=6))
def test_visible_is_causality_by_position(queries, keys):
    mask = visible(torch.tensor(queries, dtype=torch.long), torch.tensor(keys, dtype=torch.long))
    expected = [[0 <= key <= query for key in keys] for query in queries]
    assert mask.reshape(len(queries), len(keys)).tolist() == expected


def test_visible_broadcasts_over_heads_when_rows_differ():
    mask = visible(torch.tensor([[3], [1]]), torch.tensor([[0, 3, -1], [0, 3, 1]]))
    assert mask.tolist() == [[[[True, True, False]]], [[[True, False, True]]]]


def test_rotation_turns_each_pair_of_channels_by_its_own_angle():
    width, theta = 6, 100.0
    x = torch.randn(1, 1, 5, width, dtype=torch.float64)
    rope = RotaryEmbedding(width, theta, 2)
    rope.reserve(5)
    rotated = rotate(x, *rope.tables(torch.arange(5)))
    for position in range(5):
        for i in range(width // 2):
            angle = position * theta ** (-2 * i / width)
            pair = complex(x[0, 0, position, i], x[0, 0, position, i + width // 2])
            turned = pair * complex(math.cos(angle), math.sin(angle))
            assert rotated[0, 0, position, i].item() == pytest.approx(turned.real, abs=1e-6)
            found = rotated[0, 0, position, i + width // 2].item()
            assert found == pytest.approx(turned.imag, abs=1e-6)


def test_attention_scores_depend_on_distance_only():
    rope = RotaryEmbedding(8, 10000.0, 64)
    q, k = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)

    def score(query_position: int, key_position: int) -> float:
        turned_q = rotate(q, *rope.tables(torch.tensor([query_position])))
        turned_k = rotate(k, *rope.tables(torch.tensor([key_position])))
        return float((turned_q * turned_k).sum())

    assert score(9, 4) == pytest.approx(score(59, 54), abs=1e-5)


def test_rope_tables_are_exact_at_far_positions():
    rope = RotaryEmbedding(4, 10000.0, 4)
    rope.reserve(100_001)
    cos, sin = rope.tables(torch.tensor([100_000]))
    assert cos[0, 0].item() == pytest.approx(math.cos(100_000), abs=1e-6)
    assert sin[0, 1].item() == pytest.approx(math.sin(100_000 * 0.01), abs=1e-6)


def test_rms_norm_divides_by_the_root_mean_square():
    norm = RMSNorm(3, eps=0.5)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
    x = [3.0, -1.0, 2.0]
    rms = math.sqrt(sum(value * value for value in x) / 3 + 0.5)
    assert norm(torch.tensor(x)).tolist() == pytest.approx([3 / rms, -2 / rms, -2 / rms])


def test_rms_norm_gives_no_warning_under_autocast():
    norm = RMSNorm(8)
    with torch.autocast("cpu", torch.bfloat16):
        assert norm(torch.randn(2, 8).bfloat16()).dtype == torch.bfloat16
        assert norm(torch.randn(2, 8)).dtype == torch.float32


def test_swiglu_is_down_of_silu_gate_times_up():
    layer = randomized(SwiGLU(3, 5))
    x = torch.randn(2, 3, dtype=torch.float64)
    gate, up = layer.gate_up.weight[:5], layer.gate_up.weight[5:]
    inner = (x @ gate.T) / (1 + torch.exp(-(x @ gate.T))) * (x @ up.T)
    torch.testing.assert_close(layer(x), inner @ layer.down.weight.T)


def test_a_later_token_never_changes_an_earlier_logit():
    model = randomized(TransformerLM(tiny(num_kv_heads=2)))
    tokens = torch.randint(0, 97, (2, 10))
    changed = tokens.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 97
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :6], after[:, :6], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(before[:, 6:], after[:, 6:])


@pytest.mark.parametrize("num_kv_heads", [None, 2, 1])
@pytest.mark.parametrize("use_qk_norm", [True, False])
def test_both_attention_backends_give_the_same_logits_and_gradients(num_kv_heads, use_qk_norm):
    tokens = torch.randint(0, 97, (2, 12))
    results = []
    for backend in ("sdpa", "explicit"):
        config = tiny(num_kv_heads=num_kv_heads, use_qk_norm=use_qk_norm, attention_backend=backend)
        model = randomized(TransformerLM(config))
        logits = model(tokens)
        logits.square().sum().backward()
        results.append((logits, [parameter.grad for parameter in model.parameters()]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-9, atol=1e-9)


def test_embeddings_are_scaled_where_they_enter():
    plain, scaled = (
        randomized(TransformerLM(tiny(scale_embeddings=scale))) for scale in (False, True)
    )
    with torch.no_grad():
        plain.embedding.weight *= math.sqrt(32)
        # The output projection is the same table, so the last gain makes up for it.
        plain.final_norm.weight /= math.sqrt(32)
    tokens = torch.randint(0, 97, (2, 9))
    torch.testing.assert_close(plain(tokens), scaled(tokens))


def test_parameters_are_counted_once_when_tied():
    block = 32 * 3 * 32 + 32 * 32 + 3 * 32 * 64 + 2 * 32 + 2 * 8
    assert TransformerLM(tiny(d_ff=64)).num_parameters() == 97 * 32 + 2 * block + 32
    untied = TransformerLM(tiny(d_ff=64, tie_embeddings=False))
    assert untied.num_parameters() == 2 * 97 * 32 + 2 * block + 32


def test_blocks_are_usable_alone():
    config = tiny().resolve()
    rope = RotaryEmbedding(config.head_width, 10000.0, 6).tables(torch.arange(6))
    x = torch.randn(1, 6, 32)
    assert MultiHeadSelfAttention(config)(x, rope).shape == (1, 6, 32)
    assert TransformerBlock(config)(x, rope).shape == (1, 6, 32)


def test_d_ff_is_eight_thirds_of_d_model_to_the_nearest_64():
    assert [tiny(d_model=d).resolve().d_ff for d in (32, 256, 512)] == [64, 704, 1344]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"num_heads": 3}, ["`d_model` 32", "3 heads", "36"]),
        ({"num_heads": 32}, ["`d_model` 32", "even width", "64"]),
        ({"num_kv_heads": 3}, ["`num_heads` 4", "`num_kv_heads` 3", "[1, 2, 4]"]),
        ({"vocab_size": 0}, ["`vocab_size`", "0"]),
        ({"d_ff": 0}, ["`d_ff`", "0"]),
        ({"rope_theta": -1.0}, ["`rope_theta`", "-1"]),
        ({"norm_eps": 0.0}, ["`norm_eps`", "0.0"]),
        ({"context_length": 0}, ["`context_length`", "0"]),
    ],
)
def test_impossible_sizes_are_refused_by_name_and_value(fields, words):
    with pytest.raises(ConfigError) as error:
        tiny(**fields)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_model_takes_a_config_or_its_fields_but_not_both():
    with pytest.raises(ConfigError, match="not both"):
        TransformerLM(tiny(), vocab_size=3)
