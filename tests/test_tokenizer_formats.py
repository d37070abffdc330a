"""Every format keeps what it can say of a tokenizer, and refuses the rest with the reason."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given

from definition_strategies import definitions
from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization import Tokenizer, formats
from nano_transformer.tokenization.definition import TokenizerDefinition, definition_digest
from nano_transformer.tokenization.formats.gpt2 import byte_to_character, read_merges, read_vocab
from nano_transformer.tokenization.unicode_classes import UNICODE_VERSION
from text_strategies import small_vocabulary

VERSION_1 = Path(__file__).parent / "data" / "tokenizer-version-1.nanot.json"


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


@given(definitions())
def test_gpt2s_two_files_keep_vocabulary_and_merges(folder, definition):
    formats.write_gpt2(folder / "vocab.json", folder / "merges.txt", definition)
    read = formats.read_gpt2(
        folder / "vocab.json",
        folder / "merges.txt",
        definition.special_tokens,
        pattern=definition.pattern,
    )
    lost = dict.fromkeys(("bos_token", "eos_token", "pad_token"))
    assert read == dataclasses.replace(definition, ignore_merges=False, **lost)


def test_our_own_file_has_one_entry_a_line_and_repeats_itself(tmp_path):
    for name in ("a", "b"):
        formats.write_own(tmp_path / name, small_definition())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    lines = (tmp_path / "a").read_text(encoding="utf-8").split("\n")
    vocab, merges = small_vocabulary()
    assert len(lines) < len(vocab) + len(merges) + 20
    assert '  "a": 97,' in lines


def test_a_tokenizer_of_format_version_1_is_still_read(backend):
    tokenizer = Tokenizer.load(VERSION_1, backend=backend)
    ids = tokenizer.encode("he the<pad>é\x00é</s>")
    assert ids == [256, 257, 300, 195, 169, 0, 301]
    assert tokenizer.pattern == "gpt4"
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (None, 301, 300)
    assert tokenizer.digest == json.loads(VERSION_1.read_text(encoding="utf-8"))["digest"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "a tokenizer"}, "field `format` must be 'nano-transformer tokenizer'"),
        ({"format_version": 2}, "format version 2, this program reads 1; install"),
        ({"format_version": "1"}, "field `format_version` must be int, found '1'"),
        ({"unicode_version": "15.0.0"}, f"by Unicode '15.0.0', this program by {UNICODE_VERSION}"),
        ({"patern": "gpt2"}, "unknown field `patern`.*`pattern`"),
        ({"pattern": None}, "lacks the field `pattern`"),
        ({"pattern": "gpt4"}, "was changed after it was written: .* the digest"),
        ({"ignore_merges": True}, "was changed after it was written"),
        ({"ignore_merges": 1}, "`ignore_merges` must be bool, found 1"),
        ({"special_tokens": []}, "was changed after it was written"),
        ({"special_tokens": [1]}, "`special_tokens` must hold strings only"),
        ({"special_tokens": ["\ud800"]}, "lone surrogate"),
        ({"eos_token": 7}, "`eos_token` must be str, found 7"),
        ({"vocab": {"a": -1}}, "`vocab` gives 'a' the id -1"),
        ({"vocab": {"a": 1, "b": 1}}, "`vocab` gives 'b' the id 1; .* each once"),
        ({"vocab": {"\u20ac": 1}}, "`vocab` holds '\u20ac'"),
        ({"vocab": []}, "`vocab` must be dict, found list"),
        ({"merges": ["a b"]}, "`merges` has 'a b' as entry 1; expected two tokens"),
        ({"merges": []}, "was changed after it was written"),
        ({"digest": "0" * 64}, "it says '0000"),
    ],
)
def test_an_own_file_that_was_edited_or_is_foreign_is_refused(tmp_path, changes, message):
    path = tmp_path / "own.json"
    formats.write_own(path, small_definition())
    values = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(TokenizerError, match=message) as raised:
        formats.read_own(path)
    assert str(path) in str(raised.value)


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


def test_the_byte_map_is_gpt2s():
    characters = byte_to_character()
    assert len(set(characters.values())) == 256
    assert characters[ord("a")] == "a"
    assert characters[ord(" ")] == "\u0120"
    assert characters[ord("\n")] == "\u010a"
    assert characters[0xAD] == "\u0143"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a b\nc\n", "line 2 must be two tokens"),
        ("#version: 0.2\na b c\n", "line 2 must be two tokens"),
        ("a b\n\nc d\n", "line 2 must be two tokens"),
        ("a b\na \u20ac\n", "line 2 holds '\u20ac'"),
    ],
)
def test_malformed_merges_are_refused_with_their_line(tmp_path, content, message):
    path = tmp_path / "merges.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TokenizerError, match=message):
        read_merges(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 0,\n"b": }', "line 2 is not JSON"),
        ("[1, 2]", "one JSON object"),
        ("[]x", "not JSON"),
        ('{"a": "0"}', "gives token 'a' the id '0'"),
        ('{"a": 1, "b": 1}', "gives id 1 twice"),
        ('{"a b": 1}', "the token 'a b'"),
    ],
)
def test_a_malformed_vocabulary_is_refused_with_the_reason(tmp_path, content, message):
    path = tmp_path / "vocab.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TokenizerError, match=message):
        read_vocab(path)


def test_files_that_are_no_utf8_are_refused_with_their_line(tmp_path):
    path = tmp_path / "merges.txt"
    path.write_bytes(b"a b\nc \xff\n")
    with pytest.raises(TokenizerError, match="line 2 is not valid UTF-8"):
        read_merges(path)


def test_merges_may_have_windows_line_ends_and_no_version_line(tmp_path):
    path = tmp_path / "merges.txt"
    path.write_bytes("a b\r\n\u0120 #version".encode())
    assert read_merges(path) == [(b"a", b"b"), (b" ", b"#version")]


def test_a_special_token_may_be_plain_text_in_the_vocabulary(tmp_path):
    path = tmp_path / "vocab.json"
    path.write_text('{"of text": 7}', encoding="utf-8")
    assert read_vocab(path, ["of text"]) == {7: b"of text"}


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


def test_a_folder_gives_the_file_that_says_most(tmp_path):
    with pytest.raises(
        TokenizerError, match=r"holds no tokenizer: expected tokenizer\.nanot\.json"
    ):
        formats.load_definition(tmp_path)
    with pytest.raises(TokenizerError, match="does not exist"):
        formats.load_definition(tmp_path / "missing.json")
    kept = small_definition()
    formats.write_gpt2(tmp_path / "vocab.json", tmp_path / "merges.txt", kept)
    assert formats.load_definition(tmp_path) == kept
    formats.write_huggingface(tmp_path / "tokenizer.json", small_definition(pattern="gpt4o"))
    assert formats.load_definition(tmp_path).pattern == "gpt4o"
    formats.write_own(tmp_path / formats.OWN_NAME, small_definition(pattern="gpt4"))
    assert formats.load_definition(tmp_path).pattern == "gpt4"
    assert Tokenizer.load(tmp_path).pattern == "gpt4"


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
