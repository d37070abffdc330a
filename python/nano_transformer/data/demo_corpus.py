"""The demo corpus: endless little stories of known probability, the same on every machine.

One rule makes the probability exact: a choice is its text. `_tell` walks the grammar
(`demo_grammar.py`) with one of two storytellers. `_Draw` flips coins and writes what they choose.
`_Replay` holds a finished story and reads from it what was chosen, counting the coins it took. So
the corpus has a known floor: on average no language model can spend fewer bits on fresh stories
than the coins that chose them.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from nano_transformer.data.demo_grammar import IMPLIED, RULES
from nano_transformer.errors import DataError
from nano_transformer.files import write_atomically

GENERATOR_VERSION = 1
"""Grows with every change of the grammar or the draw, so that older files are known as such."""

TRAIN_STORIES = 20_000
"""Stories 0 to 19,999 of a seed: the training text, 9 MB, more than the default run reads."""

VALID_STORIES = 700
"""The stories after those: the validation text, about 0.3 MB."""

_DELIMITER = "\n<|endoftext|>\n"
_STORIES_PER_WRITE = 1_000
_MASK = 2**64 - 1
_GOLDEN_GAMMA = 0x9E3779B97F4A7C15


def story(seed: int, index: int) -> str:
    """Return story number `index` of the corpus that `seed` selects, without a line break.

    A pure function: any story can be told without the ones before it.
    """
    draw = _Draw(seed, index)
    _tell(draw, "story", {})
    return "".join(draw.written)


def stories(seed: int, start: int, stop: int) -> Iterator[str]:
    """Yield the stories numbered `start` up to, not including, `stop`."""
    return (story(seed, index) for index in range(start, stop))


def write_demo_corpus(path: Path, *, seed: int, first_story: int, num_stories: int) -> None:
    """Write stories as a text file, each followed by a line that holds only `<|endoftext|>`.

    Raises:
        OSError: When the file cannot be written; what was at `path` before is kept.
    """
    remaining = stories(seed, first_story, first_story + num_stories)

    def write(file: BinaryIO) -> None:
        while batch := list(islice(remaining, _STORIES_PER_WRITE)):
            file.write("".join(text + _DELIMITER for text in batch).encode())

    write_atomically(path, write)


def log2_probability(story: str) -> float | None:
    """Return log2 of the probability that a draw tells exactly `story`; None when none can."""
    replay = _Replay(story)
    try:
        _tell(replay, "story", {})
    except _NotOfTheLanguageError:
        return None
    return -float(replay.coins) if replay.position == len(story) else None


def entropy_floor_bits_per_byte(stories: Iterable[str]) -> float:
    """Return the bits per UTF-8 byte that these very stories cost a model that knows the grammar.

    That a story ends costs nothing, for its text shows it; the delimiter's bytes are not counted.

    Raises:
        DataError: When a story is not of the language, or when there is no story.
    """
    bits, num_bytes = 0.0, 0
    for text in stories:
        log2 = log2_probability(text)
        if log2 is None:
            raise DataError(
                f"expected stories of demo generator version {GENERATOR_VERSION}, found "
                f"`{text[:60]}`; write the corpus anew with this version"
            )
        bits -= log2
        num_bytes += len(text.encode())
    if num_bytes == 0:
        raise DataError("expected at least one story, found none; a floor needs bytes to count")
    return bits / num_bytes


class _Option(NamedTuple):
    """An option taken apart at its draws: `"a [trait] [animal]."` is a head and two draws."""

    head: str
    """The text before the first draw, which tells this option from the others of its rule."""
    draws: tuple[tuple[str, str], ...]
    """The symbol of each draw and the text that follows it."""


class _Storyteller(Protocol):
    def choose(self, options: tuple[_Option, ...], memory: dict[str, str]) -> tuple[_Option, str]:
        """Choose one of `options` and write its head; return both."""

    def write(self, text: str) -> None:
        """Write words that follow from what is already written."""


def _tell(teller: _Storyteller, symbol: str, memory: dict[str, str]) -> None:
    """Tell one symbol: choose an option, remember its first words, then tell the rest of it."""
    option, words = teller.choose(_options(symbol), memory)
    memory[symbol] = words
    if words in IMPLIED:
        memory.update(IMPLIED[words])
    for inner_symbol, following in option.draws:
        _tell(teller, inner_symbol, memory)
        teller.write(_filled(following, memory))


def _filled(text: str, memory: dict[str, str]) -> str:
    """Put what is remembered in the place of each `{symbol}`."""
    return text.format_map(memory) if "{" in text else text


@cache
def _options(symbol: str) -> tuple[_Option, ...]:
    """Take the options of a rule apart, once."""
    options = []
    for text in RULES[symbol]:
        head, *rest = re.split(r"\[(.*?)\]", text)
        options.append(_Option(head, tuple(zip(rest[::2], rest[1::2], strict=True))))
    return tuple(options)


class _Draw:
    """Chooses by coins: the bits of SplitMix64 words counted from the seed and the story number."""

    def __init__(self, seed: int, index: int) -> None:
        # Mixing the seed first keeps neighbouring seeds from sharing stories at shifted numbers.
        self._state = _mix(_mix(seed) + index * _GOLDEN_GAMMA)
        self._word = 0
        self._unused_coins = 0
        self.coins = 0
        self.written: list[str] = []

    def choose(self, options: tuple[_Option, ...], memory: dict[str, str]) -> tuple[_Option, str]:
        coins = len(options).bit_length() - 1
        if coins > self._unused_coins:
            self._state += _GOLDEN_GAMMA
            self._word, self._unused_coins = _mix(self._state), 64
        option = options[self._word & (len(options) - 1)]
        self._word >>= coins
        self._unused_coins -= coins
        self.coins += coins
        head = _filled(option.head, memory)
        self.written.append(head)
        return option, head

    def write(self, text: str) -> None:
        self.written.append(text)


def _mix(state: int) -> int:
    """Return the 64-bit word that SplitMix64 makes of a state.

    Reference: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
    """
    # Plain integers rather than `random_words`: an array per word would cost ten times as much.
    word = state & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)


class _NotOfTheLanguageError(Exception):
    """The text differs from everything that the grammar could say here."""


class _Replay:
    """Reads the choices from a finished story, and counts the coins they took."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0
        self.coins = 0

    def choose(self, options: tuple[_Option, ...], memory: dict[str, str]) -> tuple[_Option, str]:
        for option in options:
            head = _filled(option.head, memory)
            if self._text.startswith(head, self.position):
                self.position += len(head)
                self.coins += len(options).bit_length() - 1
                return option, head
        raise _NotOfTheLanguageError

    def write(self, text: str) -> None:
        if not self._text.startswith(text, self.position):
            raise _NotOfTheLanguageError
        self.position += len(text)
