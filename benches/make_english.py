"""How the English text of the benches is made: python benches/make_english.py OUT [--bytes 100000000]

Texts follow each other in a fixed order until the size is reached: the English files of the corpora folder
(books, children's classics, speeches and plays, film reviews, stories, web text), then Debian's dictionaries
(dict-gcide, dict-wn, dict-foldoc, dict-jargon; those not installed come by `apt-get download`), then files
of your own. No text comes twice, unless `--repeat` says so: text that was seen before gives training nothing
new to count, so a repeated text is for measuring memory alone. Prints bytes, sources and the SHA-256.
"""

import argparse
import gzip
import hashlib
import itertools
import json
import lzma
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "corpora"
ENGLISH = (
    "english-books",
    "children-classics",
    "english-speeches-plays",
    "movie-reviews",
    "tinystories",
    "web-text",
)
DICTIONARIES = ("gcide", "wn", "foldoc", "jargon")
SEPARATOR = b"\n<|endoftext|>\n"
DOCUMENT_BYTES = 1 << 14
"""A dictionary has no documents; a new one begins at the next entry after so many bytes."""

Source = tuple[str, Callable[[], bytes]]


def sources(corpora: Path, cache: Path, own: Iterable[Path]) -> Iterator[Source]:
    """Yield the name of each text that can be had, and what reads it."""
    for name in ENGLISH:
        path = corpora / f"{name}.txt.xz"
        if path.exists():
            yield path.name, partial(_read_xz, path)
    for name in DICTIONARIES:
        yield f"Debian dict-{name}", partial(_read_dictionary, name, cache)
    for path in own:
        yield path.name, path.read_bytes


def _read_xz(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes())


def _read_dictionary(name: str, cache: Path) -> bytes:
    """Return a dictionary of the dict protocol, cut into documents of some entries each."""
    file = f"usr/share/dictd/{name}.dict.dz"
    path = Path("/", file)
    if not path.exists():
        path = cache / file
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        package = f"dict-{name}"
        subprocess.run(["apt-get", "download", package], cwd=cache, check=True, stdout=sys.stderr)
        (archive,) = cache.glob(f"{package}_*.deb")
        subprocess.run(["dpkg", "-x", str(archive), str(cache)], check=True)
    text = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    documents: list[str] = []
    entries: list[str] = []
    length = 0
    for line in text.splitlines(keepends=True):
        if length >= DOCUMENT_BYTES and line[0] not in " \t\n":
            documents.append("".join(entries).strip("\n"))
            entries, length = [], 0
        entries.append(line)
        length += len(line)
    documents.append("".join(entries).strip("\n"))
    return SEPARATOR.join(document.encode() for document in documents)


def cut(data: bytes, size: int) -> bytes:
    """Return exactly `size` bytes of a longer text; newlines stand for half a character."""
    return data[:size].decode("utf-8", "ignore").encode().ljust(size, b"\n")


def write_text(out: Path, size: int, texts: Iterable[Source]) -> dict[str, object]:
    """Write texts up to `size` bytes, and return what was written."""
    digest, total, parts = hashlib.sha256(), 0, []
    with out.open("wb") as file:
        for name, read in texts:
            data = read().rstrip(b"\n")
            if not data.endswith(SEPARATOR.strip()):
                data += SEPARATOR[:-1]
            data = cut(data + b"\n", min(size - total, len(data) + 1))
            file.write(data)
            digest.update(data)
            total += len(data)
            parts.append({"source": name, "bytes": len(data)})
            if total == size:
                break
    return {"bytes": total, "sha256": digest.hexdigest(), "parts": parts}


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the text."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("own", type=Path, nargs="*", help="text files to follow the others")
    parser.add_argument("--bytes", type=int, default=100_000_000)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "dictionaries"))
    parser.add_argument("--repeat", action="store_true", help="begin again until the size is there")
    flags = parser.parse_args(arguments)
    found = list(sources(flags.corpora, flags.cache, flags.own))
    made = write_text(flags.out, flags.bytes, itertools.cycle(found) if flags.repeat else found)
    print(json.dumps(made, indent=2))
    if made["bytes"] != flags.bytes:
        sys.exit(
            f"there are only {made['bytes']:,} of {flags.bytes:,} bytes of text; name text files of "
            "your own after the output, or ask for fewer --bytes"
        )


if __name__ == "__main__":
    main()
