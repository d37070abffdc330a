"""The model under torch.compile, autocast and low precision, on the CPU and (marked) on CUDA."""

import contextlib

import pytest
import torch

from nano_transformer import ModelConfig, TransformerLM
from nano_transformer.model.attention_backends import attend
from nano_transformer.model.masks import blocked_mask, full_mask, segment_starts

# torch's own, on its way to the C++ compiler.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

VARIANTS = {
    "plain": {},
    "sdpa window": dict(attention_backend="sdpa", attention_window_size=5),
    "blocked window": dict(
        attention_backend="blocked",
        attention_window_size=5,
        attention_window_pattern="every:2",
        attention_global_tokens=2,
    ),
    "softcaps": dict(attn_logit_softcap=20.0, final_logit_softcap=30.0),
    "yarn, untied, padded": dict(
        rope_scaling_type="yarn",
        rope_scaling_factor=2.0,
        tie_embeddings=False,
        pad_vocab_size_to_multiple_of=64,
    ),
}


def random_model(**fields) -> TransformerLM:
    sizes = dict(vocab_size=61, context_length=16, d_model=32, num_layers=2, num_heads=4)
    model = TransformerLM(ModelConfig(**{**sizes, "num_kv_heads": 2, **fields}))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def batch(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randint(0, 61, (2, 16), generator=generator)
    documents = torch.tensor([[0] * 7 + [1] * 9, [3] * 16])
    return tokens.to(device), documents.to(device)


def check_compiled(
    model: TransformerLM,
    device: str,
    tolerance: float,
    *,
    backend: str = "inductor",
    with_documents: bool = True,
) -> None:
    """Compare logits and gradients of the compiled model with the eager one's."""
    tokens, documents = batch(device)
    compiled = torch.compile(model, fullgraph=True, dynamic=False, backend=backend)
    results = []
    for run in (model, compiled):
        model.zero_grad()
        logits = run(tokens, document_ids=documents if with_documents else None)
        logits.square().mean().backward()
        results.append([logits.detach(), *(parameter.grad for parameter in model.parameters())])
    torch.testing.assert_close(results[1], results[0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "with_documents"), [("plain", False), ("blocked window", True)])
def test_the_compiled_model_equals_the_eager_one(name, with_documents):
    # aot_eager traces forward and backward in full and leaves out the C++ compiler, which takes minutes.
    torch._dynamo.reset()
    model = random_model(**VARIANTS[name]).double()
    check_compiled(model, "cpu", 1e-10, backend="aot_eager", with_documents=with_documents)


@pytest.mark.slow
@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_inductor_compiles_every_variant_to_equal_numbers(fields):
    torch._dynamo.reset()
    check_compiled(random_model(**fields), "cpu", 1e-4)


def test_a_changed_window_reaches_the_compiled_model():
    torch._dynamo.reset()
    tokens, _ = batch()
    model = random_model(attention_backend="sdpa", num_layers=1).double().requires_grad_(False)
    compiled = torch.compile(model, fullgraph=True, dynamic=False, backend="aot_eager")
    for window in (None, 3):
        model.set_attention_window(window)
        torch.testing.assert_close(compiled(tokens), model(tokens), rtol=1e-10, atol=1e-10)


def check_low_precision(model: TransformerLM, device: str, context, tolerance: float) -> None:
    """Compare with float32, relative to the spread of the logits."""
    tokens, documents = batch(device)
    with torch.no_grad():
        expected = model.float()(tokens, document_ids=documents)
        with context(model):
            found = model(tokens, document_ids=documents)
    error = (found.float() - expected).abs().mean() / expected.std()
    assert torch.isfinite(found).all()
    assert error.item() < tolerance


@contextlib.contextmanager
def cast(model: torch.nn.Module, dtype: torch.dtype):
    model.to(dtype)
    yield
    model.float()


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_bfloat16_autocast_stays_near_float32(fields):
    # A step of bfloat16 is 2^-8; a few layers of rounding stay within three of them on average.
    model = random_model(**fields)
    autocast = lambda _: torch.autocast("cpu", torch.bfloat16)  # noqa: E731
    check_low_precision(model, "cpu", autocast, 3 * 2**-8)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(batch()[0]).float().square().mean()
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(grad is not None and grad.dtype == torch.float32 for grad in gradients)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_weights_in_half_precision_stay_near_float32(fields, dtype):
    step = 2**-8 if dtype == torch.bfloat16 else 2**-11
    check_low_precision(random_model(**fields), "cpu", lambda m: cast(m, dtype), 4 * step)


@pytest.mark.gpu
@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
class TestOnCUDA:
    """The same on a GPU; also that the executors agree there."""

    def test_compiled_equals_eager(self, fields):
        torch._dynamo.reset()
        check_compiled(random_model(**fields).cuda(), "cuda", 1e-4)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_autocast_stays_near_float32(self, fields, dtype):
        step = 2**-8 if dtype == torch.bfloat16 else 2**-11
        autocast = lambda _: torch.autocast("cuda", dtype)  # noqa: E731
        check_low_precision(random_model(**fields).cuda(), "cuda", autocast, 6 * step)

    def test_the_gpu_equals_the_cpu_in_float64(self, fields):
        tokens, documents = batch()
        model = random_model(**fields).double()
        expected = model(tokens, document_ids=documents)
        found = model.cuda()(tokens.cuda(), document_ids=documents.cuda()).cpu()
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("with_documents", [False, True])
def test_the_executors_agree_on_cuda(dtype, with_documents):
    device = torch.device("cuda")
    length = 300
    q = torch.randn(2, 4, length, 32, device=device, dtype=dtype)
    k, v = torch.randn(2, 2, 2, length, 32, device=device, dtype=dtype)
    ids = (torch.arange(length, device=device) // 110).expand(2, -1)
    starts = segment_starts(ids, torch.arange(length, device=device)) if with_documents else None
    rule = dict(window=70, global_tokens=5, starts=starts, device=device)
    full = full_mask(length, **rule)
    expected = attend(q.double(), k.double(), v.double(), full, "explicit")
    tolerance = 1e-10 if dtype == torch.float64 else 20 * torch.finfo(dtype).eps
    for mask, backend in (
        (full, "sdpa"),
        (full, "explicit"),
        (blocked_mask(length, **rule), "auto"),
    ):
        found = attend(q, k, v, mask, backend).double()
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
