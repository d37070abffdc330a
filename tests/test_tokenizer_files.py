"""What every file of a tokenizer must do: keep drawn definitions, be whole, and be found or refused."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given

from definition_strategies import definitions
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization import formats
from nano_transformer.tokenization.definition import TokenizerDefinition, definition_digest
from nano_transformer.tokenization.formats.gpt2 import byte_to_character
from text_strategies import small_vocabulary


def small_definition(**changes) -> TokenizerDefinition:
    vocab, merges = small_vocabulary()
    definition = TokenizerDefinition(vocab=vocab, merges=merges, special_tokens=["<|endoftext|>"])
    return dataclasses.replace(definition, **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One folder for all examples of a test: hypothesis makes no new one for each."""
    return tmp_path_factory.mktemp("formats")


@given(definitions())
def test_our_own_file_keeps_everything(folder, definition):
    formats.write_own(folder / "own.json", definition)
    assert formats.read_own(folder / "own.json") == definition
    assert formats.load_definition(folder / "own.json") == definition


def test_our_own_file_has_one_entry_a_line_and_repeats_itself(tmp_path):
    for name in ("a", "b"):
        formats.write_own(tmp_path / name, small_definition())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    lines = (tmp_path / "a").read_text(encoding="utf-8").split("\n")
    vocab, merges = small_vocabulary()
    assert len(lines) < len(vocab) + len(merges) + 20
    assert '  "a": 97,' in lines


def test_a_missing_field_of_an_own_file_is_named(tmp_path):
    path = tmp_path / "own.json"
    formats.write_own(path, small_definition())
    complete = json.loads(path.read_text(encoding="utf-8"))
    for name in complete.keys() - {"bos_token", "eos_token", "pad_token", "format"}:
        values = {key: value for key, value in complete.items() if key != name}
        path.write_text(json.dumps(values), encoding="utf-8")
        with pytest.raises(TokenizerError, match=f"lacks the field `{name}`"):
            formats.load_definition(path)


def test_the_digest_sees_all_that_decides_ids_and_no_roles():
    definition = small_definition()
    others = [
        small_definition(pattern="gpt4"),
        small_definition(ignore_merges=True),
        small_definition(special_tokens=[]),
        small_definition(merges=definition.merges[:-1]),
        small_definition(vocab=definition.vocab | {5_000: b"unused"}),
    ]
    assert len({definition_digest(other) for other in [definition, *others]}) == 6
    assert definition_digest(small_definition(pad_token="<|endoftext|>")) == definition_digest(
        definition
    )


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        ("a b\na c\n", "line 2 joins b'a' and b'c', but b'ac' is not in"),
        ("#version: 0.2\na b\nab b\n", "line 3 joins b'ab' and b'b', but b'abb' is not in"),
        ("#version: 0.2\na b\na b\n", "line 3 repeats the merge of line 2"),
    ],
)
def test_merges_that_do_not_fit_the_vocabulary_are_refused_with_their_line(
    tmp_path, merges, message
):
    entries = {byte_to_character()[byte]: byte for byte in range(256)} | {"ab": 256}
    (tmp_path / "vocab.json").write_text(json.dumps(entries), encoding="utf-8")
    (tmp_path / "merges.txt").write_text(merges, encoding="utf-8")
    with pytest.raises(TokenizerError, match=message):
        formats.read_gpt2(tmp_path / "vocab.json", tmp_path / "merges.txt")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r50k.tiktoken", "YQ== 0\n", "name them with .*`Tokenizer.from_tiktoken`"),
        ("vocab.json", '{"a": 0}', "read together with its merges.txt"),
        ("other.json", "[]", "neither our own tokenizer file nor a tokenizer.json"),
        ("merges.txt", "#version: 0.2\na b\n", "line 1 is not JSON"),
        ("deep.json", "[" * 200_000, "nested too deeply"),
        ("number.json", '{"format": ' + "1" * 5_000 + "}", "a number that is too long"),
        ("nan.json", '{"format": NaN}', "holds NaN, which is no JSON"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_to_do(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(TokenizerError, match=message):
        formats.load_definition(tmp_path / name)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "tokenizer.json"
    writers = [formats.write_own, formats.write_huggingface, formats.write_tiktoken]
    path.write_text("old", encoding="utf-8")

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    for write in writers:
        with pytest.raises(OSError, match="No space left"):
            write(path, small_definition())
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]
    assert path.read_text(encoding="utf-8") == "old"
