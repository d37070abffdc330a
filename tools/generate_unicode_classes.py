"""Write the Unicode classes that both tokenizer backends cut text by.

They are the general category of every code point, and the property White_Space. The version is the
one compiled into tiktoken 0.14 and tokenizers 0.23, so that all cut alike. It needs
`pip install unicodedata2==16.0.0`; `--check` only says whether the committed files are current.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import unicodedata2

UNICODE_VERSION = "16.0.0"
COUNTS = {"L": 141_028, "N": 1_911, "M": 2_501, "Lu": 1_858, "Ll": 2_258, "Lt": 31}
"""Code points by category, as counted in tiktoken 0.14 and tokenizers 0.23.3."""
NUM_WHITE_SPACE = 25

ROOT = Path(__file__).resolve().parent.parent
PYTHON_FILE = ROOT / "python/nano_transformer/tokenization/unicode_classes.py"
RUST_FILE = ROOT / "rust/core/src/unicode.rs"

Runs = list[tuple[int, str]]
"""First code point of each run of one category, and the category."""
Ranges = list[tuple[int, int]]


def category_runs() -> Runs:
    """Return the general category of all code points, after checking version and sizes."""
    if unicodedata2.unidata_version != UNICODE_VERSION:
        sys.exit(
            f"unicodedata2 holds Unicode {unicodedata2.unidata_version} where {UNICODE_VERSION} is "
            f"needed; pip install unicodedata2=={UNICODE_VERSION}"
        )
    categories = [unicodedata2.category(chr(code)) for code in range(sys.maxunicode + 1)]
    sizes = Counter(categories)
    for name, expected in COUNTS.items():
        size = sum(count for category, count in sizes.items() if category.startswith(name))
        if size != expected:
            sys.exit(f"{name} has {size} code points where {expected} are expected")
    return [
        (code, category)
        for code, category in enumerate(categories)
        if code == 0 or category != categories[code - 1]
    ]


def white_space_ranges() -> Ranges:
    """Return the inclusive ranges of code points with the property White_Space (PropList.txt)."""
    spaces = [
        code
        for code in range(sys.maxunicode + 1)
        if 0x09 <= code <= 0x0D or code == 0x85 or unicodedata2.category(chr(code))[0] == "Z"
    ]
    if len(spaces) != NUM_WHITE_SPACE:
        sys.exit(f"{len(spaces)} code points are white space where {NUM_WHITE_SPACE} are expected")
    ranges: Ranges = []
    for code in spaces:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return ranges


def packed_lines(items: list[str], indent: str) -> Iterator[str]:
    """Lay items out in lines of at most 100 characters, as the formatters leave them."""
    line = indent
    for item in items:
        if len(line) + len(item) + 1 > 100:
            yield line.rstrip()
            line = indent
        line += item + " "
    yield line.rstrip()


def python_source(runs: Runs, spaces: Ranges) -> str:
    """Return the Python module: runs of one category, and ranges of white space."""
    return "\n".join(
        [
            '"""The general category of every code point, and white space (generated, do not edit).',
            "",
            "Written by tools/generate_unicode_classes.py, together with rust/core/src/unicode.rs.",
            '"""',
            "",
            f'UNICODE_VERSION = "{UNICODE_VERSION}"',
            "",
            "# fmt: off",
            "CATEGORY_RUNS: tuple[tuple[int, str], ...] = (",
            *packed_lines([f'(0x{first:X}, "{category}"),' for first, category in runs], "    "),
            ")",
            '"""First code point and general category of each run of one category, in order."""',
            "WHITE_SPACE: tuple[tuple[int, int], ...] = (",
            *packed_lines([f"(0x{first:X}, 0x{last:X})," for first, last in spaces], "    "),
            ")",
            '"""Property `White_Space`: inclusive ranges of code points."""',
            "",
        ]
    )


def rust_source(runs: Runs, spaces: Ranges) -> str:
    """Return the Rust module with the same contents."""
    return "\n".join(
        [
            "//! The general category of every code point, and white space (generated, do not edit).",
            "//!",
            "//! Written by `tools/generate_unicode_classes.py`, together with the Python twin's.",
            "",
            "/// Unicode version of what is below.",
            f'pub const UNICODE_VERSION: &str = "{UNICODE_VERSION}";',
            "",
            "/// First code point and general category of each run of one category, in order.",
            "#[rustfmt::skip]",
            "pub(crate) const CATEGORY_RUNS: &[(u32, [u8; 2])] = &[",
            *packed_lines([f'(0x{first:_X}, *b"{category}"),' for first, category in runs], "    "),
            "];",
            "",
            "/// Property `White_Space`: inclusive ranges of code points.",
            "#[rustfmt::skip]",
            "pub(crate) const WHITE_SPACE: &[(u32, u32)] = &[",
            *packed_lines([f"(0x{first:_X}, 0x{last:_X})," for first, last in spaces], "    "),
            "];",
            "",
        ]
    )


def main() -> None:
    """Write both files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when stale")
    check = parser.parse_args().check
    runs, spaces = category_runs(), white_space_ranges()
    for path, source in (
        (PYTHON_FILE, python_source(runs, spaces)),
        (RUST_FILE, rust_source(runs, spaces)),
    ):
        if not check:
            path.write_text(source, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != source:
            sys.exit(f"`{path.relative_to(ROOT)}` is stale; run this script without --check")


if __name__ == "__main__":
    main()
