"""Training finds the merges its definition says, with either backend and any thread count."""

import json
import lzma
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nano_transformer.errors import ConfigError, DataError, TokenizerError
from nano_transformer.tokenization import Tokenizer, train_bpe
from nano_transformer.tokenization.formats.gpt2 import token_to_bytes
from nano_transformer.tokenization.merge_learner import MergeLearner, descending_key
from nano_transformer.tokenization.reference import split_into_pre_tokens
from text_strategies import broken_texts, texts

END = "<|endoftext|>"


def naive_merges(pre_tokens: list[bytes], num_merges: int) -> list[tuple[bytes, bytes]]:
    """Learn by the definition: count everything anew before each merge."""
    words = [[bytes([byte]) for byte in piece] for piece in pre_tokens]
    known = {bytes([byte]) for byte in range(256)}
    merges: list[tuple[bytes, bytes]] = []
    while len(merges) < num_merges:
        counts = Counter(pair for word in words for pair in pairwise(word))
        possible = [(count, pair) for pair, count in counts.items() if b"".join(pair) not in known]
        if not possible:
            break
        _, best = max(possible)
        merges.append(best)
        known.add(b"".join(best))
        for word in words:
            index = 0
            while index < len(word) - 1:
                if (word[index], word[index + 1]) == best:
                    word[index : index + 2] = [b"".join(best)]
                index += 1
    return merges


@given(st.lists(texts, max_size=4), st.integers(0, 40))
def test_merges_are_those_of_counting_everything_anew(backend, corpus, num_merges):
    vocab, merges = train_bpe(
        texts=corpus,
        vocab_size=256 + 2 + num_merges,
        special_tokens=[END, "of text"],
        backend=backend,
    )
    stretches = [
        part for text in corpus for piece in text.split(END) for part in piece.split("of text")
    ]
    pre_tokens = [piece for part in stretches for piece in split_into_pre_tokens(part.encode())]
    assert merges == naive_merges(pre_tokens, num_merges)
    assert list(vocab) == list(range(258 + len(merges)))
    assert list(vocab.values())[256:] == [left + right for left, right in merges] + [
        END.encode(),
        b"of text",
    ]


@given(st.lists(broken_texts, max_size=4), st.integers(0, 60), st.sampled_from([1, 3]))
def test_native_and_python_learn_the_same_merges(both_backends, corpus, num_merges, num_threads):
    def learn(backend: str) -> list[tuple[bytes, bytes]]:
        return train_bpe(
            texts=corpus,
            vocab_size=257 + num_merges,
            backend=backend,
            encoding_errors="replace",
            num_threads=num_threads,
        )[1]

    assert learn("native") == learn("python")


@given(st.lists(st.text("ab", max_size=12), max_size=6))
def test_ties_and_overlaps_of_few_letters_are_settled_alike(backend, corpus):
    merges = train_bpe(texts=corpus, vocab_size=280, special_tokens=[], backend=backend)[1]
    assert merges == naive_merges([text.encode() for text in corpus if text], 24)


def test_the_textbook_corpus_gives_its_textbook_merges(backend):
    corpus = ["low"] * 5 + ["lower"] * 2 + ["widest"] * 3 + ["newest"] * 6
    _, merges = train_bpe(texts=corpus, vocab_size=257 + 12, backend=backend)
    found = [f"{left.decode()} {right.decode()}" for left, right in merges]
    expected = "s t|e st|o w|l ow|w est|n e|ne west|w i|wi d|wid est|low e|lowe r"
    assert found == expected.split("|")


def test_a_tie_goes_to_the_greatest_pair_of_byte_strings(backend):
    corpus = ["ab", "ba", "b\u00ff", "zz"]
    _, merges = train_bpe(texts=corpus, vocab_size=257 + 5, backend=backend)
    assert merges == [
        (b"\xc3", b"\xbf"),
        (b"z", b"z"),
        (b"b", b"\xc3\xbf"),
        (b"b", b"a"),
        (b"a", b"b"),
    ]


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_the_key_for_ties_turns_the_order_round(one, other):
    assert (descending_key(one) < descending_key(other)) == (one > other)


def test_counts_have_more_than_32_bits():
    words = Counter({b"ab": 1 << 33, b"cd": (1 << 33) + 1, b"ef": (1 << 32) - 1})
    assert MergeLearner(words).learn(3) == [(b"c", b"d"), (b"a", b"b"), (b"e", b"f")]


def test_special_tokens_never_merge_and_cut_the_text(backend):
    _, merges = train_bpe(texts=[f"ab{END}cd{END}" * 50], vocab_size=400, backend=backend)
    assert set(merges) == {(b"a", b"b"), (b"c", b"d")}


def test_special_tokens_of_one_byte_take_no_new_id(backend):
    vocab, merges = train_bpe(
        texts=["axbxab"], vocab_size=257, special_tokens=["x"], backend=backend
    )
    assert merges == [(b"a", b"b")]
    assert len(vocab) == 257
    assert Tokenizer(vocab, merges, ["x"], backend=backend).encode("xab") == [ord("x"), 256]


def test_files_and_texts_give_the_same_merges(backend, tmp_path):
    one, other = "low lower\r\nlowest 12" * 20, "the café" * 20
    paths = [tmp_path / "one.txt", tmp_path / "other.txt"]
    for path, text in zip(paths, (one, other), strict=True):
        path.write_bytes(text.encode())
    from_files = train_bpe(paths, 300, backend=backend, num_threads=3)
    assert from_files == train_bpe(texts=[one, other], vocab_size=300, backend=backend)
    assert train_bpe(paths[0], 300, backend=backend) == train_bpe(
        str(paths[0]), 300, backend=backend
    )


def test_progress_ends_at_the_total(backend, tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the dog " * 1_000)
    calls: list[tuple[str, int, int]] = []
    train_bpe(path, 262, backend=backend, progress=lambda *call: calls.append(call))
    assert all(done <= total for _, done, total in calls)
    assert {stage for stage, _, _ in calls} <= {"counting", "merging"}


def test_invalid_utf8_is_refused_with_file_and_offset_or_replaced(backend, tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xc3\xa9 " * 3 + b"caf\xe9 caf\xe9")
    with pytest.raises(DataError, match=r"latin\.txt` .*byte offset 21.*--encoding-errors replace"):
        train_bpe(path, 300, backend=backend)
    merges = train_bpe(path, 300, backend=backend, encoding_errors="replace")[1]
    assert (b"\xef\xbf", b"\xbd") in merges or (b"\xef", b"\xbf\xbd") in merges


@pytest.mark.parametrize("tail", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98"])
def test_a_character_cut_off_at_the_end_is_invalid(backend, tail):
    with pytest.raises(DataError, match="byte offset 3"):
        train_bpe(texts=[b"abc" + tail], vocab_size=300, backend=backend)


def test_missing_empty_and_folder_are_refused(backend, tmp_path):
    (tmp_path / "empty.txt").touch()
    for name, message in [
        ("none.txt", "does not exist"),
        ("empty.txt", "is empty"),
        (".", "folder"),
    ]:
        with pytest.raises(DataError, match=message):
            train_bpe(tmp_path / name, 300, backend=backend)


def test_a_vocabulary_without_room_is_refused(backend):
    with pytest.raises(ConfigError, match="at least 257"):
        train_bpe(texts=["a"], vocab_size=256, backend=backend)


def test_an_unlucky_text_is_refused_with_its_index(backend):
    with pytest.raises(TokenizerError, match="index 1"):
        train_bpe(texts=["a\udc00"], vocab_size=300, backend=backend)


def test_a_text_too_short_for_the_vocabulary_gives_fewer_entries(backend):
    vocab, merges = train_bpe(texts=["abc"], vocab_size=1_000, backend=backend)
    assert merges == [(b"b", b"c"), (b"a", b"bc")]
    assert len(vocab) == 259


def tokenizers_merges(corpus: list[str], vocab_size: int, min_frequency: int = 0):
    """Learn with Hugging Face's library; stop where it builds a token a second time.

    There it keeps both merges and gives them one id; here such a pair never merges.
    """
    tokenizers = pytest.importorskip("tokenizers")
    peer = tokenizers.Tokenizer(tokenizers.models.BPE())
    peer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    peer.train_from_iterator(corpus, trainer)
    merges, known = [], set()
    for left, right in json.loads(peer.to_str())["model"]["merges"]:
        if left + right in known:
            return merges, False
        known.add(left + right)
        merges.append((token_to_bytes(left), token_to_bytes(right)))
    return merges, True


@given(st.lists(texts, max_size=6), st.integers(0, 4))
def test_hugging_faces_rule_for_ties_gives_its_merges(backend, corpus, min_frequency):
    expected, is_whole = tokenizers_merges(corpus, 300, min_frequency)
    _, merges = train_bpe(
        texts=corpus,
        vocab_size=300,
        special_tokens=[],
        tie_break="huggingface",
        min_frequency=min_frequency,
        backend=backend,
    )
    assert merges[: len(expected)] == expected
    assert len(merges) == len(expected) or not is_whole


@pytest.mark.slow
def test_10_mb_of_books_give_the_merges_of_tokenizers(shared_folder, both_backends):
    with lzma.open(shared_folder / "corpora" / "english-books.txt.xz") as file:
        text = file.read(10_000_000).decode("utf-8", "ignore")
    documents = text.split(END)
    expected, is_whole = tokenizers_merges(documents, 8_000)
    assert is_whole
    options = {"texts": documents, "vocab_size": 8_000, "special_tokens": []}
    vocab, merges = train_bpe(**options, tie_break="huggingface")
    assert merges == expected
    assert len(vocab) == 8_000
    assert train_bpe(**options, tie_break="huggingface", backend="python")[1] == expected


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("tie_break", ["bytes", "huggingface"])
def test_500_small_corpora_give_both_backends_the_same_merges(both_backends, tie_break):
    @settings(max_examples=500, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(broken_texts, max_size=8),
        st.integers(0, 300),
        st.sampled_from([[], [END], [END, "of text", "a"], ["<|end", " \n", "é😀"]]),
        st.sampled_from(["gpt2", "gpt4", "gpt4o", r"\p{L}+|\s+|."]),
        st.integers(0, 3),
        st.integers(0, 3),
    )
    def same_merges(corpus, num_merges, specials, pattern, min_frequency, num_threads):
        native, python = (
            train_bpe(
                texts=corpus,
                vocab_size=256 + len(specials) + num_merges,
                special_tokens=specials,
                pattern=pattern,
                tie_break=tie_break,
                min_frequency=min_frequency,
                encoding_errors="replace",
                num_threads=num_threads,
                backend=backend,
            )
            for backend in ("native", "python")
        )
        assert native == python

    same_merges()
