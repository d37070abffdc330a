"""Our own file: one JSON with everything that makes a tokenizer, and a digest over it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nano_transformer import files
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.definition import TokenizerDefinition, definition_digest
from nano_transformer.tokenization.formats.gpt2 import bytes_to_token, token_to_bytes
from nano_transformer.tokenization.formats.reading import Fields, brief, read_json
from nano_transformer.tokenization.unicode_classes import UNICODE_VERSION

FORMAT = "nano-transformer tokenizer"
FORMAT_VERSION = 1
ROLES = ("bos_token", "eos_token", "pad_token")
FIELDS = (
    *("format", "format_version", "unicode_version", "digest", "pattern", "ignore_merges"),
    *("special_tokens", *ROLES, "vocab", "merges"),
)


def write_own(path: Path, definition: TokenizerDefinition) -> None:
    """Replace `path`; bytes are written in GPT-2's printable characters, one entry a line."""
    header: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "unicode_version": UNICODE_VERSION,
        "digest": definition_digest(definition),
        "pattern": definition.pattern,
        "ignore_merges": definition.ignore_merges,
        "special_tokens": definition.special_tokens,
        **{role: getattr(definition, role) for role in ROLES},
    }
    lines = [f"{_json(name)}: {_json(value)}," for name, value in header.items()]
    vocab = definition.vocab
    entries = [f"  {_json(bytes_to_token(vocab[i]))}: {i}" for i in sorted(vocab)]
    merges = [f"  {_json(list(map(bytes_to_token, pair)))}" for pair in definition.merges]
    lines += ['"vocab": {', ",\n".join(entries), "},", '"merges": [', ",\n".join(merges), "]"]
    files.write_text_atomically(path, "\n".join(["{", *lines, "}", ""]))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def read_own(path: Path) -> TokenizerDefinition:
    """Read what `write_own` wrote.

    Raises:
        TokenizerError: When the file is malformed, of a later version or another Unicode version, or
            when its contents do not have its digest.
        OSError: When it cannot be read.
    """
    return parse_own(path, read_json(path))


def parse_own(path: Path, values: object) -> TokenizerDefinition:
    """Make a definition of a file's JSON; errors as above."""
    fields = Fields(path, values)
    if fields.get("format", str) != FORMAT:
        raise fields.refusal(
            "format", f"must be {FORMAT!r}, found {brief(fields.values.get('format'))}"
        )
    version = fields.require("format_version", int)
    if version != FORMAT_VERSION:
        raise TokenizerError(
            f"`{path}` has format version {version}, this program reads {FORMAT_VERSION}; install a "
            "program that reads it, or write the tokenizer again"
        )
    fields.refuse_others(*FIELDS)
    unicode_version = fields.require("unicode_version", str)
    if unicode_version != UNICODE_VERSION:
        raise TokenizerError(
            f"`{path}` cuts text by Unicode {brief(unicode_version)}, this program by "
            f"{UNICODE_VERSION}; some ids would differ, so train the tokenizer again"
        )
    definition = TokenizerDefinition(
        vocab=dict(_vocab_entries(fields)),
        merges=[
            _merge(fields, index, pair) for index, pair in enumerate(fields.require("merges", list))
        ],
        special_tokens=_strings(fields, "special_tokens"),
        pattern=fields.require("pattern", str),
        ignore_merges=fields.require("ignore_merges", bool),
        **{role: fields.get(role, str) for role in ROLES},
    )
    try:
        digest = definition_digest(definition)
    except UnicodeEncodeError:
        raise TokenizerError(
            f"`{path}` holds a lone surrogate, which UTF-8 cannot express"
        ) from None
    if digest != fields.require("digest", str):
        raise TokenizerError(
            f"`{path}` was changed after it was written: its contents have the digest "
            f"{digest[:12]}, and it says {brief(fields.values['digest'])[:14]}; bring the original file"
        )
    return definition


def _vocab_entries(fields: Fields) -> Iterator[tuple[int, bytes]]:
    seen: set[int] = set()
    for token, token_id in fields.require("vocab", dict).items():
        if type(token_id) is not int or token_id < 0 or token_id in seen:
            reason = (
                f"gives {brief(token)} the id {brief(token_id)}; ids are whole numbers, each once"
            )
            raise fields.refusal("vocab", reason)
        seen.add(token_id)
        yield token_id, _to_bytes(fields, "vocab", token)


def _merge(fields: Fields, index: int, pair: object) -> tuple[bytes, bytes]:
    match pair:
        case [str(left), str(right)]:
            return _to_bytes(fields, "merges", left), _to_bytes(fields, "merges", right)
    raise fields.refusal("merges", f"has {brief(pair)} as entry {index + 1}; expected two tokens")


def _to_bytes(fields: Fields, name: str, token: str) -> bytes:
    try:
        return token_to_bytes(token)
    except KeyError as error:
        reason = f"holds {brief(token)}, whose {error.args[0]!r} stands for no byte in GPT-2's map"
        raise fields.refusal(name, reason) from None


def _strings(fields: Fields, name: str) -> list[str]:
    strings = fields.require(name, list)
    if not all(isinstance(item, str) for item in strings):
        raise fields.refusal(name, "must hold strings only")
    return list(strings)
