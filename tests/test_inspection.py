"""What is counted in a vocabulary and on a text is what a count by hand gives."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.tokenization import Tokenizer
from nano_transformer.tokenization.inspection import (
    measure_fit,
    spell,
    split_text,
    vocabulary_statistics,
)
from text_strategies import SPECIAL_TOKENS, broken_texts, small_tokenizer


def test_the_statistics_are_those_of_a_count_by_hand():
    vocab = {byte: bytes([byte]) for byte in range(256)}
    vocab |= dict(enumerate([b" a", b"bc", b"ab", b"abc", b"\xc3\xa9", b" ab", b"<s>"], start=256))
    merges = [(b" ", b"a"), (b"b", b"c"), (b"a", b"b"), (b"ab", b"c"), (b"\xc3", b"\xa9")]
    tokenizer = Tokenizer(vocab, [*merges, (b" ", b"ab")], ["<s>"])
    found = vocabulary_statistics(tokenizer, num_longest=2)
    assert found.num_tokens == 262
    assert found.lengths == {1: 256, 2: 4, 3: 2}
    assert found.longest == [b" ab", b"abc"]
    assert found.num_leading_space == 3  # the space itself too
    assert found.num_not_utf8 == 128
    # "abc" becomes a + bc, and " ab" becomes " a" + b.
    assert found.unreachable == [259, 261]
    assert not {259, 261} & set(tokenizer.encode("abc ab abc cab abcabc"))
    whole = Tokenizer(vocab, [*merges, (b" ", b"ab")], ["<s>"], ignore_merges=True)
    assert vocabulary_statistics(whole).unreachable == []


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=12))
def test_a_token_is_unreachable_when_no_text_is_given_its_id(choices):
    tokens, merges = [b"a", b"b"], []
    for first, second in choices:
        pair = tokens[first % len(tokens)], tokens[second % len(tokens)]
        if b"".join(pair) not in tokens and len(b"".join(pair)) <= 6:
            merges.append(pair)
            tokens.append(b"".join(pair))
    vocab = {byte: bytes([byte]) for byte in range(256)} | dict(enumerate(tokens[2:], start=256))
    tokenizer = Tokenizer(vocab, merges)
    texts = ("".join(letters) for size in range(1, 8) for letters in product("ab", repeat=size))
    reached = {token_id for text in texts for token_id in tokenizer.encode(text)}
    assert vocabulary_statistics(tokenizer).unreachable == sorted(
        {*range(256, 256 + len(merges))} - reached
    )


@given(broken_texts)
def test_the_pieces_of_a_text_are_its_tokens(backend, text):
    tokenizer = small_tokenizer(backend, tuple(SPECIAL_TOKENS))
    pieces = split_text(tokenizer, text)
    assert [piece.token_id for piece in pieces] == tokenizer.encode(text)
    assert b"".join(piece.token for piece in pieces) == text
    specials = {tokenizer.token_to_id(token) for token in SPECIAL_TOKENS}
    assert all(piece.is_special == (piece.token_id in specials) for piece in pieces)
    assert "".join(spell(piece.token) for piece in pieces).isprintable()


def test_the_fit_counts_what_it_says():
    tokenizer = small_tokenizer("python")
    fit = measure_fit(tokenizer, b"Tom saw Tom")
    ids = tokenizer.encode(b"Tom saw Tom")
    assert (fit.num_bytes, fit.num_tokens, fit.num_used) == (11, len(ids), len(set(ids)))
    assert measure_fit(tokenizer, b"").bytes_per_token == 0
