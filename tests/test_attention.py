"""Every way of computing attention against loops over the predicate, and what it costs in memory."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from attention_by_hand import attention_by_hand, mask_by_hand
from nano_transformer import ModelConfig, ScaledDotProductAttention, TransformerLM
from nano_transformer.errors import ConfigError
from nano_transformer.model.attention_backends import attend
from nano_transformer.model.masks import BlockedMask, blocked_mask, full_mask, segment_starts

CPU = torch.device("cpu")
ROW = st.lists(st.integers(0, 1), min_size=6, max_size=6)
HEADS = st.sampled_from([(1, 1), (2, 2), (4, 2), (3, 1)])


def draw(seed: int, batch: int, heads: tuple[int, int], length: int, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(batch, heads[0], length, 4)] + 2 * [(batch, heads[1], length, 4)]
    made = [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]
    return [tensor.to(dtype).requires_grad_() for tensor in made]


def outcome(mixed: torch.Tensor, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the result and its gradients, of a sum in which every number has its own weight."""
    weights = torch.linspace(-1, 1, mixed.numel(), dtype=mixed.dtype).view_as(mixed)
    return [mixed.detach(), *torch.autograd.grad((mixed * weights).sum(), inputs)]


def masks_of(length: int, documents, query_block: int, **rule):
    ids = None if documents is None else torch.tensor(documents)[:, :length]
    starts = None if ids is None else segment_starts(ids, torch.arange(length))
    full = full_mask(length, **rule, starts=starts, device=CPU)
    blocks = blocked_mask(length, **rule, starts=starts, device=CPU, query_block=query_block)
    return ids, {"sdpa": full, "explicit": full, "auto": full, "blocked": blocks}


@given(
    length=st.integers(1, 6),
    heads=HEADS,
    window=st.none() | st.integers(1, 6),
    global_tokens=st.integers(0, 3),
    documents=st.none()
    | st.lists(st.lists(st.integers(0, 1), min_size=8, max_size=8), min_size=2, max_size=2),
    cap=st.none() | st.floats(0.5, 20),
    query_block=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_every_executor_equals_the_loops_forward_and_backward(
    length, heads, window, global_tokens, documents, cap, query_block, seed
):
    rule = dict(window=window, global_tokens=global_tokens)
    ids, masks = masks_of(length, documents, query_block, **rule)
    inputs = draw(seed, 2, heads, length)
    by_hand = attention_by_hand(*inputs, mask_by_hand(length, ids, **rule), cap)
    expected = outcome(by_hand, inputs)
    for backend, mask in masks.items():
        if backend == "sdpa" and cap is not None:
            continue
        found = outcome(attend(*inputs, mask, backend, cap), inputs)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10, msg=backend)
        single = [tensor.detach().float().requires_grad_() for tensor in inputs]
        found = outcome(attend(*single, mask, backend, cap), single)
        for ours, theirs in zip(found, expected, strict=True):
            # Relative to the largest number: gradients cancel to nearly zero where one key is seen.
            error = (ours.double() - theirs).abs().max() / theirs.abs().max().clamp_min(1)
            assert error < 1e-5, backend


@pytest.mark.parametrize("backend", ["sdpa", "explicit", "blocked", "auto"])
@pytest.mark.parametrize("length", [200, 300])
def test_the_executors_agree_at_lengths_where_kernels_change(backend, length):
    rule = dict(window=70, global_tokens=5)
    documents = (torch.arange(length) // 110).expand(2, -1).tolist()
    _, masks = masks_of(length, documents, 64, **rule)
    inputs = draw(0, 2, (4, 2), length)
    found = outcome(attend(*inputs, masks[backend], backend), inputs)
    expected = outcome(attend(*inputs, masks["explicit"], "explicit"), inputs)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


class LargestTensor(TorchDispatchMode):
    """Notes the most numbers that one result of any operation holds, in the backward pass too."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.numel = max(self.numel, tensor.untyped_storage().nbytes() // tensor.itemsize)
        return result


def memory_of(build, backend: str, length: int) -> tuple[int, int]:
    """Return the numbers in the largest tensor, and in all that the forward pass keeps for the backward."""
    inputs = [torch.randn(1, 2, length, 4, requires_grad=True) for _ in range(3)]
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes() // 4
        return tensor

    with LargestTensor() as largest, torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        mask = build(length, window=64, global_tokens=4, starts=None, device=CPU)
        attend(*inputs, mask, backend).sum().backward()
    return largest.numel, sum(kept.values())


@pytest.mark.parametrize("backend", ["sdpa", "explicit"])
def test_the_blocked_path_keeps_length_times_window_numbers(backend):
    largest, kept = memory_of(blocked_mask, backend, 1024)
    largest_of_twice, kept_of_twice = memory_of(blocked_mask, backend, 2048)
    # Weights of a block: 2 heads, 128 queries, at most 64 + 127 + 4 keys; or a whole input.
    assert largest <= max(2 * 128 * 195, 2 * 1024 * 4)
    assert largest_of_twice <= max(2 * 128 * 195, 2 * 2048 * 4)
    assert kept_of_twice < 2.2 * kept
    largest_of_full, kept_of_full = memory_of(full_mask, backend, 2048)
    assert largest_of_full >= 2048 * 2048
    assert kept_of_full > 3 * kept_of_twice


# What may be asked of a model, one value each, and the pairs that exclude each other with the reason.
FEATURES = {
    "num_kv_heads": 2,
    "use_qk_norm": False,
    "tie_embeddings": False,
    "scale_embeddings": False,
    "zero_init_residual": False,
    "dropout": 0.1,
    "head_width": 6,
    "pad_vocab_size_to_multiple_of": 64,
    "attention_window_size": 3,
    "attention_window_pattern": "every:2",
    "attention_global_tokens": 2,
    "attn_logit_softcap": 5.0,
    "final_logit_softcap": 9.0,
    "num_mtp_heads": 2,
    "rope_scaling_type": ("linear", "yarn", "llama3"),
    "attention_backend": ("sdpa", "blocked", "explicit"),
}
REFUSED = {
    frozenset({("attn_logit_softcap", 5.0), ("attention_backend", "sdpa")}): "hands out no scores",
}


SWITCHES = [
    (name, value)
    for name, values in FEATURES.items()
    for value in (values if isinstance(values, tuple) else (values,))
]


def compatible(pair: tuple) -> bool:
    return pair[0][0] != pair[1][0] and frozenset(pair) not in REFUSED


def covering_combinations() -> list[dict]:
    """Return few sets of features in which every compatible pair occurs together."""
    missing = {pair for pair in itertools.combinations(SWITCHES, 2) if compatible(pair)}
    combinations = []
    while missing:
        chosen = list(min(missing, key=str))
        for switch in SWITCHES:
            gained = sum((one, switch) in missing or (switch, one) in missing for one in chosen)
            if gained and all(compatible((one, switch)) for one in chosen):
                chosen.append(switch)
        missing -= set(itertools.permutations(chosen, 2))
        combinations.append(dict(chosen))
    return combinations


SMALL = dict(vocab_size=31, context_length=8, d_model=16, d_ff=16, num_layers=2, num_heads=4)


@pytest.mark.parametrize(
    "features", covering_combinations(), ids=lambda chosen: f"{len(chosen)}-features"
)
def test_any_two_features_work_together(features):
    fields = {**SMALL, **features}
    if "rope_scaling_type" in fields:
        fields["rope_scaling_factor"] = 2.0
    model, expected = (
        randomized(TransformerLM(ModelConfig(**{**fields, **backend})).double().eval())
        for backend in ({}, {"attention_backend": "explicit"})
    )
    tokens = torch.randint(0, 31, (2, 8), generator=torch.Generator().manual_seed(0))
    for documents in (None, torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1], [3] * 8])):
        logits = model(tokens, document_ids=documents)
        assert logits.shape == (2, 8, 31)
        torch.testing.assert_close(
            logits, expected(tokens, document_ids=documents), rtol=1e-10, atol=1e-10
        )
    model.train()(tokens, document_ids=documents).square().mean().backward()
    unused = {name for name, p in model.named_parameters() if p.grad is None}
    assert all(name.startswith("mtp_heads") for name in unused)


@pytest.mark.parametrize(("pair", "reason"), REFUSED.items())
def test_two_features_that_exclude_each_other_are_refused_with_the_reason(pair, reason):
    with pytest.raises(ConfigError, match=reason) as error:
        ModelConfig(**SMALL, **dict(pair))
    assert all(f"`{name}` {value}" in str(error.value) for name, value in pair)


def randomized(model: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator)
            parameter.copy_(0.3 * noise + 0.1)
    return model


def test_a_softcap_is_refused_where_the_kernel_cannot_apply_it():
    with pytest.raises(ConfigError, match=r"softcap of 5.0.*sdpa.*explicit"):
        ScaledDotProductAttention("sdpa", cap=5.0)


def test_attention_is_usable_alone():
    q, k, v = draw(0, 2, (4, 2), 5)
    alone = ScaledDotProductAttention("explicit", cap=3.0)(q, k, v)
    by_hand = attention_by_hand(q, k, v, mask_by_hand(5, None), 3.0)
    torch.testing.assert_close(alone, by_hand, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("backend", ["sdpa", "blocked", "explicit", "auto"])
def test_a_change_outside_the_window_does_not_reach_a_query(backend):
    model = randomized(
        TransformerLM(
            vocab_size=31,
            d_model=16,
            num_layers=1,
            num_heads=2,
            attention_window_size=3,
            attention_global_tokens=1,
            attention_backend=backend,
        ).double()
    )
    tokens = torch.randint(0, 31, (1, 12), generator=torch.Generator().manual_seed(2))
    before = model(tokens)[0, 9]
    for place in range(12):
        changed = tokens.clone()
        changed[0, place] = (changed[0, place] + 1) % 31
        moved = not torch.allclose(model(changed)[0, 9], before, rtol=0, atol=1e-12)
        assert moved == (place in {0, 7, 8, 9}), place


def test_the_window_can_be_changed_while_running():
    fields = dict(vocab_size=31, d_model=16, num_layers=4, num_heads=2)
    fields |= dict(attention_window_pattern="except:every:2")
    model = randomized(TransformerLM(**fields).double())
    windowed = randomized(TransformerLM(**fields, attention_window_size=3).double())
    tokens = torch.randint(0, 31, (1, 12), generator=torch.Generator().manual_seed(3))
    full = model(tokens)
    assert model.attention_windows == (None,) * 4
    model.set_attention_window(3)
    assert model.attention_windows == (3, None, 3, None)
    assert torch.equal(model(tokens), windowed(tokens))
    assert not torch.allclose(model(tokens), full)
    model.set_attention_window(None)
    assert torch.equal(model(tokens), full)
    with pytest.raises(ConfigError, match="at least 1 or None, found 0"):
        model.set_attention_window(0)


@pytest.mark.parametrize("backend", ["sdpa", "blocked", "explicit", "auto"])
def test_documents_in_one_row_are_read_as_if_each_were_alone(backend):
    model = randomized(
        TransformerLM(
            vocab_size=31,
            d_model=16,
            num_layers=2,
            num_heads=2,
            attention_window_size=4,
            attention_global_tokens=2,
            attention_backend=backend,
        ).double()
    )
    tokens = torch.randint(0, 31, (1, 17), generator=torch.Generator().manual_seed(4))
    documents = torch.tensor([[7] * 9 + [2] * 8])
    together = model(tokens, document_ids=documents)
    alone = torch.cat((model(tokens[:, :9]), model(tokens[:, 9:])), dim=1)
    # Rotary positions count along the row: only their differences matter, up to rounding of the tables.
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-10)


def test_document_ids_of_another_shape_are_refused():
    model = TransformerLM(vocab_size=31, d_model=16, num_layers=1, num_heads=2)
    with pytest.raises(ConfigError, match=r"\(1, 4\).*\(1, 5\)"):
        model(torch.zeros(1, 5).long(), document_ids=torch.zeros(1, 4).long())


@pytest.mark.parametrize(
    ("window", "documents", "backend", "expected"),
    [
        (None, False, "auto", None),
        (500, False, "auto", None),
        (40, False, "auto", BlockedMask),
        (None, True, "auto", BlockedMask),
        (40, True, "sdpa", torch.Tensor),
        (None, False, "blocked", BlockedMask),
        (None, False, "explicit", None),
    ],
)
def test_blocks_are_taken_where_a_long_row_needs_a_mask(window, documents, backend, expected):
    model = TransformerLM(
        vocab_size=31,
        d_model=16,
        num_layers=1,
        num_heads=2,
        attention_window_size=window,
        attention_backend=backend,
    )
    tokens = torch.zeros(1, 300).long()
    (mask,) = model.masks(tokens, tokens if documents else None)
    assert mask is None if expected is None else isinstance(mask, expected)
    assert not isinstance(model.masks(tokens[:, :50])[0], BlockedMask) or backend == "blocked"
