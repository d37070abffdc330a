"""How each library does each job, in the fastest way that its own pages show.

A function makes ready, untimed, and returns what is timed. `text` and `vocabulary` are paths: of a
text file, and of a folder with one vocabulary in the formats that the libraries read.
"""

from collections.abc import Callable
from importlib.util import find_spec

Action = Callable[[], object]

SPECIAL = "<|endoftext|>"
PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PEERS = ("gigatoken", "gigabpe", "fastokens", "tiktoken", "tokenizers", "rustbpe")


def installed_peers() -> list[str]:
    """Return the peers that can be imported here."""
    return [name for name in PEERS if find_spec(name) is not None]
