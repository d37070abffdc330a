"""How a tokenizer is stored in GPT-2's two files, `vocab.json` and `merges.txt`."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

from nano_transformer import files
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.definition import TokenizerDefinition
from nano_transformer.tokenization.formats.reading import read_json, read_text
from nano_transformer.tokenization.pre_tokens import DEFAULT_PATTERN

MERGES_HEADER = "#version: 0.2"


@cache
def byte_to_character() -> dict[int, str]:
    """Return the printable character that stands for each byte in GPT-2's files.

    Printable Latin-1 characters stand for themselves; the other bytes take the code points from
    256 on, in order.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)}
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + index) for index, byte in enumerate(others)
    }


@cache
def _from_latin1() -> dict[int, str]:
    """Return a table for `str.translate` from Latin-1, which has one character a byte."""
    return dict(byte_to_character())


@cache
def _to_latin1() -> dict[int, str]:
    """Return the table back; what stands for no byte becomes what Latin-1 lacks."""
    no_byte = dict.fromkeys(range(256), "\uffff")
    return no_byte | {ord(character): chr(byte) for byte, character in byte_to_character().items()}


def read_gpt2(
    vocab_path: Path,
    merges_path: Path,
    special_tokens: Collection[str] = (),
    *,
    pattern: str = DEFAULT_PATTERN,
) -> TokenizerDefinition:
    """Read both files, which say neither the pattern nor which tokens are special.

    Raises:
        TokenizerError: When a file is malformed or they do not fit; the message names the line.
        OSError: When one cannot be read.
    """
    vocab = read_vocab(vocab_path, special_tokens)
    merges = read_merges(merges_path)
    known = set(vocab.values())
    first_line = 1 + _has_header(merges_path)
    lines: dict[tuple[bytes, bytes], int] = {}
    for line, (left, right) in enumerate(merges, start=first_line):
        for token in (left, right, left + right):
            if token not in known:
                raise TokenizerError(
                    f"`{merges_path}` line {line} joins {left!r} and {right!r}, but {token!r} is not "
                    f"in `{vocab_path}`; both files must come from the same training"
                )
        if lines.setdefault((left, right), line) != line:
            raise TokenizerError(
                f"`{merges_path}` line {line} repeats the merge of line {lines[left, right]}"
            )
    return TokenizerDefinition(
        vocab=vocab, merges=merges, special_tokens=list(special_tokens), pattern=pattern
    )


def write_gpt2(vocab_path: Path, merges_path: Path, definition: TokenizerDefinition) -> None:
    """Replace both files; pattern, special tokens and roles are lost."""
    write_vocab(vocab_path, definition.vocab)
    write_merges(merges_path, definition.merges)


def _has_header(merges_path: Path) -> bool:
    with merges_path.open("rb") as file:
        return file.readline().startswith(b"#version")


def read_vocab(path: Path, special_tokens: Collection[str] = ()) -> dict[int, bytes]:
    """Read `vocab.json`: an object of token to id.

    Args:
        path: The file.
        special_tokens: Tokens that may also be written as plain text.

    Raises:
        TokenizerError: When the file is malformed; the message names the line or the entry.
        OSError: When it cannot be read.
    """
    pairs = read_json(path, object_pairs_hook=list)
    # `object_pairs_hook` makes an object a list of tuples; any other list holds something else.
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise TokenizerError(f"`{path}` must hold one JSON object of token to id, as GPT-2's does")
    vocab: dict[int, bytes] = {}
    ids: dict[bytes, int] = {}
    for token, token_id in pairs:
        if type(token_id) is not int or token_id < 0:
            raise TokenizerError(
                f"`{path}` gives token {token!r} the id {token_id!r}; ids are whole numbers from 0"
            )
        if token_id in vocab:
            raise TokenizerError(
                f"`{path}` gives id {token_id} twice, the second time to {token!r}"
            )
        try:
            data = token_to_bytes(token)
        except KeyError as error:
            if token not in special_tokens:
                raise TokenizerError(
                    f"`{path}` has the token {token!r}, whose character {error.args[0]!r} stands "
                    "for no byte in GPT-2's map; name it in `special_tokens` if it is plain text"
                ) from None
            data = token.encode()
        if data in ids:
            raise TokenizerError(
                f"`{path}` gives ids {ids[data]} and {token_id} to {data!r}; each token has one id"
            )
        vocab[token_id] = data
        ids[data] = token_id
    return vocab


def read_merges(path: Path) -> list[tuple[bytes, bytes]]:
    """Read `merges.txt`: one pair a line in the order learnt, after an optional version line.

    Raises:
        TokenizerError: When a line is malformed; the message names it.
        OSError: When the file cannot be read.
    """
    # Only "\n" ends a line here: `splitlines` would also cut at characters a token may hold.
    lines = read_text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    merges: list[tuple[bytes, bytes]] = []
    for number, line in enumerate(lines, start=1):
        if number == 1 and line.startswith("#version"):
            continue
        parts = line.removesuffix("\r").split(" ")
        if len(parts) != 2 or not all(parts):
            raise TokenizerError(
                f"`{path}` line {number} must be two tokens with one space between them; "
                f"found {line!r}"
            )
        try:
            merges.append((token_to_bytes(parts[0]), token_to_bytes(parts[1])))
        except KeyError as error:
            raise TokenizerError(
                f"`{path}` line {number} holds {error.args[0]!r}, which stands for no byte in "
                "GPT-2's map"
            ) from None
    return merges


def write_vocab(path: Path, vocab: Mapping[int, bytes]) -> None:
    """Replace `path` by the vocabulary in the order of ids."""
    entries = {bytes_to_token(vocab[token_id]): token_id for token_id in sorted(vocab)}
    text = json.dumps(entries, ensure_ascii=False, indent=0)
    files.write_text_atomically(path, text + "\n")


def write_merges(path: Path, merges: Sequence[tuple[bytes, bytes]]) -> None:
    """Replace `path` by the merges in the order learnt."""
    lines = [f"{bytes_to_token(left)} {bytes_to_token(right)}" for left, right in merges]
    files.write_text_atomically(path, "\n".join([MERGES_HEADER, *lines]) + "\n")


def bytes_to_token(data: bytes) -> str:
    """Write bytes in GPT-2's printable characters."""
    return data.decode("latin-1").translate(_from_latin1())


def token_to_bytes(token: str) -> bytes:
    """Undo `bytes_to_token`.

    Raises:
        KeyError: With the character that stands for no byte.
    """
    try:
        return token.translate(_to_latin1()).encode("latin-1")
    except UnicodeEncodeError as error:
        raise KeyError(token[error.start]) from None
