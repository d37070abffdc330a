"""Write the Unicode classes that both tokenizer backends cut text by.

Letters are the general categories L*, numbers N*, and white space is the property White_Space. The
version is the one compiled into tiktoken 0.14 and tokenizers 0.23, so that all cut alike. It needs
`pip install unicodedata2==16.0.0`; `--check` only says whether the committed files are current.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import unicodedata2

UNICODE_VERSION = "16.0.0"
COUNTS = {"LETTERS": 141_028, "NUMBERS": 1_911, "WHITE_SPACE": 25}
"""Code points of each class, as counted in tiktoken 0.14 and tokenizers 0.23.3."""

ROOT = Path(__file__).resolve().parent.parent
PYTHON_FILE = ROOT / "python/nano_transformer/tokenization/unicode_classes.py"
RUST_FILE = ROOT / "rust/core/src/unicode.rs"

Ranges = list[tuple[int, int]]

DESCRIPTIONS = {
    "LETTERS": "General category `L*`",
    "NUMBERS": "General category `N*`",
    "WHITE_SPACE": "Property `White_Space`",
}


def is_white_space(code_point: int) -> bool:
    """Say whether a code point has the property White_Space (PropList.txt)."""
    is_control = 0x09 <= code_point <= 0x0D or code_point == 0x85
    return is_control or unicodedata2.category(chr(code_point)).startswith("Z")


def ranges_where(predicate: Callable[[int], bool]) -> Ranges:
    """Return the inclusive ranges of code points for which `predicate` holds."""
    ranges: Ranges = []
    for code_point in filter(predicate, range(sys.maxunicode + 1)):
        if ranges and ranges[-1][1] == code_point - 1:
            ranges[-1] = (ranges[-1][0], code_point)
        else:
            ranges.append((code_point, code_point))
    return ranges


def collect_classes() -> dict[str, Ranges]:
    """Return the ranges of each class, after checking version and sizes."""
    if unicodedata2.unidata_version != UNICODE_VERSION:
        sys.exit(
            f"unicodedata2 holds Unicode {unicodedata2.unidata_version} where {UNICODE_VERSION} is "
            f"needed; pip install unicodedata2=={UNICODE_VERSION}"
        )
    classes = {
        "LETTERS": ranges_where(lambda c: unicodedata2.category(chr(c)).startswith("L")),
        "NUMBERS": ranges_where(lambda c: unicodedata2.category(chr(c)).startswith("N")),
        "WHITE_SPACE": ranges_where(is_white_space),
    }
    for name, ranges in classes.items():
        size = sum(last - first + 1 for first, last in ranges)
        if size != COUNTS[name]:
            sys.exit(f"{name} has {size} code points where {COUNTS[name]} are expected")
    return classes


def packed_lines(items: list[str], indent: str) -> Iterator[str]:
    """Lay items out in lines of at most 100 characters, as the formatters leave them."""
    line = indent
    for item in items:
        if len(line) + len(item) + 1 > 100:
            yield line.rstrip()
            line = indent
        line += item + " "
    yield line.rstrip()


def python_source(classes: dict[str, Ranges]) -> str:
    """Return the Python module: three tuples of inclusive ranges."""
    lines = [
        '"""Which code points are letters, numbers and white space (generated, do not edit).',
        "",
        "Written by tools/generate_unicode_classes.py, together with rust/core/src/unicode.rs.",
        '"""',
        "",
        f'UNICODE_VERSION = "{UNICODE_VERSION}"',
        "",
        "# fmt: off",
    ]
    for name, ranges in classes.items():
        items = [f"(0x{first:X}, 0x{last:X})," for first, last in ranges]
        lines += [f"{name}: tuple[tuple[int, int], ...] = ("]
        lines += [*packed_lines(items, "    "), ")"]
        lines += [f'"""{DESCRIPTIONS[name]}: inclusive ranges of code points."""']
    return "\n".join(lines) + "\n"


def rust_source(classes: dict[str, Ranges]) -> str:
    """Return the Rust module: three constant slices of inclusive ranges."""
    lines = [
        "//! Which code points are letters, numbers and white space (generated, do not edit).",
        "//!",
        "//! Written by `tools/generate_unicode_classes.py`, together with the Python twin's.",
        "",
        "/// Unicode version of the ranges below.",
        f'pub const UNICODE_VERSION: &str = "{UNICODE_VERSION}";',
    ]
    for name, ranges in classes.items():
        items = [f"(0x{first:X}, 0x{last:X})," for first, last in ranges]
        lines += ["", f"/// {DESCRIPTIONS[name]}: inclusive ranges of code points."]
        lines += ["#[rustfmt::skip]"]
        lines += [f"pub(crate) const {name}: &[(u32, u32)] = &["]
        lines += [*packed_lines(items, "    "), "];"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail when stale")
    check = parser.parse_args().check
    classes = collect_classes()
    for path, source in (
        (PYTHON_FILE, python_source(classes)),
        (RUST_FILE, rust_source(classes)),
    ):
        if not check:
            path.write_text(source, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != source:
            sys.exit(f"`{path.relative_to(ROOT)}` is stale; run this script without --check")


if __name__ == "__main__":
    main()
