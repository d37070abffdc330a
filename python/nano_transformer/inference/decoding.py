"""How a prompt is continued: prefill, decode steps, and the loop that slides past the context."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nano_transformer.errors import ConfigError
from nano_transformer.inference.config import Strategy
from nano_transformer.inference.kv_cache import KVCache, allocate_kv_caches
from nano_transformer.inference.sampling import sample_next_token
from nano_transformer.model.masks import Mask, mask_per_layer, segment_starts, visible
from nano_transformer.model.transformer import TransformerLM


@torch.no_grad()
def prefill(
    model: TransformerLM,
    prompt: Tensor,
    kv_caches: Sequence[KVCache],
    *,
    document_ids: Tensor | None = None,
) -> tuple[Tensor, Sequence[KVCache]]:
    """Read tokens into the caches, after those already there.

    Args:
        model: The model that decodes.
        prompt: Token ids, [B,T].
        kv_caches: One cache per layer; advanced in place.
        document_ids: Document of every token, [B,T], where attention is to stay inside each; given
            in all calls on the same caches or in none.

    Returns:
        Logits after the last token, [B,V], and the same caches.
    """
    reserved = [cache.reserve(prompt.shape[1], document_ids) for cache in kv_caches]
    positions = reserved[0]  # [B,T], alike in all layers
    masks = _decoding_masks(model, kv_caches[0], positions)
    hidden = model.hidden(prompt, positions=positions, masks=masks, stores=kv_caches)
    return model.logits(hidden[:, -1]), kv_caches


def decode_step(
    model: TransformerLM,
    token_ids: Tensor,
    kv_caches: Sequence[KVCache],
    *,
    document_ids: Tensor | None = None,
) -> tuple[Tensor, Sequence[KVCache]]:
    """Read one more token per row, [B,1]; arguments and result as of `prefill`."""
    return prefill(model, token_ids, kv_caches, document_ids=document_ids)


def _decoding_masks(model: TransformerLM, cache: KVCache, positions: Tensor) -> list[Mask]:
    """Return the mask [B,1,T,S] of every layer, from the positions in the cache's slots."""
    key_positions, documents = cache.filled_positions(), cache.filled_documents()  # [B,S] each
    key_starts = None if documents is None else segment_starts(documents, key_positions)
    query_starts = None if key_starts is None else key_starts[:, -positions.shape[1] :]

    def build(window: int | None) -> Mask:
        return visible(
            positions,
            key_positions,
            window=window,
            global_tokens=model.config.attention_global_tokens,
            query_starts=query_starts,
            key_starts=key_starts,
        )

    return mask_per_layer(model.attention_windows, build)


def context_start(length: int, context_length: int) -> int:
    """Return the first of `length` tokens that the next one is predicted from.

    Everything up to the trained context length; beyond it the context drops its older half and grows
    again, so that a cache is refilled once in context_length / 2 tokens.
    """
    if length <= context_length:
        return 0
    step = max(1, context_length // 2)
    return -(-(length - context_length) // step) * step


@torch.no_grad()
def generate(
    model: TransformerLM,
    prompt: Tensor,
    *,
    max_new_tokens: int,
    strategy: Strategy = "greedy",
    temperature: float = 1.0,
    top_k: int = 50,
    top_p: float = 0.9,
    stop_token_id: int | None = None,
    use_kv_cache: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Continue a prompt.

    Args:
        model: The model that decodes; put into evaluation mode while it does.
        prompt: Token ids, [T] or [B,T], at least one token.
        max_new_tokens: At most this many are added.
        strategy: As in `sample_next_token`, like `temperature`, `top_k`, `top_p` and `generator`.
        temperature: Divides the logits.
        top_k: Candidates of the strategy "top_k".
        top_p: Mass of the strategy "top_p".
        stop_token_id: A row ends with this token; shorter rows are filled up with it.
        use_kv_cache: Remember keys and values; False computes the whole context anew each time.
        generator: Source of randomness.

    Returns:
        Prompt and new tokens, [T+n] or [B,T+n], n <= max_new_tokens.
    """
    tokens = prompt.unsqueeze(0) if prompt.dim() == 1 else prompt
    _check_prompt(model, tokens, max_new_tokens)
    was_training = model.training
    model.eval()
    stopped = torch.zeros(tokens.shape[0], dtype=torch.bool, device=tokens.device)
    context = _CachedContext(model, tokens.shape[0]) if use_kv_cache else _PlainContext(model)
    try:
        for _ in range(max_new_tokens):
            following = sample_next_token(
                context.next_logits(tokens),
                strategy=strategy,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                generator=generator,
            )
            if stop_token_id is not None:
                following = following.masked_fill(stopped, stop_token_id)
                stopped |= following == stop_token_id
            tokens = torch.cat((tokens, following[:, None]), dim=1)
            if bool(stopped.all()):
                break
    finally:
        model.train(was_training)
    return tokens[0] if prompt.dim() == 1 else tokens


class _PlainContext:
    """Next-token logits by a full forward pass over the visible context."""

    def __init__(self, model: TransformerLM) -> None:
        self.model = model

    def next_logits(self, tokens: Tensor) -> Tensor:
        start = context_start(tokens.shape[1], self.model.config.context_length)
        return self.model.logits(self.model.hidden(tokens[:, start:])[:, -1])


class _CachedContext:
    """The same logits from a cache that is refilled when the visible context moves."""

    def __init__(self, model: TransformerLM, batch_size: int) -> None:
        self.model = model
        self.caches = allocate_kv_caches(model, batch_size, model.config.context_length)
        self.start, self.end = 0, 0

    def next_logits(self, tokens: Tensor) -> Tensor:
        start = context_start(tokens.shape[1], self.model.config.context_length)
        if start != self.start:
            for cache in self.caches:
                cache.reset()
            self.start = self.end = start
        logits, _ = prefill(self.model, tokens[:, self.end :], self.caches)
        self.end = tokens.shape[1]
        return logits


def _check_prompt(model: TransformerLM, tokens: Tensor, max_new_tokens: int) -> None:
    if tokens.dim() != 2 or tokens.shape[1] == 0:
        raise ConfigError(
            f"the prompt must be token ids of shape [T] or [B,T] with T >= 1, "
            f"found {tuple(tokens.shape)}; begin with the end-of-text token when there is no text"
        )
    if max_new_tokens < 0:
        raise ConfigError(f"`max_new_tokens` must not be negative, found {max_new_tokens}")
    largest, smallest = int(tokens.max()), int(tokens.min())
    if smallest < 0 or largest >= model.config.vocab_size:
        wrong = smallest if smallest < 0 else largest
        raise ConfigError(
            f"the prompt holds token id {wrong}, but the model knows 0 .. "
            f"{model.config.vocab_size - 1}; encode it with the model's own tokenizer"
        )
