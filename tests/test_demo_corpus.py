import hashlib
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from nano_transformer.data import demo_corpus
from nano_transformer.data.demo_corpus import (
    TRAIN_STORIES,
    VALID_STORIES,
    entropy_floor_bits_per_byte,
    log2_probability,
    stories,
    story,
    write_demo_corpus,
)
from nano_transformer.data.demo_grammar import RULES
from nano_transformer.data.random_words import random_word
from nano_transformer.errors import DataError

MANY = 2_000


def names(symbol: str) -> tuple[str, ...]:
    return RULES["girl"] + RULES["boy"] if symbol == "name" else RULES[symbol]


def swapped(text: str, word: str, other: str, occurrence: int) -> str:
    """Put `other` in the place of one occurrence of `word`."""
    match = list(re.finditer(rf"\b{word}\b", text))[occurrence]
    return text[: match.start()] + other + text[match.end() :]


class Odometer:
    """A storyteller that goes through every story of a cut-down language, one after the other."""

    def __init__(self, branching_choices: set[int]) -> None:
        self._branching = branching_choices
        self._path: list[tuple[int, int]] = []
        self._depth = 0
        self.text = ""

    def choose(self, options, memory):
        count = len(options) if self._depth in self._branching else 1
        if self._depth == len(self._path):
            self._path.append((0, count))
        option = options[self._path[self._depth][0]]
        self._depth += 1
        head = option.head.format_map(memory)
        self.text += head
        return option, head

    def write(self, text: str) -> None:
        self.text += text

    def texts(self) -> Iterator[tuple[str, float]]:
        """Yield each story with its probability in the cut-down language."""
        while True:
            self.text, self._depth = "", 0
            demo_corpus._tell(self, "story", {})
            del self._path[self._depth :]
            probability = 1.0
            for _, count in self._path:
                probability /= count
            yield self.text, probability
            while self._path and self._path[-1][0] + 1 == self._path[-1][1]:
                self._path.pop()
            if not self._path:
                return
            index, count = self._path[-1]
            self._path[-1] = index + 1, count


def test_the_first_thousand_stories_are_these_bytes_for_ever():
    text = "\n".join(stories(0, 0, 1_000))
    assert (
        hashlib.sha256(text.encode()).hexdigest()
        == "e432a39ea67868f02f15b06ebbfb5c8c64090a9cd6a5897e14903d58ee00843b"
    )


def test_a_story_depends_on_its_seed_and_its_number_alone():
    assert list(stories(7, 5, 9)) == [story(7, index) for index in range(5, 9)]
    assert len({story(seed, index) for seed in range(30) for index in range(30)}) == 900


def test_the_coins_are_the_words_of_the_packages_counter_based_generator():
    for seed, counter in [(0, 0), (1, 5), (2**64 - 1, 10**6)]:
        state = seed + (counter + 1) * demo_corpus._GOLDEN_GAMMA
        assert demo_corpus._mix(state) == random_word(seed, counter)


def test_replaying_a_story_gives_the_log_probability_it_was_drawn_with():
    for index in range(MANY):
        draw = demo_corpus._Draw(11, index)
        demo_corpus._tell(draw, "story", {})
        assert log2_probability("".join(draw.written)) == -draw.coins


@pytest.mark.parametrize("symbol", ["name", "animal", "thing"])
def test_a_story_with_one_mention_swapped_is_refused(symbol):
    refused = 0
    for text in stories(3, 0, 200):
        told = re.findall(rf"\b({'|'.join(names(symbol))})\b", text)
        word = max(set(told), key=told.count)
        if told.count(word) < 3:
            continue
        others = next(rule for rule in (RULES["girl"], RULES["boy"], names(symbol)) if word in rule)
        other = others[(others.index(word) + 1) % len(others)]
        assert log2_probability(swapped(text, word, other, told.count(word) // 2)) is None
        refused += 1
    assert refused > 100


def test_a_story_with_every_mention_of_the_name_swapped_is_another_story():
    text = story(0, 0)
    name = next(name for name in names("name") if name in text)
    rule = RULES["girl"] if name in RULES["girl"] else RULES["boy"]
    for other in rule:
        assert log2_probability(text.replace(name, other)) == log2_probability(text)


def test_a_text_that_is_not_exactly_one_story_is_refused():
    text = story(0, 0)
    for other in [
        "",
        text[:-1],
        text + " ",
        text + text,
        " " + text,
        text.lower(),
        "Once there was",
    ]:
        assert log2_probability(other) is None


@pytest.mark.parametrize("every", range(9))
def test_a_cut_down_language_has_distinct_stories_whose_probabilities_sum_to_one(every):
    branching = {every, every + 14, every + 28}
    told = list(Odometer(branching).texts())
    assert len({text for text, _ in told}) == len(told) > 1
    assert sum(probability for _, probability in told) == 1.0
    assert all(log2_probability(text) is not None for text, _ in told[::50])


def test_every_rule_has_a_power_of_two_of_options_and_each_is_told(monkeypatch):
    told: set[tuple[str, int]] = set()
    original = demo_corpus._options
    heads: set[tuple[str, ...]] = set()

    class Listener(demo_corpus._Draw):
        def choose(self, options, memory):
            option, head = super().choose(options, memory)
            heads.add(tuple(each.head.format_map(memory) for each in options))
            told.add((id(options), options.index(option)))
            return option, head

    for index in range(MANY):
        demo_corpus._tell(Listener(5, index), "story", {})
    expected = {(id(original(symbol)), n) for symbol in RULES for n in range(len(RULES[symbol]))}
    assert told == expected
    assert all(len(options).bit_count() == 1 for options in RULES.values())
    # If one option begins another, then so does its neighbour in sorted order.
    for options in heads:
        assert not any(later.startswith(word) for word, later in pairwise(sorted(options)))


def test_the_floor_is_the_coins_of_the_stories_over_their_bytes():
    told = list(stories(0, TRAIN_STORIES, TRAIN_STORIES + VALID_STORIES))
    coins = -sum(log2_probability(text) for text in told)
    assert entropy_floor_bits_per_byte(told) == coins / sum(len(text.encode()) for text in told)
    assert 0.33 < entropy_floor_bits_per_byte(told) < 0.36
    with pytest.raises(DataError, match="expected stories of demo generator"):
        entropy_floor_bits_per_byte([told[0], "Once there was nothing."])
    with pytest.raises(DataError, match="at least one story"):
        entropy_floor_bits_per_byte([])


def test_stories_are_short_and_name_their_characters_again_and_again():
    told = list(stories(0, 0, MANY))
    assert all(60 <= len(text.split()) <= 110 for text in told)
    mentions = [len(re.findall(rf"\b({'|'.join(names('name'))})\b", text)) for text in told]
    assert min(mentions) >= 2
    assert sum(mentions) / MANY > 4


def test_nearly_every_story_fits_128_tokens_of_a_vocabulary_of_1024():
    tokenizers = pytest.importorskip("tokenizers")
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = byte_level
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=1_024,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=byte_level.alphabet(),
        show_progress=False,
    )
    told = list(stories(0, 0, 2 * MANY))
    tokenizer.train_from_iterator(told, trainer)
    fits = [1 + len(encoding.ids) <= 128 for encoding in tokenizer.encode_batch(told[:MANY])]
    assert sum(fits) / MANY >= 0.99


def test_the_file_holds_each_story_and_a_line_with_the_delimiter(tmp_path: Path):
    path = tmp_path / "new_folder" / "demo.txt"
    write_demo_corpus(path, seed=2, first_story=10, num_stories=1_200)
    expected = "".join(text + "\n<|endoftext|>\n" for text in stories(2, 10, 1_210))
    assert path.read_bytes() == expected.encode()
    assert [each.name for each in path.parent.iterdir()] == ["demo.txt"]


def test_no_validation_story_is_told_in_training():
    train = set(stories(0, 0, TRAIN_STORIES))
    valid = set(stories(0, TRAIN_STORIES, TRAIN_STORIES + VALID_STORIES))
    assert len(train) == TRAIN_STORIES
    assert len(valid) == VALID_STORIES
    assert not train & valid
