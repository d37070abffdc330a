"""Parameters, operations and bytes counted from the configuration equal those of real models."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from nano_transformer import ModelConfig, TransformerLM, allocate_kv_caches, create_optimizer
from nano_transformer.evaluation.cross_entropy import token_losses
from nano_transformer.model.counts import count_parameters
from nano_transformer.model.flops import row_flops, visible_pairs
from nano_transformer.model.memory import activation_bytes, kv_cache_bytes, training_bytes
from nano_transformer.training import OptimizerConfig

pytestmark = pytest.mark.usefixtures("one_thread")


@st.composite
def configs(draw, **fixed):
    """Draw any configuration that can be built: sizes small, every option that adds a weight."""
    num_kv_heads = draw(st.integers(1, 3))
    num_heads = num_kv_heads * draw(st.integers(1, 3))
    fields = dict(
        vocab_size=draw(st.integers(2, 70)),
        pad_vocab_size_to_multiple_of=draw(st.sampled_from([1, 1, 8, 64])),
        context_length=draw(st.integers(4, 12)),
        d_model=num_heads * draw(st.integers(1, 4)) * 2,
        d_ff=draw(st.none() | st.integers(1, 50)),
        num_layers=draw(st.integers(1, 3)),
        num_heads=num_heads,
        num_kv_heads=draw(st.sampled_from([None, num_kv_heads])),
        head_width=draw(st.sampled_from([None, 2, 6])),
        use_qk_norm=draw(st.booleans()),
        tie_embeddings=draw(st.booleans()),
        num_mtp_heads=draw(st.integers(0, 2)),
    )
    return ModelConfig(**{**fields, **fixed})


def group_of(name):
    """Return the group of `ParameterCounts` that a parameter of this name belongs to."""
    if name.startswith(("mtp", "horizon")):
        return "mtp"
    if "norm" in name:
        return "norms"
    return next(
        group for group in ("embedding", "attention", "feed_forward", "head") if group in name
    )


@settings(max_examples=30)
@given(config=configs())
def test_parameter_counts_are_those_of_the_model_itself(config):
    with torch.device("meta"):
        model = TransformerLM(config)
    expected = dict.fromkeys(("embedding", "attention", "feed_forward", "norms", "head", "mtp"), 0)
    for name, parameter in model.named_parameters():
        expected[group_of(name)] += parameter.numel()
    counts = count_parameters(config)
    assert counts._asdict() == expected
    assert counts.total == sum(parameter.numel() for parameter in model.parameters())


def counted_by_torch(config, rows, *, backward):
    """Let torch count the operations of the explicit executor on the meta device."""
    with torch.device("meta"):
        model = TransformerLM(config)
        tokens = torch.zeros(rows, config.context_length, dtype=torch.long)
    counter = FlopCounterMode(display=False)
    with counter:
        logits = model(tokens)
        if backward:
            logits.sum().backward()
    return counter.get_total_flops()


@settings(max_examples=15)
@given(config=configs(num_mtp_heads=0, attention_backend="explicit"), rows=st.integers(1, 3))
def test_operations_are_those_that_torch_counts(config, rows):
    flops = row_flops(config, count_masked=True)
    assert rows * flops.forward == counted_by_torch(config, rows, backward=False)
    assert rows * flops.training == counted_by_torch(config, rows, backward=True)


@given(
    seq_len=st.integers(1, 20),
    window=st.none() | st.integers(1, 25),
    global_tokens=st.integers(0, 25),
)
def test_visible_pairs_are_those_of_the_predicate(seq_len, window, global_tokens):
    expected = sum(
        key <= query and (window is None or query - key < window or key < global_tokens)
        for query in range(seq_len)
        for key in range(seq_len)
    )
    assert visible_pairs(seq_len, window, global_tokens) == expected


@given(
    config=configs(num_layers=4, head_width=2),
    window=st.integers(1, 8),
    global_tokens=st.integers(0, 3),
    layers=st.sets(st.integers(0, 3), min_size=1),
)
def test_windows_of_some_layers_are_counted_where_they_are(config, window, global_tokens, layers):
    fields = {name: getattr(config, name) for name in config.__dataclass_fields__}
    config = ModelConfig(
        **fields
        | dict(
            attention_window_size=window,
            attention_global_tokens=global_tokens,
            attention_window_pattern=",".join(map(str, sorted(layers))),
        )
    )
    T = config.context_length
    expected = 0
    for layer in range(4):
        for query in range(T):
            for key in range(query + 1):
                near = query - key < window or key < global_tokens
                if layer not in layers or near:
                    # Per query head: 2 K for the score, 2 K for mixing the value.
                    expected += config.num_heads * (2 * 2 + 2 * 2)
    assert row_flops(config).attention == expected


def test_training_counts_every_horizon():
    plain = ModelConfig(vocab_size=50, d_model=32, num_layers=1, num_heads=2)
    with_two = ModelConfig(vocab_size=50, d_model=32, num_layers=1, num_heads=2, num_mtp_heads=2)
    extra = row_flops(with_two, 16).training - row_flops(plain, 16).training
    assert extra == 3 * 2 * 16 * (2 * 32 * 32 + 2 * 32 * 50)
    assert row_flops(with_two, 16).forward == row_flops(plain, 16).forward


def test_the_square_count_is_palms_formula():
    config = ModelConfig(vocab_size=1000, d_model=64, num_layers=3, num_heads=4, context_length=96)
    counts = count_parameters(config)
    matrices = counts.total - counts.norms  # the tied embedding is the output projection
    per_token = 6 * matrices + 12 * 3 * 64 * 96
    assert row_flops(config, count_masked=True).training_per_token == per_token


@given(
    config=configs(),
    batch_size=st.integers(1, 3),
    total_seq_len=st.integers(1, 20),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_cache_bytes_are_those_of_the_allocated_caches(config, batch_size, total_seq_len, dtype):
    caches = allocate_kv_caches(TransformerLM(config), batch_size, total_seq_len, dtype=dtype)
    tensors = [
        value
        for cache in caches
        for value in vars(cache).values()
        if isinstance(value, torch.Tensor)
    ]
    expected = sum(tensor.untyped_storage().nbytes() for tensor in tensors)
    found = kv_cache_bytes(config, batch_size, total_seq_len, bytes_per_number=dtype.itemsize)
    assert found == expected


def test_weights_gradients_and_optimizer_state_are_exact():
    config = ModelConfig(vocab_size=50, d_model=32, num_layers=2, num_heads=2)
    model = TransformerLM(config)
    optimizer = create_optimizer(model, OptimizerConfig())
    model(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
    optimizer.step()
    parameters = list(model.parameters())
    state = [
        value for entry in optimizer.state.values() for key, value in entry.items() if key != "step"
    ]
    found = training_bytes(config, 1, 4)
    assert found.weights == sum(parameter.nbytes for parameter in parameters)
    assert found.gradients == sum(parameter.grad.nbytes for parameter in parameters)
    assert found.optimizer_state == sum(value.nbytes for value in state)


def run_forward(model, batch_size, precision):
    shape = (batch_size, model.config.context_length)
    tokens = torch.randint(0, model.config.vocab_size, shape)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        logits = model(tokens)
    return token_losses(logits, tokens).sum()


def saved_bytes(model, batch_size, precision):
    """Measure the storages that autograd keeps of a forward pass, the model's own left out."""
    own = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run_forward(model, batch_size, precision)
    return sum(size for size, _ in kept.values())


class PeakOfLiveTensors(TorchDispatchMode):
    """Follows every storage that an operation returns until it is freed."""

    def __init__(self):
        super().__init__()
        self.live, self.peak = {}, 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                self.live[storage.data_ptr()] = (StorageWeakRef(storage), storage.nbytes())
        self.live = {at: entry for at, entry in self.live.items() if not entry[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.live.values()))
        return result


SIZES = {
    "plain": dict(vocab_size=1000, d_model=128, num_layers=2, num_heads=4),
    "grouped": dict(
        vocab_size=900, d_model=96, num_layers=2, num_heads=6, num_kv_heads=2, d_ff=300
    ),
    "no-qk-norm": dict(vocab_size=300, d_model=128, num_layers=3, num_heads=4, use_qk_norm=False),
}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("attention_backend", ["explicit", "sdpa"])
@pytest.mark.parametrize("name", SIZES)
def test_activation_memory_is_what_autograd_keeps_within_2_per_cent(
    name, attention_backend, precision
):
    config = ModelConfig(**SIZES[name], context_length=64, attention_backend=attention_backend)
    found = activation_bytes(config, 8, precision=precision)
    measured = saved_bytes(TransformerLM(config), 8, precision)
    estimate = found.total - found.logits // 2  # their gradient comes with the backward pass
    assert abs(estimate - measured) < 0.02 * measured


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("attention_backend", ["auto", "explicit", "sdpa"])
def test_activation_memory_with_windows_is_near_what_autograd_keeps(attention_backend, precision):
    config = ModelConfig(
        **SIZES["plain"],
        context_length=512,
        attention_window_size=64,
        attention_global_tokens=8,
        attention_backend=attention_backend,
    )
    found = activation_bytes(config, 2, precision=precision)
    measured = saved_bytes(TransformerLM(config), 2, precision)
    assert abs(found.total - found.logits // 2 - measured) < 0.15 * measured


@pytest.mark.parametrize(
    ("precision", "length"), [("float32", 200), ("bfloat16", 256), ("bfloat16", 257)]
)
def test_automatic_attention_is_taken_to_be_what_it_is(precision, length):
    config = ModelConfig(**SIZES["plain"], context_length=length)
    found = activation_bytes(config, 2, precision=precision)
    measured = saved_bytes(TransformerLM(config), 2, precision)
    assert abs(found.total - found.logits // 2 - measured) < 0.02 * measured


@pytest.mark.parametrize(
    ("name", "precision"),
    [("plain", "float32"), ("grouped", "bfloat16"), ("no-qk-norm", "float32")],
)
def test_the_peak_of_live_tensors_is_near_the_estimate(name, precision):
    config = ModelConfig(**SIZES[name], context_length=64, attention_backend="explicit")
    model = TransformerLM(config)
    follower = PeakOfLiveTensors()
    with follower:
        run_forward(model, 8, precision).backward()
    found = training_bytes(config, 8, precision=precision)
    estimate = found.activations + found.gradients
    assert 0.85 * follower.peak < estimate < 1.15 * follower.peak
