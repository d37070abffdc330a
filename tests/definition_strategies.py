"""Hypothesis strategies for small tokenizers of every shape, as the formats must keep them."""

from hypothesis import strategies as st

from nano_transformer.tokenization.definition import TokenizerDefinition
from text_strategies import SPECIAL_TOKENS, small_vocabulary

EXPRESSIONS = (
    r"\p{Lu}\p{Ll}*|\d+(?=[.,])|[^\S\r\n]{2,}|'(?:s|t)",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
special_tokens = st.lists(st.sampled_from(SPECIAL_TOKENS) | names, max_size=5, unique=True)
patterns = st.sampled_from(["gpt2", "gpt4", "gpt4o", *EXPRESSIONS])


@st.composite
def definitions(draw: st.DrawFn) -> TokenizerDefinition:
    """Draw merges that fit, tokens that no merge makes, gaps and disorder in the ids, and roles."""
    _, learnt = small_vocabulary()
    merges = learnt[: draw(st.integers(0, len(learnt)))]
    specials = draw(special_tokens)
    tokens = [bytes([byte]) for byte in range(256)] + [left + right for left, right in merges]
    tokens += draw(st.lists(st.binary(min_size=2, max_size=6), max_size=2))
    tokens = list(dict.fromkeys([*tokens, *(name.encode() for name in specials)]))
    ids = list(range(len(tokens)))
    gap_from, gap = draw(st.integers(0, len(ids))), draw(st.sampled_from([0, 1, 1_000]))
    ids = [token_id + gap * (token_id >= gap_from) for token_id in ids]
    if draw(st.integers(0, 3)) == 0:
        ids.reverse()
    roles = st.none() if not specials else st.none() | st.sampled_from(specials)
    return TokenizerDefinition(
        vocab=dict(sorted(zip(ids, tokens, strict=True))),
        merges=merges,
        special_tokens=specials,
        pattern=draw(patterns),
        ignore_merges=draw(st.booleans()),
        bos_token=draw(roles),
        eos_token=draw(roles),
        pad_token=draw(roles),
    )


@st.composite
def rank_tables(draw: st.DrawFn) -> dict[bytes, int]:
    """Draw ranks in no order that training gives: most of the longer tokens are hard to reach."""
    longer = st.lists(st.sampled_from(b"abc "), min_size=2, max_size=6).map(bytes)
    tokens = draw(st.lists(longer, max_size=30, unique=True))
    ranks = draw(st.permutations(range(len(tokens))))
    if draw(st.booleans()):  # single bytes last, and a gap before them
        return dict(zip(tokens, ranks, strict=True)) | {
            bytes([byte]): 500 + byte for byte in range(256)
        }
    return {bytes([byte]): byte for byte in range(256)} | {
        token: 256 + 3 * rank for token, rank in zip(tokens, ranks, strict=True)
    }
