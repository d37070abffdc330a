"""The model's logits against Hugging Face transformers on the same random weights, in float64."""

from functools import partial

import pytest
import torch

from nano_transformer import ModelConfig, TransformerLM

transformers = pytest.importorskip("transformers")

SIZES = dict(vocab_size=97, d_model=48, d_ff=80, num_layers=3, num_heads=4, num_kv_heads=2)


def ours(**options) -> TransformerLM:
    """Build a model of random weights, zeros nowhere, in float64."""
    config = ModelConfig(context_length=64, scale_embeddings=False, **SIZES, **options)
    model = TransformerLM(config).double().eval()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            gain = 1.0 if "norm" in name else 0.0
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
            parameter.copy_(gain + 0.3 * noise)
    return model


def theirs(model: TransformerLM):
    """Put the same weights into Qwen3 (with QK-norm) or Llama (without)."""
    config = model.config
    sizes = dict(
        vocab_size=config.vocab_size,
        hidden_size=config.d_model,
        intermediate_size=config.d_ff,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        head_dim=config.head_width,
        rms_norm_eps=config.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tie_embeddings,
        attn_implementation="sdpa",  # their eager attention takes the softmax in float32
    )
    if config.use_qk_norm:
        peer = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**sizes))
    else:
        peer = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes))
    weights = {
        "model.embed_tokens.weight": model.embedding.weight,
        "model.norm.weight": model.final_norm.weight,
        "lm_head.weight": model.embedding.weight if model.head is None else model.head.weight,
    }
    for number, block in enumerate(model.blocks):
        attention, feed_forward = block.attention, block.feed_forward
        q, k, v = attention.qkv.weight.split(attention.split_sizes)
        gate, up = feed_forward.gate_up.weight.chunk(2)
        layer = {
            "input_layernorm": block.attention_norm.weight,
            "post_attention_layernorm": block.feed_forward_norm.weight,
            "self_attn.q_proj": q,
            "self_attn.k_proj": k,
            "self_attn.v_proj": v,
            "self_attn.o_proj": attention.out.weight,
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": feed_forward.down.weight,
        }
        if config.use_qk_norm:
            layer["self_attn.q_norm"] = attention.query_norm.weight
            layer["self_attn.k_norm"] = attention.key_norm.weight
        weights |= {f"model.layers.{number}.{name}.weight": value for name, value in layer.items()}
    peer.double().load_state_dict(weights)
    for module in peer.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = partial(rms_norm_in_full, module)
    return peer.eval()


def rms_norm_in_full(norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Normalise as their module does, but for its rounding to float32."""
    return norm.weight * (
        x * torch.rsqrt(x.square().mean(-1, keepdim=True) + norm.variance_epsilon)
    )


def with_their_angles(model: TransformerLM) -> None:
    """Round angles to float32 as theirs do; ours are exact, and would differ by some 1e-5."""
    rope = model.rope
    exponents = torch.arange(0, rope.head_width, 2).float() / rope.head_width
    angles = torch.outer(torch.arange(64).float(), 1.0 / rope.theta**exponents)
    exact = rope.cos.clone()
    rope.cos, rope.sin = angles.cos(), angles.sin()
    torch.testing.assert_close(rope.cos, exact[:64].to(rope.cos.dtype), rtol=0, atol=1e-5)


@pytest.mark.parametrize("use_qk_norm", [True, False])
@pytest.mark.parametrize("tie_embeddings", [True, False])
@pytest.mark.parametrize("attention_backend", ["sdpa", "explicit"])
def test_logits_equal_those_of_qwen3_and_llama(use_qk_norm, tie_embeddings, attention_backend):
    model = ours(
        use_qk_norm=use_qk_norm,
        tie_embeddings=tie_embeddings,
        attention_backend=attention_backend,
        rope_theta=500.0,
    )
    peer = theirs(model)
    with_their_angles(model)
    tokens = torch.randint(0, 97, (2, 48), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = model(tokens), peer(tokens).logits
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)
