"""Which regular expressions mean the same to Rust and to Python, with their classes written out."""

import re
import string
from typing import NamedTuple, NoReturn

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.character_classes import (
    CATEGORIES,
    Ranges,
    category_ranges,
    complement,
    ranges_body,
)
from nano_transformer.tokenization.unicode_classes import WHITE_SPACE
from nano_transformer.tokenization.vocabulary import text_bytes

MOST_NESTED_GROUPS = 30
MOST_REPETITIONS = 1_000

_SPECIAL = frozenset(r"\^$.|?*+()[]{}")
_CONTROLS = {"r": "\r", "n": "\n", "t": "\t", "f": "\f", "v": "\v"}
_GROUPS = {"(?:": "(?:", "(?=": "(?=", "(?!": "(?!", "(?>": "(?>", "(?i:": "(?:"}
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})[?+]?")
_CATEGORY = re.compile(r"\{(\w+)\}|(\w)")
_DIGITS = {"x": re.compile("[0-9A-Fa-f]{2}"), "u": re.compile("[0-9A-Fa-f]{4}")}
_OTHER_CASES = {"s": "\u017f", "k": "\u212a"}  # the long s, and the sign of the kelvin
_FOLDS_TO_SEVERAL = re.compile(r"ss|st|f[fil]|\\[xu]|[^\x00-\x7f]", re.IGNORECASE)
"""What may stand, where case is ignored, for one character such as the sharp s or a ligature."""
_ADVICE = {
    "w": r"write `[\p{L}\p{N}_]`, or what you mean by a word",
    "W": r"write `[^\p{L}\p{N}_]`, or what you mean by a word",
    "b": "look ahead with `(?=...)` or `(?!...)` instead",
}


class _Part(NamedTuple):
    """A part of an expression, translated."""

    text: str
    can_be_empty: bool
    is_assertion: bool = False


def explicit_expression(pattern: str) -> str:
    r"""Return `pattern` with every Unicode class as ranges of our own table.

    Accepted are literals, `.`, classes in brackets, `\p{Lu}`-like general categories, `\s`, `\d`,
    alternatives, the groups `(...)`, `(?:...)`, `(?i:...)`, `(?>...)`, the lookaheads, `^`, `$`, and
    greedy, lazy and possessive quantifiers. What engines read differently is refused: `\w`, `\b`,
    scripts, lookbehind, back-references, flags, set operations, and repetition of nothing.

    Raises:
        TokenizerError: With the place of what cannot be used, and what to write instead.
    """
    text_bytes(pattern)  # a lone surrogate is refused
    return _Parser(pattern).parse()


def engine_dependent_part(pattern: str) -> str | None:
    """Return a part of an expression that Oniguruma reads differently, if there is one.

    Raises:
        TokenizerError: As `explicit_expression`.
    """
    text_bytes(pattern)
    parser = _Parser(pattern)
    parser.parse()
    return parser.engine_dependent_part


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.engine_dependent_part: str | None = None
        self.position = 0
        self.depth = 0
        self.ignores_case = False

    def parse(self) -> str:
        part = self._alternatives()
        if self.position < len(self.pattern):
            self._fail("`)` closes no group")
        if part.can_be_empty:
            self._fail("it can match the empty string; every match must have a character")
        return part.text

    def _fail(self, reason: str) -> NoReturn:
        raise TokenizerError(
            f"pattern `{self.pattern}` cannot be used: at character {self.position}, {reason}"
        )

    def _peek(self, length: int = 1) -> str:
        return self.pattern[self.position : self.position + length]

    def _take(self) -> str:
        character = self._peek()
        if not character:
            self._fail("it ends too early")
        self.position += 1
        return character

    def _alternatives(self) -> _Part:
        parts = [self._sequence()]
        while self._peek() == "|":
            self.position += 1
            parts.append(self._sequence())
        return _Part("|".join(part.text for part in parts), any(p.can_be_empty for p in parts))

    def _sequence(self) -> _Part:
        texts: list[str] = []
        can_be_empty = True
        while self._peek() not in ("", "|", ")"):
            part = self._quantified(self._atom())
            texts.append(part.text)
            can_be_empty = can_be_empty and part.can_be_empty
        return _Part("".join(texts), can_be_empty)

    def _quantified(self, part: _Part) -> _Part:
        match = _QUANTIFIER.match(self.pattern, self.position)
        if match is None:
            return part
        if part.is_assertion or part.can_be_empty:
            self._fail(f"`{match[0]}` repeats what can be empty")
        bounds = [int(digits) for digits in re.findall(r"\d+", match[0])]
        if bounds != sorted(bounds) or max(bounds, default=0) > MOST_REPETITIONS:
            self._fail(f"`{match[0]}` must count upwards, to {MOST_REPETITIONS:,} at most")
        self.position = match.end()
        if _QUANTIFIER.match(self.pattern, self.position):
            self._fail(f"a second quantifier follows `{match[0]}`; put the first into a group")
        if match[0].endswith(("}+", "}?")):
            self.engine_dependent_part = match[0]  # a second quantifier, in Oniguruma
        may_be_none = match[0][0] in "*?" or re.match(r"\{0+[,}]", match[0]) is not None
        return _Part(part.text + match[0], may_be_none)

    def _atom(self) -> _Part:
        character = self._peek()
        if character == "(":
            return self._group()
        if character == "[":
            return _Part(self._brackets(), False)
        if character == "\\":
            return _Part(f"[{ranges_body(self._escape())}]", False)
        self.position += 1
        if character == ".":
            return _Part(r"[^\n]", False)
        if character in "^$":
            self.engine_dependent_part = character  # ends of lines, in Oniguruma
            return _Part(r"\A" if character == "^" else r"\Z", True, is_assertion=True)
        if character in _SPECIAL:
            self.position -= 1
            self._fail(f"`{character}` stands where a character is expected; escape it")
        return _Part(f"[{ranges_body(self._literal(character))}]", False)

    def _group(self) -> _Part:
        opening = next((known for known in _GROUPS if self._peek(len(known)) == known), "(")
        if opening == "(" and self._peek(2) == "(?":
            self._fail(
                "only the groups `(?:`, `(?i:`, `(?>`, `(?=` and `(?!` mean the same everywhere"
            )
        if self.depth == MOST_NESTED_GROUPS:
            self._fail(f"groups are nested more than {MOST_NESTED_GROUPS} deep")
        self.depth += 1
        self.position += len(opening)
        outer, self.ignores_case = self.ignores_case, self.ignores_case or opening == "(?i:"
        start = self.position
        inner = self._alternatives()
        self.ignores_case = outer
        if opening == "(?i:":
            joined = self.pattern[start : self.position].replace("(?:", "").replace(")", "")
            if _FOLDS_TO_SEVERAL.search(joined):
                self.engine_dependent_part = self.pattern[start - len(opening) : self.position + 1]
        if self._peek() != ")":
            self._fail("a group is not closed")
        self.position += 1
        self.depth -= 1
        text = f"{_GROUPS.get(opening, '(?:')}{inner.text})"
        is_assertion = opening in ("(?=", "(?!")
        return _Part(text, is_assertion or inner.can_be_empty, is_assertion)

    def _brackets(self) -> str:
        self.position += 1
        opening = "[^" if self._peek() == "^" else "["
        self.position += len(opening) - 1
        ranges: list[tuple[int, int]] = []
        while True:
            character = self._peek()
            if character == "]" and ranges:
                self.position += 1
                return f"{opening}{ranges_body(ranges)}]"
            is_last = self._peek(2)[1:] == "]"
            if character in ("[", "]") or (character == "-" and ranges and not is_last):
                self._fail(f"`{character}` in brackets means different things; escape it")
            if self._peek(2) in ("&&", "~~"):
                self._fail(f"`{self._peek(2)}` in brackets means different things; escape it")
            ranges += self._member()

    def _member(self) -> Ranges:
        """Parse a character, a class or a range between brackets."""
        first = self._escape() if self._peek() == "\\" else self._literal(self._take())
        if self._peek() != "-" or self._peek(2) in ("-", "-]"):
            return first
        self.position += 1
        last = self._escape() if self._peek() == "\\" else self._literal(self._take())
        is_range = len(first) == len(last) == 1 and first[0][0] == first[0][1]
        if self.ignores_case or not is_range or first[0][0] > last[0][0]:
            self._fail("a range must go from one character up to another, where case counts")
        return ((first[0][0], last[0][1]),)

    def _literal(self, character: str) -> Ranges:
        """Return the code points that a character stands for, in both cases if case is ignored."""
        forms = {character}
        if self.ignores_case:
            if not character.isascii() and character.lower() != character.upper():
                self._fail(f"`{character}` stands where case is ignored; only ASCII letters may")
            forms |= {character.lower(), character.upper()}
            forms |= {_OTHER_CASES.get(character.lower(), character)}
        return tuple((code, code) for code in sorted(map(ord, forms)))

    def _escape(self) -> Ranges:
        """Parse an escape; return the code points it stands for."""
        self.position += 1
        letter = self._take()
        if letter in "pP":
            return self._category(is_negated=letter == "P")
        if letter in "sS":
            return WHITE_SPACE if letter == "s" else complement(WHITE_SPACE)
        if letter in "dD":
            digits = category_ranges("Nd")
            return digits if letter == "d" else complement(digits)
        if letter in _CONTROLS:
            return self._literal(_CONTROLS[letter])
        if letter in "xu":
            match = _DIGITS[letter].match(self.pattern, self.position)
            if match is None or 0xD800 <= int(match[0], 16) < 0xE000:
                self._fail(
                    f"`\\{letter}` needs the {'two' if letter == 'x' else 'four'} digits of a character"
                )
            self.position = match.end()
            return self._literal(chr(int(match[0], 16)))
        if letter in f" {string.punctuation}" and letter not in "<>":
            return self._literal(letter)
        self.position -= 2
        advice = _ADVICE.get(letter, r"use literals, \p{..}, \s, \d and classes in brackets")
        return self._fail(f"`\\{letter}` is not the same everywhere; {advice}")

    def _category(self, *, is_negated: bool) -> Ranges:
        match = _CATEGORY.match(self.pattern, self.position)
        name = (match[1] or match[2]) if match else ""
        if match is None or not any(category.startswith(name) for category in CATEGORIES):
            self._fail(
                rf"`\p{{{name}}}` is no general category; use those of Unicode, such as `\p{{L}}` or "
                r"`\p{Lu}`"
            )
        if self.ignores_case:
            self._fail("a category stands where case is ignored; take it out of the group")
        self.position = match.end()
        ranges = category_ranges(name)
        return complement(ranges) if is_negated else ranges
