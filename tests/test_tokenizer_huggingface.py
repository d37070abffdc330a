"""Hugging Face's libraries load our `tokenizer.json` and we theirs, with equal ids, or it is refused."""

import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from definition_strategies import EXPRESSIONS, definitions
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization import Tokenizer, formats
from nano_transformer.tokenization.definition import TokenizerDefinition
from nano_transformer.tokenization.formats.huggingface_patterns import NAMES
from nano_transformer.tokenization.pre_tokens import pre_token_splitter
from text_strategies import small_vocabulary, texts

tokenizers = pytest.importorskip("tokenizers")

LLAMA = EXPRESSIONS[1]
any_text = texts | st.text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One folder for all examples of a test: hypothesis makes no new one for each."""
    return tmp_path_factory.mktemp("formats")


def load_peer(path: Path):
    return tokenizers.Tokenizer.from_file(str(path))


@given(definitions(), texts)
def test_tokenizers_loads_our_file_and_gives_equal_ids(folder, definition, text):
    path = folder / "tokenizer.json"
    try:
        formats.write_huggingface(path, definition)
    except TokenizerError:
        event("refused")
        return
    tokenizer = Tokenizer.from_definition(definition, backend="python")
    assert load_peer(path).encode(text, add_special_tokens=False).ids == tokenizer.encode(text)
    lost = dict.fromkeys(("bos_token", "eos_token", "pad_token"))
    read = formats.read_huggingface(path)
    assert sorted(read.special_tokens) == sorted(definition.special_tokens)
    kept = dataclasses.replace(definition, special_tokens=read.special_tokens, **lost)
    assert read == kept


@cache
def splitter(expression: str):
    return tokenizers.pre_tokenizers.Split(tokenizers.Regex(expression), "isolated")


@pytest.mark.parametrize("expression", [*NAMES, LLAMA])
@given(text=any_text)
@example("a \n\n ")
@example("x  \r\n y'LL '\u017f 12345")
def test_a_known_spelling_cuts_as_the_pattern_of_its_name(expression, text):
    pieces = [piece for piece, _ in splitter(expression).pre_tokenize_str(text)]
    assert pre_token_splitter(NAMES.get(expression, expression))(text) == pieces


def test_llamas_spelling_is_not_tiktokens():
    assert LLAMA not in NAMES
    cuts = [pre_token_splitter(pattern)("a\n ") for pattern in (LLAMA, "gpt4")]
    assert cuts == [["a", "\n", " "], ["a", "\n "]]


def small_document(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return the JSON that the library itself makes of a small tokenizer."""
    vocab, merges = small_vocabulary()
    definition = TokenizerDefinition(
        vocab=vocab, merges=merges, special_tokens=["<|endoftext|>"], **changes
    )
    formats.write_huggingface(folder / "tokenizer.json", definition)
    return json.loads(load_peer(folder / "tokenizer.json").to_str())


def change(document: dict[str, Any], place: str, value: object) -> None:
    *parents, last = place.split(".")
    for name in parents:
        document = document[int(name) if name.isdigit() else name]
    document[last] = value


BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}
SPLIT = {
    "type": "Split",
    "pattern": {"Regex": LLAMA},
    "behavior": "Isolated",
    "invert": False,
}


def steps(*pre_tokenizers: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(pre_tokenizers)}


NO_REGEX = BYTE_LEVEL | {"use_regex": False}
ADDED = {"id": 400, "content": "<x>", "special": False, "normalized": True}


@pytest.mark.parametrize(
    ("place", "value", "field", "message"),
    [
        ("model.type", "WordPiece", "model.type", "is 'WordPiece'; only byte-level BPE"),
        ("model.dropout", 0.1, "model.dropout", "is 0.1"),
        ("model.byte_fallback", True, "model.byte_fallback", "is True"),
        ("model.end_of_word_suffix", "</w>", "model.end_of_word_suffix", "is '</w>'"),
        ("model.continuing_subword_prefix", "##", "model.continuing_subword_prefix", "is '##'"),
        ("model.vocab", {"a": 0}, "", "lacks 255 of the 256 single bytes"),
        ("model.vocab.€", 7_000, "model.vocab", "stands for no byte"),
        ("model.vocab.ab", 97, "model.vocab", "gives 'ab' the id 97"),
        ("model.merges", ["a b c"], "model.merges", "has 'a b c' as entry 1"),
        ("model.merges", [["a", "b"], ["a", 5]], "model.merges", "as entry 2"),
        ("model.merges", [["z", "z"]], "", "merge 1 joins b'z' and b'z', but b'zz' is not"),
        ("normalizer", {"type": "NFC"}, "normalizer", "is NFC"),
        ("truncation", {"max_length": 3}, "truncation", "is dict"),
        ("decoder", {"type": "WordPiece"}, "decoder", "is WordPiece; expected ByteLevel"),
        ("pre_tokenizer", None, "pre_tokenizer", "lacks"),
        ("pre_tokenizer", {"type": "Metaspace"}, "pre_tokenizer", "Metaspace"),
        ("pre_tokenizer", steps({"type": "Digits"}, BYTE_LEVEL), "pre_tokenizer", "Digits"),
        ("pre_tokenizer", steps(SPLIT, BYTE_LEVEL), "pre_tokenizer.use_regex", "cut twice"),
        ("pre_tokenizer", NO_REGEX, "pre_tokenizer.use_regex", "nothing else cuts"),
        ("pre_tokenizer.add_prefix_space", True, "pre_tokenizer.add_prefix_space", "is true"),
        (
            "pre_tokenizer",
            steps(SPLIT | {"behavior": "Removed"}, NO_REGEX),
            "pre_tokenizer.behavior",
            "must be 'Isolated'",
        ),
        (
            "pre_tokenizer",
            steps(SPLIT | {"pattern": {"Regex": r"a$"}}, NO_REGEX),
            "pre_tokenizer.pattern",
            "means something else in Oniguruma",
        ),
        (
            "pre_tokenizer",
            steps(SPLIT | {"pattern": {"Regex": r"(?i:ss)"}}, NO_REGEX),
            "pre_tokenizer.pattern",
            "means something else in Oniguruma",
        ),
        ("added_tokens", [ADDED | {"lstrip": True}], "added_tokens[0].lstrip", "is true"),
        ("added_tokens", [ADDED | {"rstrip": True}], "added_tokens[0].rstrip", "is true"),
        ("added_tokens", [ADDED | {"single_word": True}], "added_tokens[0].single_word", "is true"),
        ("added_tokens", [ADDED, ADDED | {"id": 401}], "added_tokens[1].id", "is 401"),
        ("added_tokens", [ADDED | {"content": "the", "id": 9}], "model.vocab", "another"),
        (
            "added_tokens",
            [ADDED, ADDED | {"content": "x>", "id": 401, "normalized": False}],
            "added_tokens",
            "shares text with 'x>'",
        ),
    ],
)
def test_what_is_no_byte_level_bpe_is_refused_with_the_field(
    tmp_path, place, value, field, message
):
    document = small_document(tmp_path)
    change(document, place, value)
    path = tmp_path / "other.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(TokenizerError) as raised:
        formats.read_huggingface(path)
    assert message in str(raised.value)
    assert (f"`{field}`" if field else str(path)) in str(raised.value)


@pytest.fixture(scope="module")
def foreign(folder):
    """Return a tokenizer in older spellings, with tokens added that are not special, and its peer."""
    document = small_document(folder, ignore_merges=True)
    document["model"]["merges"] = [" ".join(pair) for pair in document["model"]["merges"]]
    document["pre_tokenizer"] = steps(SPLIT, NO_REGEX)
    plain = document["added_tokens"][0] | {"special": False}
    for content in ("<x>", "é😀"):
        token_id = len(document["model"]["vocab"]) + len(document["added_tokens"]) - 1
        document["added_tokens"].append(plain | {"id": token_id, "content": content})
    path = folder / "foreign.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return Tokenizer.from_huggingface(path), load_peer(path)


@given(text=any_text)
def test_files_in_the_spelling_of_others_give_the_librarys_ids(foreign, text):
    tokenizer, peer = foreign
    assert tokenizer.special_tokens == ["<|endoftext|>", "<x>", "é😀"]
    assert tokenizer.encode(text) == peer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize(
    ("specials", "more", "changes", "message"),
    [
        (["Ġthe"], b" the", {}, "spelt as another token is written"),
        (["éé"], b"", {"merges": [(b"\xc3\xa9", b"\xc3\xa9")]}, "is an ordinary token too"),
        (["Ġx"], b"", {"ignore_merges": True}, "`ignore_merges` would turn into it"),
        ([], b"", {"pattern": r"a+$|\s"}, "uses `$`, which means something else"),
        ([], b"", {"pattern": r"(?i:St)|\s"}, r"means something else in tokenizer.json"),
    ],
)
def test_what_the_format_cannot_say_is_refused(tmp_path, specials, more, changes, message):
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [name.encode() for name in specials] + ([more] if more else [])
    definition = TokenizerDefinition(
        vocab=dict(enumerate(tokens)), merges=[], special_tokens=specials
    )
    with pytest.raises(TokenizerError) as raised:
        formats.write_huggingface(
            tmp_path / "tokenizer.json", dataclasses.replace(definition, **changes)
        )
    assert message in str(raised.value)
    assert list(tmp_path.iterdir()) == []
