"""Every block gives the numbers it gave when its snapshot was taken, from fixed weights and inputs.

A snapshot guards what no other implementation is compared with: the order of a file's weights, a default,
a constant. After a change that is meant to move numbers, look at the differences this test shows and
write the files anew:

    python tests/test_model_snapshots.py
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nano_transformer import (
    Embedding,
    Linear,
    ModelConfig,
    MultiHeadSelfAttention,
    RMSNorm,
    ScaledDotProductAttention,
    SwiGLU,
    TransformerBlock,
    TransformerLM,
)
from nano_transformer.model import MTPHead, RopeScaling, RotaryEmbedding

FOLDER = Path(__file__).parent / "_snapshots"
CONFIG = ModelConfig(
    vocab_size=11, context_length=8, d_model=8, d_ff=12, num_layers=2, num_heads=4, num_kv_heads=2
)
EVERYTHING = ModelConfig(
    vocab_size=11,
    pad_vocab_size_to_multiple_of=4,
    context_length=8,
    d_model=8,
    d_ff=12,
    num_layers=2,
    num_heads=2,
    num_kv_heads=1,
    head_width=6,
    rope_scaling_type="yarn",
    rope_scaling_factor=4.0,
    rope_base_context_length=64,
    tie_embeddings=False,
    attention_window_size=3,
    attention_window_pattern="every:2",
    attention_global_tokens=1,
    attn_logit_softcap=5.0,
    final_logit_softcap=9.0,
    num_mtp_heads=1,
)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Return fixed numbers between -1 and 1 by arithmetic: random streams may change between releases."""
    count = int(np.prod(shape))
    phases = torch.arange(1, count + 1, dtype=torch.float64) * 0.7 + seed
    return torch.sin(phases * phases).view(shape)


def fixed(module: nn.Module) -> nn.Module:
    """Give every weight fixed numbers, each its own."""
    module.double().eval()
    with torch.no_grad():
        for seed, (_, parameter) in enumerate(sorted(module.named_parameters())):
            parameter.copy_(numbers(*parameter.shape, seed=seed + 1))
    return module


def rope() -> tuple[Tensor, Tensor]:
    return RotaryEmbedding(2, 100.0, 5).double().tables(torch.arange(5))


TOKENS = torch.tensor([[1, 5, 5, 0, 10], [3, 2, 9, 7, 4]])
DOCUMENTS = torch.tensor([[0, 0, 1, 1, 1], [2, 2, 2, 2, 2]])
X = numbers(2, 5, 8)
YARN = RopeScaling(type="yarn", factor=4.0, base_context_length=64)
OUTPUTS: dict[str, Callable[[], Tensor]] = {
    "embedding": lambda: fixed(Embedding(11, 8))(TOKENS),
    "linear": lambda: fixed(Linear(8, 3))(X),
    "rms_norm": lambda: fixed(RMSNorm(8, eps=1e-5))(X),
    "swiglu": lambda: fixed(SwiGLU(8, 12))(X),
    "rotary": lambda: torch.stack(
        RotaryEmbedding(8, 100.0, 6, YARN).double().tables(torch.arange(6))
    ),
    "sdpa": lambda: ScaledDotProductAttention(cap=2.0)(
        numbers(1, 4, 5, 2), numbers(1, 2, 5, 2, seed=1), numbers(1, 2, 5, 2, seed=2)
    ),
    "attention": lambda: fixed(MultiHeadSelfAttention(CONFIG))(X, rope()),
    "block": lambda: fixed(TransformerBlock(CONFIG))(X, rope()),
    "mtp_head": lambda: fixed(MTPHead(CONFIG))(X),
    "model": lambda: fixed(TransformerLM(CONFIG))(TOKENS),
    "model_with_everything": lambda: fixed(TransformerLM(EVERYTHING))(
        TOKENS, document_ids=DOCUMENTS
    ),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_block_gives_the_numbers_of_its_snapshot(name):
    found = OUTPUTS[name]().detach().numpy()
    with np.load(FOLDER / "model_blocks.npz") as snapshots:
        expected = snapshots[name]
    # A thousand roundings of float64: kernels of other processors add in another order.
    tolerance = 1000 * np.finfo(np.float64).eps
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_every_snapshot_has_its_block():
    with np.load(FOLDER / "model_blocks.npz") as snapshots:
        assert set(snapshots) == set(OUTPUTS)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    made = {name: make().detach().numpy() for name, make in OUTPUTS.items()}
    np.savez_compressed(FOLDER / "model_blocks.npz", **made)
