"""Every pattern cuts where tokenizers' regular expressions do, in both backends, and cuts are sure."""

import re
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.backend_choice import native_module
from nano_transformer.tokenization.character_classes import CATEGORIES, category_ranges
from nano_transformer.tokenization.pre_tokens import check_pattern, split_into_pre_tokens
from nano_transformer.tokenization.streaming import decode_blocks, separable_chunks
from nano_transformer.tokenization.unicode_classes import WHITE_SPACE
from text_strategies import SPECIAL_TOKENS, broken_texts, texts

tiktoken = pytest.importorskip("tiktoken")
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
TIKTOKENS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "gpt4": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "gpt4o": SPELLINGS["gpt4o"],
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


@pytest.mark.parametrize("name", TIKTOKENS)
@given(text=broken_texts | cased_texts.map(str.encode))
def test_tiktokens_own_spellings_are_what_the_names_mean(backend, name, text):
    assert split(backend, text, TIKTOKENS[name]) == split(backend, text, name)


def test_these_are_the_spellings_of_the_installed_tiktoken(monkeypatch):
    openai_public = pytest.importorskip("tiktoken_ext.openai_public")
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {})
    assert {
        "gpt2": openai_public.r50k_pat_str,
        "gpt4": openai_public.cl100k_base()["pat_str"],
        "gpt4o": openai_public.o200k_base()["pat_str"],
    } == TIKTOKENS


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


@pytest.mark.parametrize(
    ("pattern", "text", "pieces"),
    [
        ("gpt4", "I'LL don'\u017f", ["I", "'LL", " don", "'\u017f"]),
        ("gpt4", "(abc 12345!!\r\n\n x", ["(abc", " ", "123", "45", "!!\r\n\n", " x"]),
        ("gpt4", "a \n\t b\n  ", ["a", " \n", "\t", " b", "\n  "]),
        ("gpt4o", "HTTPServer aBC don'T", ["HTTPServer", " a", "BC", " don'T"]),
        ("gpt4o", "\u0301ABC", ["\u0301", "ABC"]),  # a mark alone is a word of its own
        ("gpt4o", "AB\u02b0CD", ["AB\u02b0", "CD"]),
        ("gpt4o", "!!\n/\n b\n  ", ["!!\n/\n", " b", "\n", "  "]),
    ],
)
def test_examples_are_cut_as_worked_out_by_hand(backend, pattern, text, pieces):
    assert split(backend, text.encode(), pattern) == [piece.encode() for piece in pieces]


@cache
def tiktoken_of(expression: str):
    """Build tiktoken's tokenizer of all bytes and all pairs of them, which cuts as told."""
    pairs = [bytes([left, right]) for left in range(256) for right in range(256)]
    tokens = [bytes([byte]) for byte in range(256)] + pairs
    ranks = {token: rank for rank, token in enumerate(tokens)}
    return tiktoken.Encoding("peer", pat_str=expression, mergeable_ranks=ranks, special_tokens={})


@given(st.sampled_from([*TIKTOKENS]), any_text)
def test_the_named_patterns_cut_where_tiktoken_does(backend, name, text):
    # A border in another place would join other pairs.
    one_piece = tiktoken_of("(?s:.+)")
    pieces = split(backend, text.encode(), name)
    ids = [i for piece in pieces for i in one_piece.encode_ordinary(piece.decode())]
    assert tiktoken_of(TIKTOKENS[name]).encode_ordinary(text) == ids


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        (r"\p{L}", ["L"]),
        (r"\p{N}", ["N"]),
        (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", ["Lu", "Lt", "Lm", "Lo", "M"]),
        (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", ["Ll", "Lm", "Lo", "M"]),
        (r"\s", []),
    ],
)
def test_every_code_point_has_the_class_that_tiktoken_gives_it(expression, names):
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    peer = tiktoken_of(expression)  # it drops what its pattern does not match
    found = peer.decode_bytes(peer.encode_ordinary("".join(characters))).decode()
    ranges = [pair for name in names for pair in category_ranges(name)] or WHITE_SPACE
    assert set(found) == {chr(code) for first, last in ranges for code in range(first, last + 1)}


ACCEPTED = [
    r"(?i:[ask])+|\d",
    r"(?i:k|s)+.",
    r"[^\S\n]+|[-+a-c\-]",
    r"(?>a|ab)c|(?:a|ab)(?!c)",
    r"\pL|[\P{N}]",
    r"\x41\u0043|\.\-\/\ ",
    r"a{2}?|b{1,2}+|c*?d|a{2,}",
    r"b(?=b)|c$|^a|(a|b)c+?",
]


@given(
    st.sampled_from(ACCEPTED),
    broken_texts
    | st.text(alphabet="abcABCkKsS\u017f\u212aÉé1-+./ \n", max_size=20).map(str.encode),
)
def test_what_is_accepted_means_the_same_to_both_backends(both_backends, pattern, text):
    check_pattern(pattern)
    assert split("native", text, pattern) == split("python", text, pattern)


def test_too_much_backtracking_is_an_error_of_one_sentence(both_backends):
    with pytest.raises(TokenizerError, match="needs too much backtracking"):
        split("native", b"a" * 5_000, r"(?:(?:a+)+)(?=b)b")


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
        (r"a{3,2}", "must count upwards"),
        (r"a{2000}", "must count upwards"),
        ("(" * 5_000 + "a" + ")" * 5_000, "nested more than 30 deep"),
        (r"+a", "escape it"),
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
