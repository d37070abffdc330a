"""Our weights in models of Hugging Face transformers, whose float32 roundings are taken out."""

from functools import partial

import torch
import transformers

from nano_transformer import TransformerLM

ARCHITECTURES = {
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
    "vaultgemma": (transformers.VaultGemmaConfig, transformers.VaultGemmaForCausalLM),
}
SCALING_NAMES = {
    "yarn": dict(beta_fast="rope_yarn_beta_fast", beta_slow="rope_yarn_beta_slow"),
    "llama3": dict(
        low_freq_factor="rope_llama3_low_freq_factor",
        high_freq_factor="rope_llama3_high_freq_factor",
    ),
}


def peer_of(model: TransformerLM, architecture: str) -> torch.nn.Module:
    """Return that model of transformers with the weights of ours, in float64."""
    config_class, model_class = ARCHITECTURES[architecture]
    peer = model_class(config_class(**peer_config(model, architecture)))
    peer.double()  # before the weights come, which would be rounded
    peer.load_state_dict(peer_weights(model, architecture))
    return in_full(peer)


def in_full(peer: torch.nn.Module) -> torch.nn.Module:
    """Turn a model of theirs to float64, without the roundings to float32 in its norms."""
    peer.double()
    for module in peer.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = partial(rms_norm_in_full, module)
    if hasattr(peer.model.embed_tokens, "embed_scale"):  # VaultGemma keeps sqrt(d_model) in float32
        exact = torch.tensor(peer.config.hidden_size, dtype=torch.float64).sqrt()
        torch.testing.assert_close(peer.model.embed_tokens.embed_scale, exact, rtol=1e-7, atol=0)
        peer.model.embed_tokens.embed_scale.copy_(exact)
    return peer.eval()


def peer_config(model: TransformerLM, architecture: str) -> dict:
    """Translate a configuration of ours into the arguments of theirs."""
    config = model.config
    fields = dict(
        vocab_size=config.vocab_size,
        hidden_size=config.d_model,
        intermediate_size=config.d_ff,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.num_kv_heads,
        head_dim=config.head_width,
        rms_norm_eps=config.norm_eps,
        max_position_embeddings=config.context_length,
        rope_parameters=rope_parameters(config),
        tie_word_embeddings=config.tie_embeddings,
        attn_implementation="sdpa",  # their eager attention takes the softmax in float32
    )
    windows = config.attention_windows(config.attention_window_size)
    kinds = ["full_attention" if window is None else "sliding_attention" for window in windows]
    if architecture == "qwen3" and "sliding_attention" in kinds:
        fields |= dict(use_sliding_window=True, layer_types=kinds)
    if architecture == "vaultgemma":
        fields |= dict(
            layer_types=kinds,
            hidden_activation="silu",
            query_pre_attn_scalar=config.head_width,
            attn_logit_softcapping=config.attn_logit_softcap,
            final_logit_softcapping=config.final_logit_softcap,
            attn_implementation="eager",  # the only one of theirs with a softcap
        )
    if architecture != "llama":
        # Their window is ours: key > query - window, so as many keys with the query's own.
        fields |= dict(sliding_window=config.attention_window_size)
    return fields


def rope_parameters(config) -> dict:
    """Translate our `rope_...` fields."""
    kind = config.rope_scaling_type
    if kind == "none":
        return dict(rope_type="default", rope_theta=config.rope_theta)
    names = SCALING_NAMES.get(kind, {})
    return dict(
        rope_type=kind,
        rope_theta=config.rope_theta,
        factor=config.rope_scaling_factor,
        original_max_position_embeddings=config.rope_base_context_length,
        **{theirs: getattr(config, name) for theirs, name in names.items()},
    )


def peer_weights(model: TransformerLM, architecture: str) -> dict[str, torch.Tensor]:
    """Name the weights as their modules do, and take the merged projections apart."""
    head = model.embedding.weight if model.head is None else model.head.weight
    weights = {
        "model.embed_tokens": model.embedding.weight,
        "model.norm": model.final_norm.weight,
        "lm_head": head,
    }
    second_norm = "pre_feedforward" if architecture == "vaultgemma" else "post_attention"
    for number, block in enumerate(model.blocks):
        attention, feed_forward = block.attention, block.feed_forward
        q, k, v = attention.qkv.weight.split(attention.split_sizes)
        gate, up = feed_forward.gate_up.weight.chunk(2)
        layer = {
            "input_layernorm": block.attention_norm.weight,
            f"{second_norm}_layernorm": block.feed_forward_norm.weight,
            "self_attn.q_proj": q,
            "self_attn.k_proj": k,
            "self_attn.v_proj": v,
            "self_attn.o_proj": attention.out.weight,
            "mlp.gate_proj": gate,
            "mlp.up_proj": up,
            "mlp.down_proj": feed_forward.down.weight,
        }
        if architecture == "qwen3":
            layer["self_attn.q_norm"] = attention.query_norm.weight
            layer["self_attn.k_norm"] = attention.key_norm.weight
        weights |= {f"model.layers.{number}.{name}": value for name, value in layer.items()}
    if architecture == "vaultgemma":  # its norms multiply by 1 + weight
        weights = {name: value - 1 if "norm" in name else value for name, value in weights.items()}
    return {f"{name}.weight": value.detach() for name, value in weights.items()}


def rms_norm_in_full(norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Normalise as their module does, but for its rounding to float32."""
    adds_one = type(norm).__name__.startswith("VaultGemma")
    eps = norm.eps if adds_one else norm.variance_epsilon
    return (norm.weight + adds_one) * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps))


def take_their_angles(model: TransformerLM, peer: torch.nn.Module, length: int) -> None:
    """Make their cos and sin our tables; they come from float32 angles and are off by some 1e-5."""
    positions = torch.arange(length)[None]
    cos, sin = peer.model.rotary_emb(torch.zeros((), dtype=torch.float64), positions)
    for name, table in (("cos", cos), ("sin", sin)):
        half = table[0, :, : table.shape[-1] // 2].clone()
        torch.testing.assert_close(getattr(model.rope, name)[:length], half, rtol=0, atol=1e-5)
        setattr(model.rope, name, half)
