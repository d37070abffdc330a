"""Which texts are made to be slow to split, to merge or to count, each of any size and always the same."""

import base64
import json
import random
from collections.abc import Callable

SIZES = (1_000_000, 10_000_000)


def one_letter(size: int) -> str:
    return "a" * size


def random_letters(size: int) -> str:
    return "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=size))


def spaces_then_a_letter(size: int) -> str:
    return " " * (size - 1) + "x"


def newlines(size: int) -> str:
    return "\n" * size


def digits(size: int) -> str:
    return "".join(random.Random(2).choices("0123456789", k=size))


def emoji(size: int) -> str:
    """Return faces, skin tones and joiners, as families are written."""
    alphabet = [chr(code) for code in range(0x1F600, 0x1F640)]
    alphabet += [chr(code) for code in range(0x1F3FB, 0x1F400)] + ["\u200d", "\ufe0f"]
    return "".join(random.Random(3).choices(alphabet, k=size // 4))


def combining_marks(size: int) -> str:
    """Return one letter with more marks than any text has."""
    marks = [chr(code) for code in range(0x300, 0x370)]
    return "a" + "".join(random.Random(4).choices(marks, k=size // 2))


def nul_characters(size: int) -> str:
    return "\0" * size


def base64_data(size: int) -> str:
    return base64.b64encode(random.Random(5).randbytes(size * 3 // 4)).decode()


def minified_json(size: int) -> str:
    """Return objects of keys, numbers and short strings without any white space."""
    chance = random.Random(6)
    rows = [
        {"id": row, "key": f"{chance.getrandbits(48):x}", "value": chance.random(), "on": True}
        for row in range(size // 60)
    ]
    return json.dumps(rows, separators=(",", ":"))[:size]


def one_line(size: int) -> str:
    """Return words with one space between them and no line end; half of them come often."""
    chance = random.Random(7)
    common = ["the", "of", "and", "to", "a", "in", "that", "it", "is", "was", "for", "on", "are"]
    letters = "etaoinshrdlu"
    words = [
        chance.choice(common)
        if chance.random() < 0.5
        else "".join(chance.choices(letters, k=chance.randint(3, 9)))
        for _ in range(size // 4)
    ]
    return " ".join(words)[:size]


HOSTILE_TEXTS: dict[str, Callable[[int], str]] = {
    make.__name__.replace("_", " "): make
    for make in (
        one_letter,
        random_letters,
        spaces_then_a_letter,
        newlines,
        digits,
        emoji,
        combining_marks,
        nul_characters,
        base64_data,
        minified_json,
        one_line,
    )
}
