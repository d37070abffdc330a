"""Hypothesis strategies for texts that tokenizers get wrong, and a tokenizer learnt from such."""

from functools import cache

from hypothesis import strategies as st

from nano_transformer.tokenization import Tokenizer, train_bpe

SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|endoftext|><|endoftext|>",
    "<|end",
    "of text",
    " \n",
    "é😀",
]

_FRAGMENTS = [
    *[
        "a",
        "b",
        "the",
        " the",
        "dog",
        "Zebra",
        "aaa",
        "endoftext",
        "é",
        "e\u0301",
        "ß",
        "字",
        "한국",
    ],
    *["1", "42", "½", "\u0663", "'s", "'ll", "'LL", "'", "''", "don't", " 've", "'re'", "s"],
    *[" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\x85", "\x1c", "\x00", " \n "],
    *["!", "...", "—", "😀", "\u0301", "\u200b", "\ufffd", "\U000323b0", "<|", "|>", "<|endof"],
    *SPECIAL_TOKENS,
]
_BROKEN = [b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\xaf"]

texts = st.lists(st.sampled_from(_FRAGMENTS) | st.text(max_size=4), max_size=25).map("".join)
broken_texts = st.lists(
    st.sampled_from([fragment.encode() for fragment in _FRAGMENTS] + _BROKEN)
    | st.binary(max_size=4),
    max_size=25,
).map(b"".join)


@cache
def small_vocabulary() -> tuple[dict[int, bytes], list[tuple[bytes, bytes]]]:
    """Learn a few merges from the fragments, so that they occur in the texts."""
    corpus = " ".join(_FRAGMENTS) + "the dog and the zebra don't endoftext aaaa 4242 <|endof|> " * 3
    return train_bpe(
        texts=[corpus], vocab_size=330, special_tokens=SPECIAL_TOKENS[:1], backend="python"
    )


@cache
def small_tokenizer(backend: str, special_tokens: tuple[str, ...] = ()) -> Tokenizer:
    """Return a tokenizer over `small_vocabulary`."""
    vocab, merges = small_vocabulary()
    return Tokenizer(vocab, merges, special_tokens or SPECIAL_TOKENS, backend=backend)
