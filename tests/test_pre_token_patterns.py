"""Every pattern cuts where tokenizers' regular expressions do, in both backends, and cuts are sure."""

import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.backend_choice import native_module
from nano_transformer.tokenization.character_classes import CATEGORIES, category_ranges
from nano_transformer.tokenization.pre_tokens import check_pattern, split_into_pre_tokens
from nano_transformer.tokenization.streaming import decode_blocks, separable_chunks
from text_strategies import SPECIAL_TOKENS, broken_texts, texts

tokenizers = pytest.importorskip("tokenizers")

# tiktoken's patterns for Oniguruma, where `$` ends a line and `{1,3}+` is not possessive.
SPELLINGS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s+\z|\s*[\r\n]|\s+(?!\S)|\s",
    "gpt4o": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
EXPRESSIONS = {
    "original gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama": LLAMA,
    "qwen": LLAMA.replace(r"\p{N}{1,3}", r"\p{N}"),
    "with gaps": r"\p{Lu}\p{Ll}*|\d+(?=[.,])|[^\S\r\n]{2,}|[\u4e00-\u9fff\-]",
    "any case": r"(?i:[sk]|'ll)+|\P{Nd}",
}

_PIECES = [
    *["A", "É", "Ω", "\u01c5", "ʰ", "字", "\u0301", "\u0300", "a", "é", "\u017f", "K", "S", "k"],
    *[
        "'S",
        "'\u017f",
        "'Ll",
        "'VE",
        "'rE",
        "'D",
        "'m",
        "'x",
        "/",
        "//",
        "\r",
        "\n",
        "\r\n",
        "\v",
        "1",
        "23",
    ],
    *["½", "٣", "!", "\u200d", " ", "  ", "\t", "\u00a0", "\u3000", "\uffff", "😀"],
]
cased_texts = st.lists(st.sampled_from(_PIECES) | st.characters(codec="utf-8"), max_size=20).map(
    "".join
)
any_text = texts | cased_texts | st.text()
patterns = st.sampled_from([*SPELLINGS, *EXPRESSIONS.values()])


def split(backend: str, text: bytes, pattern: str) -> list[bytes]:
    if backend == "python":
        return split_into_pre_tokens(text, pattern)
    return native_module().split_into_pre_tokens(text, pattern)


def peer_split(text: str, pattern: str) -> list[bytes]:
    # Oniguruma reads bytes and needs no stand-ins; Unicode is that of the library.
    splitter = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    return [piece.encode() for piece, _ in splitter.pre_tokenize_str(text)]


@pytest.mark.parametrize("name", SPELLINGS)
@given(text=any_text)
@example(text="a \n\n  ")
@example(text="I'LL '\u017f'S A'sB 字ABC字Abc\u0301D")
@example(text="!\n\n/\r\n  1234567\u0301\u0301Ab")
def test_the_named_patterns_cut_as_their_regular_expressions_do_in_tokenizers(backend, name, text):
    assert split(backend, text.encode(), name) == peer_split(text, SPELLINGS[name])


@pytest.mark.parametrize("pattern", EXPRESSIONS.values(), ids=EXPRESSIONS)
@given(text=any_text)
def test_a_regular_expression_cuts_as_it_does_in_tokenizers(backend, pattern, text):
    assert split(backend, text.encode(), pattern) == peer_split(text, pattern)


@given(broken_texts | cased_texts.map(str.encode), patterns)
def test_native_and_python_cut_alike_and_lose_nothing(both_backends, text, pattern):
    pieces = split("native", text, pattern)
    assert split("python", text, pattern) == pieces
    assert b"".join(pieces) == text
    assert b"" not in pieces


@pytest.mark.parametrize(
    "spelling",
    [
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        SPELLINGS["gpt4o"],
    ],
    ids=SPELLINGS,
)
@given(text=broken_texts | cased_texts.map(str.encode))
def test_tiktokens_own_spellings_are_what_the_names_mean(backend, request, spelling, text):
    name = request.node.callspec.id.split("-")[-1]
    assert split(backend, text, spelling) == split(backend, text, name)


@given(broken_texts | cased_texts.map(str.encode), st.integers(1, 12), st.integers(1, 9), patterns)
def test_chunks_have_the_pre_tokens_of_the_whole(text, chunk_size, block_size, pattern):
    blocks = [text[start : start + block_size] for start in range(0, len(text), block_size)]
    characters = decode_blocks(blocks, "surrogateescape")
    chunks = list(separable_chunks(characters, tuple(SPECIAL_TOKENS), chunk_size, pattern))
    assert cut_at_specials("".join(chunks), pattern) == [
        piece for chunk in chunks for piece in cut_at_specials(chunk, pattern)
    ]
    assert "".join(chunks).encode("utf-8", "surrogateescape") == text


def cut_at_specials(text: str, pattern: str) -> list[bytes]:
    longest_first = sorted(SPECIAL_TOKENS, key=len, reverse=True)
    pieces = []
    for stretch in re.split(f"({'|'.join(map(re.escape, longest_first))})", text):
        data = stretch.encode("utf-8", "surrogateescape")
        pieces += [data] if stretch in SPECIAL_TOKENS else split_into_pre_tokens(data, pattern)
    return pieces


def test_text_without_white_space_is_cut_too():
    texts_without = ["字符。符字、" * 500, "a.b(c);d={};" * 500, "x1y22" * 500]
    for text in texts_without:
        chunks = list(separable_chunks(iter(text), (), 50, "gpt4o"))
        assert max(map(len, chunks)) < 120


def test_the_categories_cover_every_code_point_once():
    covered = sorted(pair for name in CATEGORIES for pair in category_ranges(name))
    assert covered[0][0] == 0
    assert covered[-1][1] == 0x10FFFF
    assert all(first[1] + 1 == second[0] for first, second in pairwise(covered))


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("gpt5", "did you mean"),
        ("cl100k_base", "is unknown"),
        ("", "is unknown"),
        (r"\w+", r"write `\[\\p\{L\}"),
        (r"a\b", "look ahead"),
        (r"\p{Han}", "no general category"),
        (r"\p{Latin", "no general category"),
        (r"(?<=a)b", "only the groups"),
        (r"(?P<name>a)", "only the groups"),
        (r"(?i)a", "only the groups"),
        (r"(a)\1", "not the same everywhere"),
        (r"a*", "empty string"),
        (r"a|", "empty string"),
        (r"(?=a)", "empty string"),
        (r"(?:a*)+b", "repeats what can be empty"),
        (r"^*a", "repeats what can be empty"),
        (r"a**", "second quantifier"),
        (r"[a[b]]", "means different things"),
        (r"[a&&b]", "means different things"),
        (r"[a-c-e]", "means different things"),
        (r"[z-a]", "from one character up"),
        (r"(a", "not closed"),
        (r"a)", "closes no group"),
        (r"[a", "ends too early"),
        (r"a{", "escape it"),
        ("a\\", "ends too early"),
        (r"(?i:\p{L})", "case is ignored"),
        (r"(?i:é)", "case is ignored"),
        (r"\xZZ", "two digits"),
        (r"\ud800", "four digits"),
        ("\ud800.", "lone surrogate"),
    ],
)
def test_what_engines_read_differently_is_refused_with_the_reason(pattern, message):
    with pytest.raises(TokenizerError, match=message):
        check_pattern(pattern)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("batch", range(20))
@pytest.mark.parametrize("name", SPELLINGS)
def test_200_000_texts_are_cut_alike_by_all(both_backends, name, batch):
    splitter = tokenizers.pre_tokenizers.Split(tokenizers.Regex(SPELLINGS[name]), "isolated")

    @seed(batch)
    @settings(max_examples=10_000, database=None, suppress_health_check=list(HealthCheck))
    @given(any_text, broken_texts)
    def same_cuts(text, data):
        expected = [piece.encode() for piece, _ in splitter.pre_tokenize_str(text)]
        assert split("native", text.encode(), name) == expected
        assert split("python", text.encode(), name) == expected
        assert split("native", data, name) == split("python", data, name)

    same_cuts()
