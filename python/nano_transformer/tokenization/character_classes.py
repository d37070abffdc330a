"""Which code points a Unicode class stands for, as ranges for a regular expression's brackets."""

from collections.abc import Iterable
from functools import cache

from nano_transformer.tokenization.unicode_classes import CATEGORY_RUNS, WHITE_SPACE

Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges of code points, rising."""

CATEGORIES = frozenset(category for _, category in CATEGORY_RUNS)
"""The 30 general categories of two letters, such as "Lu"."""


@cache
def category_ranges(name: str) -> Ranges:
    """Return the code points of a general category, or of all that begin with one letter.

    Args:
        name: "Lu", or "L" for all letters.
    """
    ends = [first - 1 for first, _ in CATEGORY_RUNS[1:]] + [0x10FFFF]
    ranges: list[tuple[int, int]] = []
    for (first, category), last in zip(CATEGORY_RUNS, ends, strict=True):
        if not category.startswith(name):
            continue
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))
    return tuple(ranges)


def class_body(*classes: str) -> str:
    r"""Return what stands between brackets for a union of classes.

    Python's own `\s`, `str.isalpha` and the package `regex` follow other Unicode versions and other
    rules than the Rust libraries, so every class is written out from the generated table.

    Args:
        classes: Categories as above, or "s" for white space.
    """
    return "".join(
        ranges_body(WHITE_SPACE if name == "s" else category_ranges(name)) for name in classes
    )


def ranges_body(ranges: Iterable[tuple[int, int]]) -> str:
    """Write ranges as they stand between brackets."""
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def complement(ranges: Ranges) -> Ranges:
    """Return the code points that are not in `ranges`."""
    starts = [0] + [last + 1 for _, last in ranges]
    ends = [first - 1 for first, _ in ranges] + [0x10FFFF]
    return tuple((first, last) for first, last in zip(starts, ends, strict=True) if first <= last)
