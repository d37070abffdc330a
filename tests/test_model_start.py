"""How a model starts: its first loss, blocks that are the identity, weights on the `meta` device."""

import math

import pytest
import torch
from torch.nn import functional as F

from nano_transformer import Embedding, Linear, ModelConfig, SwiGLU, TransformerLM

VARIANTS = {
    "plain": {},
    "untied": dict(tie_embeddings=False),
    "unscaled": dict(scale_embeddings=False),
    "window": dict(attention_window_size=16, attention_global_tokens=2),
    "softcaps": dict(attn_logit_softcap=50.0, final_logit_softcap=30.0),
    "padded": dict(pad_vocab_size_to_multiple_of=1000),
    "yarn": dict(rope_scaling_type="yarn", rope_scaling_factor=4.0),
    "GPT-2 outputs": dict(zero_init_residual=False),
    "dropout": dict(dropout=0.1),
}


def first_losses(config: ModelConfig) -> list[float]:
    """Return the loss of every horizon of a new model on random tokens, under random documents."""
    torch.manual_seed(0)
    model = TransformerLM(config)
    num_rows = 512 // config.d_model + 1  # a wider model scatters less
    tokens = torch.randint(0, config.vocab_size, (num_rows, 129))
    hidden = model.hidden(tokens[:, :-1], document_ids=torch.randint(0, 2, (num_rows, 128)))
    losses = []
    for horizon in range(1, 2 + config.num_mtp_heads):
        logits = model.logits(model.mtp_hidden(hidden, horizon))[:, : 129 - horizon]
        losses.append(F.cross_entropy(logits.flatten(0, 1), tokens[:, horizon:].flatten()).item())
    return losses


@pytest.mark.parametrize("d_model", [64, 1024])
@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_the_first_loss_of_every_horizon_is_ln_v(d_model, fields):
    sizes = dict(vocab_size=2048, d_model=d_model, d_ff=64, num_layers=2)
    for loss in first_losses(ModelConfig(**sizes, **fields, num_mtp_heads=1)):
        assert abs(loss - math.log(2048)) < (
            1e-3 if fields.get("tie_embeddings") is False else 0.02
        )


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_blocks_start_as_the_identity_whatever_is_switched_on(fields):
    model = TransformerLM(
        ModelConfig(vocab_size=31, d_model=32, num_layers=3, num_heads=2, **fields)
    )
    tokens = torch.randint(0, 31, (2, 40))
    x = model.embedding(tokens) * (math.sqrt(32) if model.config.scale_embeddings else 1)
    unchanged = torch.equal(model.eval().hidden(tokens), model.final_norm(x))
    assert unchanged == model.config.zero_init_residual


def test_weights_are_spread_as_the_table_says():
    torch.manual_seed(0)
    config = ModelConfig(
        vocab_size=4000, d_model=128, d_ff=512, num_layers=3, zero_init_residual=False
    )
    model = TransformerLM(config)
    block = model.blocks[1]
    expected = {
        model.embedding: 0.02,
        block.attention.qkv: 128**-0.5,
        block.feed_forward.gate_up: 128**-0.5,
        block.attention.out: 128**-0.5 / math.sqrt(6),
        block.feed_forward.down: 512**-0.5 / math.sqrt(6),
    }
    for module, std in expected.items():
        assert module.weight.std().item() == pytest.approx(std, rel=0.03)
        assert abs(module.weight.mean().item()) < 0.03 * std
    gain = 1 / (0.02 * 128)
    torch.testing.assert_close(model.final_norm.weight, torch.full((128,), gain))
    assert torch.equal(block.attention.query_norm.weight, torch.ones(16))


def test_layers_alone_start_by_the_same_rules():
    torch.manual_seed(0)
    assert Embedding(1000, 50).weight.std().item() == pytest.approx(0.02, rel=0.03)
    assert Linear(400, 300).weight.std().item() == pytest.approx(0.05, rel=0.03)
    assert not Linear(4, 4, std=0.0).weight.any()
    assert Linear(4, 4).bias is None
    assert SwiGLU(96).down.weight.shape == (96, 256)


def test_the_same_seed_gives_the_same_model():
    config = ModelConfig(vocab_size=31, d_model=32, num_layers=2, num_heads=2)
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(TransformerLM(config).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_a_model_made_on_meta_is_the_model_made_in_memory(tie_embeddings):
    config = ModelConfig(
        vocab_size=31,
        d_model=32,
        num_layers=2,
        num_heads=2,
        num_mtp_heads=1,
        tie_embeddings=tie_embeddings,
        rope_scaling_type="yarn",
        rope_scaling_factor=2.0,
    )
    torch.manual_seed(5)
    expected = TransformerLM(config)
    with torch.device("meta"):
        model = TransformerLM(config)
    assert all(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])
    model.to_empty(device="cpu")
    torch.manual_seed(5)
    model.reset_parameters()
    for name, tensor in [*expected.named_parameters(), *expected.named_buffers()]:
        assert torch.equal(tensor, dict([*model.named_parameters(), *model.named_buffers()])[name])
    tokens = torch.randint(0, 31, (2, 9))
    assert torch.equal(model(tokens), expected(tokens))


def test_weights_loaded_after_meta_meet_the_right_rotary_tables():
    config = ModelConfig(vocab_size=31, d_model=32, num_layers=1, num_heads=2)
    expected = TransformerLM(config)
    with torch.device("meta"):
        model = TransformerLM(config)
    model.to_empty(device="cpu").load_state_dict(expected.state_dict())
    tokens = torch.randint(0, 31, (2, 9))
    assert torch.equal(model(tokens), expected(tokens))


def test_a_padded_vocabulary_changes_no_number_and_has_no_logits():
    sizes = dict(vocab_size=61, d_model=32, num_layers=1, num_heads=2)
    for tie_embeddings in (True, False):
        plain = TransformerLM(**sizes, tie_embeddings=tie_embeddings).double()
        padded = TransformerLM(
            **sizes, tie_embeddings=tie_embeddings, pad_vocab_size_to_multiple_of=64
        ).double()
        assert padded.embedding.weight.shape == (64, 32)
        with torch.no_grad():
            for name, weight in plain.named_parameters():
                weight.normal_()
                padded.get_parameter(name)[: len(weight)] = weight
                padded.get_parameter(name)[len(weight) :] = 100.0
        tokens = torch.randint(0, 61, (2, 9))
        torch.testing.assert_close(padded(tokens), plain(tokens), rtol=1e-12, atol=1e-12)
        padded(tokens).square().sum().backward()
        plain(tokens).square().sum().backward()
        for name, weight in plain.named_parameters():
            gradient = padded.get_parameter(name).grad
            torch.testing.assert_close(gradient[: len(weight)], weight.grad)
            assert not gradient[len(weight) :].any()


def test_dropout_works_in_training_only_and_keeps_the_mean():
    model = TransformerLM(vocab_size=31, d_model=64, num_layers=1, num_heads=2, dropout=0.25)
    tokens = torch.randint(0, 31, (4, 50))
    torch.manual_seed(1)
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))
    model.train()
    x = torch.ones(200, 64)
    dropped = model.dropout(x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert dropped.mean().item() == pytest.approx(1, abs=0.03)


def test_logits_are_bounded_by_the_final_softcap():
    fields = dict(vocab_size=31, d_model=32, num_layers=1, num_heads=2)
    torch.manual_seed(0)
    plain = TransformerLM(**fields).double()
    capped = TransformerLM(**fields, final_logit_softcap=2.0).double()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.normal_()
    capped.load_state_dict(plain.state_dict())
    tokens = torch.randint(0, 31, (2, 9))
    expected = [2 * math.tanh(z / 2) for z in plain(tokens).flatten().tolist()]
    assert capped(tokens).flatten().tolist() == pytest.approx(expected, abs=1e-12)
