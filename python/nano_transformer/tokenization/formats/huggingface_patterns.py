"""How `tokenizer.json` says where a text is cut into pre-tokens."""

from typing import Any

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization.expression_syntax import engine_dependent_part
from nano_transformer.tokenization.formats.reading import Fields
from nano_transformer.tokenization.pre_tokens import PATTERN_NAMES

EXPRESSIONS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "gpt4": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s+\z|\s*[\r\n]|\s+(?!\S)|\s",
    "gpt4o": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
"""tiktoken's patterns as Oniguruma reads them: there `$` ends a line, so `\\z` ends the text."""

NAMES = {expression: name for name, expression in EXPRESSIONS.items()} | {
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt2",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt2",
}
"""GPT-4's usual spelling is not among them: it cuts white space at the end of a text differently."""


def read_pattern(root: Fields) -> str:
    """Return the name of a file's pattern, or its regular expression.

    Raises:
        TokenizerError: When its pre-tokenizer does anything else than cut by a pattern.
    """
    outer = root.object("pre_tokenizer")
    if outer.get("type", str) == "Sequence":
        steps = outer.get("pretokenizers", list, default=[])
    else:
        steps = [outer.values]
    fields = [Fields(root.path, step, "pre_tokenizer") for step in steps]
    kinds = [step.get("type", str) for step in fields]
    if kinds not in (["ByteLevel"], ["Split", "ByteLevel"]):
        reason = f"is {kinds or 'empty'}; expected ByteLevel, or Split and then ByteLevel"
        raise root.refusal("pre_tokenizer", reason)
    byte_level = fields[-1]
    if byte_level.get("add_prefix_space", bool, default=True):
        raise byte_level.refusal("add_prefix_space", "is true; no space is put before a text here")
    uses_regex = byte_level.get("use_regex", bool, default=True)
    if kinds == ["ByteLevel"]:
        if not uses_regex:
            raise byte_level.refusal("use_regex", "is false, and nothing else cuts the text")
        return "gpt2"
    split = fields[0]
    if uses_regex:
        raise byte_level.refusal("use_regex", "is true after a Split, so that text is cut twice")
    if split.get("behavior", str) != "Isolated" or split.get("invert", bool, default=False):
        raise split.refusal("behavior", "must be 'Isolated', without invert")
    expression: str = split.object("pattern").require("Regex", str)
    if expression not in NAMES and (part := engine_dependent_part(expression)):
        raise split.refusal("pattern", f"uses `{part}`, which means something else in Oniguruma")
    return NAMES.get(expression, expression)


def pre_tokenizer_of(pattern: str) -> dict[str, Any]:
    """Return the pre-tokenizer that cuts where `pattern` does.

    Raises:
        TokenizerError: When the library reads the pattern differently.
    """
    if pattern == "gpt2":
        return byte_level(use_regex=True)
    if pattern not in PATTERN_NAMES and (part := engine_dependent_part(pattern)):
        raise TokenizerError(
            f"pattern `{pattern}` uses `{part}`, which means something else in tokenizer.json; write it "
            "without, or export in another format"
        )
    split = {
        "type": "Split",
        "pattern": {"Regex": EXPRESSIONS.get(pattern, pattern)},
        "behavior": "Isolated",
        "invert": False,
    }
    return {"type": "Sequence", "pretokenizers": [split, byte_level(use_regex=False)]}


def byte_level(*, use_regex: bool) -> dict[str, Any]:
    """Return the step that writes bytes in GPT-2's printable characters, as pre-tokenizer and decoder."""
    # Offsets are not trimmed: each token's place holds the space it begins with.
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": use_regex,
    }
