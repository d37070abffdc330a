"""How pre-token counts are stored, so that machines can count parts of one corpus for themselves.

The file is text. Its first line is JSON: format, format version, pattern, Unicode version and special
tokens, which must be the same in all files that are added up, and how many lines follow. Each of those
is a count, a tab and a pre-token in GPT-2's printable characters; a pre-token may come more than once.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nano_transformer import files
from nano_transformer.errors import DataError
from nano_transformer.tokenization.formats.gpt2 import bytes_to_token, token_to_bytes
from nano_transformer.tokenization.formats.reading import brief
from nano_transformer.tokenization.unicode_classes import UNICODE_VERSION

FORMAT = "nano-transformer counts"
FORMAT_VERSION = 1
LARGEST_COUNT = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True)
class PreTokenCounts:
    """How often each pre-token occurs in some texts, and what cut them."""

    pattern: str
    special_tokens: tuple[str, ...]
    pieces: list[tuple[bytes, int]]

    def header(self) -> dict[str, object]:
        """Return what files that are added up must have in common."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "unicode_version": UNICODE_VERSION,
            "pattern": self.pattern,
            "special_tokens": sorted(self.special_tokens),
        }


def save_counts(path: Path, counts: PreTokenCounts) -> None:
    """Replace `path` by the counts, wholly or not at all."""
    header = json.dumps(counts.header() | {"num_lines": len(counts.pieces)}, ensure_ascii=False)
    lines = [f"{count}\t{bytes_to_token(piece)}" for piece, count in sorted(counts.pieces)]
    files.write_text_atomically(path, "\n".join([header, *lines, ""]))


def load_counts(path: Path, wanted: PreTokenCounts | None = None) -> PreTokenCounts:
    """Read counts.

    Args:
        path: A file of `save_counts`.
        wanted: Counts that these are to be added to.

    Raises:
        DataError: When a line is malformed, or the counts do not go with those wanted.
        OSError: When the file cannot be read.
    """
    with path.open("rb") as file:
        counts, num_lines = _read_header(path, file.readline())
        if wanted is not None and (found := counts.header()) != (expected := wanted.header()):
            name = next(name for name in expected if found[name] != expected[name])
            raise DataError(
                f"`{path}` was counted with `{name}` {brief(found[name])}, and {brief(expected[name])} "
                "is wanted; count it again"
            )
        counts.pieces.extend(_read_pieces(path, file))
    if len(counts.pieces) != num_lines:
        raise DataError(
            f"`{path}` has {len(counts.pieces)} lines of counts, and its first line says "
            f"{brief(num_lines)}; it is cut short or was changed, so count it again"
        )
    return counts


def _read_header(path: Path, line: bytes) -> tuple[PreTokenCounts, object]:
    try:
        header = json.loads(line)
        is_ours = header["format"] == FORMAT
    except (ValueError, TypeError, KeyError, RecursionError):
        is_ours = False
    if not is_ours:
        raise DataError(f"`{path}` is no file of `nanot-bpe count`: its first line does not say so")
    version, unicode_version = header.get("format_version"), header.get("unicode_version")
    if (version, unicode_version) != (FORMAT_VERSION, UNICODE_VERSION):
        raise DataError(
            f"`{path}` has format version {brief(version)} and Unicode version "
            f"{brief(unicode_version)}, this program {FORMAT_VERSION} and {UNICODE_VERSION}; count it "
            "again"
        )
    match header:
        case {"pattern": str(pattern), "special_tokens": list(specials)} if all(
            isinstance(token, str) for token in specials
        ):
            counts = PreTokenCounts(pattern=pattern, special_tokens=tuple(specials), pieces=[])
            return counts, header.get("num_lines")
    raise DataError(f"`{path}` line 1 lacks the pattern or the special tokens")


def _read_pieces(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    for number, line in enumerate(lines, start=2):
        entry = _read_line(line)
        if entry is None:
            raise DataError(
                f"`{path}` line {number} must be a count, a tab and a pre-token in GPT-2's characters; "
                f"found {brief(line[:200].decode('utf-8', 'replace'))}"
            )
        yield entry


def _read_line(line: bytes) -> tuple[bytes, int] | None:
    digits, _, piece = line.removesuffix(b"\n").removesuffix(b"\r").partition(b"\t")
    # Else `int` would also take signs, spaces and underscores.
    if not (digits.isdigit() and len(digits) < 20 and piece):
        return None
    count = int(digits)
    if count > LARGEST_COUNT:
        return None
    try:
        return token_to_bytes(piece.decode()), count
    except (UnicodeDecodeError, KeyError):
        return None
