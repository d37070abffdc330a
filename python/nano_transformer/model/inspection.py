"""Looking inside a model: hidden states, attention maps and per-layer statistics, on request.

Nothing here is imported or run by a forward pass that is not watched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nano_transformer.model.attention import MultiHeadSelfAttention
from nano_transformer.model.attention_backends import attend
from nano_transformer.model.masks import Mask
from nano_transformer.model.transformer import TransformerLM


class LayerStatistics(NamedTuple):
    """Sizes of what one layer put into the residual stream."""

    layer: str
    """`embedding`, `block 0`, `block 1`, ..., `final norm`."""
    activation_rms: float
    """Root mean square of its output."""
    activation_max: float
    """Largest absolute value of its output."""
    gradient_norm: float | None
    """Euclidean norm of the loss's gradient by its output; None before the backward pass."""


@dataclass
class Recording:
    """What `watch` saw of the model's last forward pass."""

    hidden_states: list[Tensor] = field(default_factory=list)
    """Output of the embedding, of every block and of the final norm, detached, [B,T,D] each."""
    attention_maps: list[Tensor] = field(default_factory=list)
    """Weights of every layer, [B,H,T,T], where they were asked for."""
    logits_max: float | None = None
    """Largest absolute logit; None when only hidden states were computed."""
    gradient_norms: dict[int, float] = field(default_factory=dict)
    """Gradient norm by the place in `hidden_states`, filled by the backward pass."""

    def statistics(self) -> list[LayerStatistics]:
        """Return one row per entry of `hidden_states`."""
        last = len(self.hidden_states) - 1
        names = ["embedding", *(f"block {layer}" for layer in range(last - 1)), "final norm"]
        return [
            LayerStatistics(
                name,
                float(state.float().square().mean().sqrt()),
                float(state.abs().max()),
                self.gradient_norms.get(place),
            )
            for place, (name, state) in enumerate(zip(names, self.hidden_states, strict=True))
        ]


@contextmanager
def watch(model: TransformerLM, *, attention_maps: bool = False) -> Iterator[Recording]:
    """Record what happens inside a model while the context lasts; a forward pass replaces the last.

    Args:
        model: Not compiled (watch the module that was given to `torch.compile`), not decoding with a
            cache.
        attention_maps: Also compute every layer's attention weights, in O(T^2) memory each.

    Example:
        >>> import torch
        >>> from nano_transformer import TransformerLM
        >>> model = TransformerLM(vocab_size=9, d_model=16, num_layers=2, num_heads=2)
        >>> with watch(model, attention_maps=True) as seen:
        ...     model(torch.tensor([[1, 2, 3]])).sum().backward()
        >>> len(seen.hidden_states), tuple(seen.attention_maps[0].shape)
        (4, (1, 2, 3, 3))
        >>> [row.layer for row in seen.statistics()]
        ['embedding', 'block 0', 'block 1', 'final norm']
    """
    recording = Recording()

    def begin(module: nn.Module, arguments: Any, output: Tensor) -> None:
        recording.hidden_states.clear()
        recording.attention_maps.clear()
        recording.gradient_norms.clear()
        recording.logits_max = None
        keep(module, arguments, output)

    def keep(module: nn.Module, arguments: Any, output: Tensor) -> None:  # noqa: ARG001
        place = len(recording.hidden_states)
        recording.hidden_states.append(output.detach())
        if output.requires_grad:

            def keep_gradient(gradient: Tensor) -> None:
                recording.gradient_norms[place] = float(gradient.float().norm())

            output.register_hook(keep_gradient)  # type: ignore[no-untyped-call]

    def keep_map(module: nn.Module, arguments: Any, output: Tensor) -> None:  # noqa: ARG001
        assert isinstance(module, MultiHeadSelfAttention), "hooked below"
        x, rope, mask, _ = arguments
        with torch.no_grad():
            recording.attention_maps.append(_attention_map(module, x, rope, mask))

    def keep_logits(module: nn.Module, arguments: Any, output: Tensor) -> None:  # noqa: ARG001
        recording.logits_max = float(output.detach().abs().max())

    blocks = list(model.blocks)
    handles = [
        model.dropout.register_forward_hook(begin),  # what enters the first block
        *(block.register_forward_hook(keep) for block in blocks),
        model.final_norm.register_forward_hook(keep),
        model.register_forward_hook(keep_logits),
    ]
    if attention_maps:
        modules = (m for m in model.modules() if isinstance(m, MultiHeadSelfAttention))
        handles += [module.register_forward_hook(keep_map) for module in modules]
    try:
        yield recording
    finally:
        for handle in handles:
            handle.remove()


def _attention_map(
    module: MultiHeadSelfAttention, x: Tensor, rope: tuple[Tensor, Tensor], mask: Mask
) -> Tensor:
    """Return the weights [B,H,T,T]: mixing the rows of the identity matrix by them gives them back."""
    q, k, v = module.queries_keys_values(x, rope)
    B, G, S, _ = v.shape
    identity = torch.eye(S, dtype=v.dtype, device=v.device).expand(B, G, S, S)
    return attend(q, k, identity, mask, "explicit", module.mix.cap)
