"""Hugging Face's `tokenizer.json`, where it is byte-level BPE."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nano_transformer import files
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.definition import TokenizerDefinition
from nano_transformer.tokenization.formats.gpt2 import (
    byte_to_character,
    bytes_to_token,
    token_to_bytes,
)
from nano_transformer.tokenization.formats.huggingface_patterns import (
    byte_level,
    pre_tokenizer_of,
    read_pattern,
)
from nano_transformer.tokenization.formats.reading import Fields, brief, check_parts, read_json

_ROLE_FILES = ("tokenizer_config.json", "special_tokens_map.json")
_ROLES = ("bos_token", "eos_token", "pad_token")


def read_huggingface(path: Path) -> TokenizerDefinition:
    """Read a `tokenizer.json`, and the roles from the files beside it.

    Tokens that a post-processor would add around a text are not added here: say so with `bos_id` and
    `eos_id`.

    Raises:
        TokenizerError: When it is malformed, or does anything that byte-level BPE does not; names the
            field.
        OSError: When it cannot be read.
    """
    return parse_huggingface(path, read_json(path))


def parse_huggingface(path: Path, values: object) -> TokenizerDefinition:
    """Make a definition of a file's JSON; errors as above."""
    root = Fields(path, values)
    for name in ("normalizer", "truncation"):
        if root.values.get(name) is not None:
            raise root.refusal(
                name, f"is {_kind(root.values[name])}, which byte-level BPE here has not"
            )
    if root.values.get("decoder") is not None and _kind(root.values["decoder"]) != "ByteLevel":
        raise root.refusal("decoder", f"is {_kind(root.values['decoder'])}; expected ByteLevel")
    model = root.object("model")
    _check_model(model)
    special_tokens, special_ids = _added_tokens(root)
    vocab = _vocab(model, special_ids)
    merges = [_merge(model, i, merge) for i, merge in enumerate(model.require("merges", list))]
    check_parts(path, vocab, merges)
    return TokenizerDefinition(
        vocab=vocab,
        merges=merges,
        special_tokens=special_tokens,
        pattern=read_pattern(root),
        ignore_merges=model.get("ignore_merges", bool, default=False),
        **_roles(path.parent, special_tokens),
    )


def _kind(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return brief(value) if kind is None else str(kind)[:60]


def _check_model(model: Fields) -> None:
    if (kind := model.get("type", str, default="BPE")) != "BPE":
        raise model.refusal("type", f"is {brief(kind)}; only byte-level BPE can be read")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.values.get(name):
            reason = f"is {brief(model.values[name])}, which byte-level BPE here has not"
            raise model.refusal(name, reason)


def _added_tokens(root: Fields) -> tuple[list[str], dict[str, int]]:
    """Return the added tokens, which all stand for themselves in a text, and their ids."""
    ids: dict[str, int] = {}
    of_second_pass: list[str] = []
    for index, values in enumerate(root.get("added_tokens", list, default=[])):
        token = Fields(root.path, values, f"added_tokens[{index}]")
        content, token_id = token.require("content", str), token.require("id", int)
        for flag in ("lstrip", "rstrip", "single_word"):
            if token.get(flag, bool, default=False):
                raise token.refusal(
                    flag, f"is true for {brief(content)}; tokens here take no space in"
                )
        if ids.setdefault(content, token_id) != token_id:
            raise token.refusal(
                "id", f"is {token_id} for {brief(content)}, and {ids[content]} before"
            )
        if token.get("normalized", bool, default=False):
            of_second_pass.append(content)
    for second in of_second_pass:
        for first in ids.keys() - of_second_pass:
            if _overlap(first, second):
                reason = (
                    f"has {brief(second)}, normalized, which shares text with {brief(first)}; the "
                    "library then prefers the other one even where it is the shorter"
                )
                raise root.refusal("added_tokens", reason)
    return list(ids), ids


def _overlap(first: str, second: str) -> bool:
    """Say whether two tokens can hold one character of a text in common."""
    shorter = min(len(first), len(second))
    return (
        first in second
        or second in first
        or any(
            first.endswith(second[:length]) or second.endswith(first[:length])
            for length in range(1, shorter)
        )
    )


def _vocab(model: Fields, special_ids: dict[str, int]) -> dict[int, bytes]:
    vocab: dict[int, bytes] = {}

    def put(token: str, token_id: object, data: bytes) -> None:
        if type(token_id) is not int or token_id < 0 or vocab.get(token_id, data) != data:
            reason = (
                f"gives {brief(token)} the id {brief(token_id)}; ids are whole numbers, each once"
            )
            raise model.refusal("vocab", reason)
        vocab[token_id] = data

    for token, token_id in model.require("vocab", dict).items():
        if token in special_ids:
            if special_ids[token] != token_id:
                raise model.refusal(
                    "vocab", f"gives {brief(token)} the id {brief(token_id)}, added_tokens another"
                )
            continue
        try:
            put(token, token_id, token_to_bytes(token))
        except KeyError as error:
            reason = (
                f"has {brief(token)}, whose {error.args[0]!r} stands for no byte in GPT-2's map"
            )
            raise model.refusal("vocab", reason) from None
    for token, token_id in special_ids.items():
        try:
            put(token, token_id, token.encode())
        except UnicodeEncodeError:
            raise model.refusal("vocab", f"has {brief(token)} with a lone surrogate") from None
    return vocab


def _merge(model: Fields, index: int, merge: object) -> tuple[bytes, bytes]:
    match merge.split(" ") if isinstance(merge, str) else merge:
        case [str(left), str(right)]:
            try:
                return token_to_bytes(left), token_to_bytes(right)
            except KeyError as error:
                reason = (
                    f"has {brief(merge)} as entry {index + 1}, whose {error.args[0]!r} is no byte"
                )
                raise model.refusal("merges", reason) from None
    raise model.refusal("merges", f"has {brief(merge)} as entry {index + 1}; expected two tokens")


def _roles(folder: Path, special_tokens: list[str]) -> dict[str, str | None]:
    """Read which special tokens play the roles, where files beside the tokenizer say so."""
    roles: dict[str, str | None] = {}
    for name in _ROLE_FILES:
        path = folder / name
        values = read_json(path) if path.is_file() else {}
        for role in _ROLES:
            token = values.get(role) if isinstance(values, dict) else None
            content = token.get("content") if isinstance(token, dict) else token
            if content in special_tokens:
                roles.setdefault(role, content)
    return roles


def write_huggingface(path: Path, definition: TokenizerDefinition) -> None:
    """Replace `path` by a `tokenizer.json` that gives the same ids; roles are lost.

    Raises:
        TokenizerError: When the format cannot say what this tokenizer does.
    """
    specials = {token.encode(): token for token in definition.special_tokens}
    names = {
        token_id: specials.get(token, bytes_to_token(token))
        for token_id, token in sorted(definition.vocab.items())
    }
    ids = {name: token_id for token_id, name in names.items()}
    if len(ids) < len(names):
        twice = next(name for token_id, name in names.items() if ids[name] != token_id)
        raise TokenizerError(
            f"special token {twice!r} is spelt as another token is written in tokenizer.json; export "
            "in another format"
        )
    _check_specials(definition, specials)
    document: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": ids[token],
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token in sorted(definition.special_tokens, key=ids.__getitem__)
        ],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer_of(definition.pattern),
        "post_processor": None,
        "decoder": byte_level(use_regex=True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": definition.ignore_merges,
            "vocab": ids,
            "merges": [list(map(bytes_to_token, pair)) for pair in definition.merges],
        },
    }
    files.write_text_atomically(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _check_specials(definition: TokenizerDefinition, specials: Mapping[bytes, str]) -> None:
    printable = set(byte_to_character().values())
    in_merges = {
        token for left, right in definition.merges for token in (left, right, left + right)
    }
    for token, name in specials.items():
        if bytes_to_token(token) == name:
            continue
        if len(token) == 1 or token in in_merges:
            raise TokenizerError(
                f"special token {name!r} is an ordinary token too, which tokenizer.json cannot say; "
                "export in another format"
            )
        # The library finds whole pre-tokens by their printable characters among all names.
        if definition.ignore_merges and printable.issuperset(name):
            raise TokenizerError(
                f"special token {name!r} is spelt as other text is written in tokenizer.json, which "
                "`ignore_merges` would turn into it; export in another format"
            )
