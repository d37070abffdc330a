"""The model's logits against Hugging Face transformers on the same random weights, in float64."""

import pytest
import torch

from nano_transformer import ModelConfig, TransformerLM

pytest.importorskip("transformers")

from peers import peer_of, take_their_angles

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = dict(vocab_size=97, d_model=48, d_ff=80, num_layers=3, num_heads=4, num_kv_heads=2)
LENGTH = 48


def ours(**options) -> TransformerLM:
    """Build a model of random weights, zeros nowhere, in float64."""
    fields = dict(context_length=64, scale_embeddings=False, rope_theta=500.0) | SIZES | options
    model = TransformerLM(ModelConfig(**fields)).double().eval()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            gain = 1.0 if "norm" in name else 0.0
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
            parameter.copy_(gain + 0.3 * noise)
    return model


def assert_equal_logits(model: TransformerLM, architecture: str) -> None:
    """Compare the logits of two rows of tokens."""
    peer = peer_of(model, architecture)
    take_their_angles(model, peer, LENGTH)
    tokens = torch.randint(0, 97, (2, LENGTH), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = model(tokens), peer(tokens).logits
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.fixture
def full_softmax(monkeypatch):
    """Take the rounding to float32 out of the softmax of their eager attention."""
    softmax = torch.nn.functional.softmax
    monkeypatch.setattr(
        torch.nn.functional, "softmax", lambda x, dim, dtype=None: softmax(x, dim=dim)
    )


@pytest.mark.parametrize("use_qk_norm", [True, False])
@pytest.mark.parametrize("tie_embeddings", [True, False])
@pytest.mark.parametrize("attention_backend", ["sdpa", "explicit"])
def test_logits_equal_those_of_qwen3_and_llama(use_qk_norm, tie_embeddings, attention_backend):
    model = ours(
        use_qk_norm=use_qk_norm,
        tie_embeddings=tie_embeddings,
        attention_backend=attention_backend,
    )
    assert_equal_logits(model, "qwen3" if use_qk_norm else "llama")


def test_a_head_wider_than_its_share_is_qwen3s():
    assert_equal_logits(ours(head_width=20), "qwen3")


@pytest.mark.parametrize("attention_backend", ["sdpa", "explicit", "blocked", "auto"])
@pytest.mark.parametrize("window", [1, 5, LENGTH - 1])
def test_a_window_is_mistrals(attention_backend, window):
    model = ours(
        use_qk_norm=False, attention_window_size=window, attention_backend=attention_backend
    )
    assert_equal_logits(model, "mistral")


@pytest.mark.parametrize("attention_backend", ["sdpa", "explicit", "blocked"])
@pytest.mark.parametrize("pattern", ["1", "except:every:3", "from:1"])
def test_windows_on_some_layers_are_qwen3s(attention_backend, pattern):
    model = ours(
        attention_window_size=7,
        attention_window_pattern=pattern,
        attention_backend=attention_backend,
    )
    assert_equal_logits(model, "qwen3")


@pytest.mark.parametrize(
    "scaling",
    [
        dict(rope_scaling_type="linear", rope_scaling_factor=3.0),
        dict(rope_scaling_type="yarn", rope_scaling_factor=4.0),
        dict(
            rope_scaling_type="yarn",
            rope_scaling_factor=2.5,
            rope_yarn_beta_fast=6.0,
            rope_yarn_beta_slow=0.5,
        ),
        dict(rope_scaling_type="llama3", rope_scaling_factor=8.0),
        dict(
            rope_scaling_type="llama3",
            rope_scaling_factor=2.0,
            rope_llama3_low_freq_factor=0.7,
            rope_llama3_high_freq_factor=2.5,
        ),
    ],
    ids=lambda scaling: f"{scaling['rope_scaling_type']}-{scaling['rope_scaling_factor']}",
)
@pytest.mark.parametrize("architecture", ["llama", "qwen3"])
def test_scaled_rotary_embeddings_are_theirs(architecture, scaling):
    model = ours(
        **scaling,
        use_qk_norm=architecture == "qwen3",
        head_width=32,
        rope_theta=10_000.0,
        rope_base_context_length=32,
    )
    plain = ours(use_qk_norm=architecture == "qwen3", head_width=32, rope_theta=10_000.0)
    assert not torch.allclose(model.rope.cos[:LENGTH], plain.rope.cos[:LENGTH], atol=1e-2)
    assert_equal_logits(model, architecture)


@pytest.mark.parametrize("attention_backend", ["explicit", "blocked", "auto"])
@pytest.mark.parametrize("caps", [(2.0, None), (None, 3.0), (2.0, 3.0)], ids=str)
def test_softcaps_windows_and_scaled_embeddings_are_vaultgemmas(
    attention_backend, caps, full_softmax
):
    model = ours(
        use_qk_norm=False,
        scale_embeddings=True,
        attn_logit_softcap=caps[0],
        final_logit_softcap=caps[1],
        attention_window_size=9,
        attention_window_pattern="except:every:2",
        attention_backend=attention_backend,
    )
    assert_equal_logits(model, "vaultgemma")
