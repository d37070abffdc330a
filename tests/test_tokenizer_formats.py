"""Tokenizers survive every format, other libraries read what we write, and malformed files are refused."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nano_transformer.errors import TokenizerError
from nano_transformer.tokenization import Tokenizer
from nano_transformer.tokenization.formats.gpt2 import byte_to_character, read_merges, read_vocab
from nano_transformer.tokenization.formats.tiktoken import merges_of_ranks
from text_strategies import small_tokenizer, small_vocabulary, texts

tiktoken = pytest.importorskip("tiktoken")
tokenizers = pytest.importorskip("tokenizers")

DATA = Path(__file__).parent / "data"
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PATTERNS = ["gpt2", "gpt4", "gpt4o", r"\p{L}+|\s+(?!\S)|[^\p{L}]"]
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


# Latin-1 and what follows it are how GPT-2 writes bytes, which some formats cannot tell apart.
spelt_as_itself = st.characters(max_codepoint=0x7E) | st.characters(
    codec="utf-8", min_codepoint=0x200
)
any_pattern = st.sampled_from(PATTERNS)


@st.composite
def small_tokenizers(draw, patterns=any_pattern) -> Tokenizer:
    """Draw tokenizers with gaps in their ids, any pattern, special tokens and roles."""
    vocab, merges = small_vocabulary()
    kept = draw(st.integers(0, len(merges)))
    gap = draw(st.sampled_from([0, 7, 70_000]))
    vocab = {i if i < 256 else i + gap: vocab[i] for i in range(256 + kept)}
    specials = draw(
        st.lists(
            st.text(spelt_as_itself, min_size=1, max_size=5).map("<{}>".format),
            unique=True,
            max_size=3,
        )
    )
    roles = {
        role: draw(st.sampled_from([None, *specials]))
        for role in ("bos_token", "eos_token", "pad_token")
    }
    return Tokenizer(
        vocab,
        merges[:kept],
        specials,
        pattern=draw(patterns),
        ignore_merges=draw(st.booleans()),
        **roles,
    )


@given(tokenizer=small_tokenizers())
@same_folder
def test_our_own_file_brings_everything_back(tmp_path, tokenizer):
    tokenizer.save(tmp_path / "own.json")
    loaded = Tokenizer.load(tmp_path / "own.json")
    assert loaded == tokenizer
    assert loaded.definition == tokenizer.definition


def test_a_file_of_format_version_1_is_read_for_ever():
    tokenizer = Tokenizer.load(DATA / "tokenizer-1.json")
    assert tokenizer.encode("low lower<|endoftext|>") == [257, 258, 101, 114, 260]
    assert (tokenizer.pattern, tokenizer.pad_id, tokenizer.eos_id) == ("gpt4o", 259, 260)


@given(tokenizer=small_tokenizers(st.just("gpt2")))
@same_folder
def test_gpt2s_files_bring_vocabulary_and_merges_back(tmp_path, tokenizer):
    paths = tmp_path / "vocab.json", tmp_path / "merges.txt"
    tokenizer.save_gpt2(*paths)
    loaded = Tokenizer.from_files(*paths, tokenizer.special_tokens)
    assert (loaded.vocab, loaded.merges) == (tokenizer.vocab, tokenizer.merges)


@given(tokenizer=small_tokenizers(), text=texts)
@same_folder
def test_hugging_faces_file_brings_all_but_roles_back_and_gives_the_same_ids(
    tmp_path, tokenizer, text
):
    path = tmp_path / "tokenizer.json"
    tokenizer.save_huggingface(path)
    loaded = Tokenizer.load(path)
    assert loaded.digest == tokenizer.digest
    peer = tokenizers.Tokenizer.from_file(str(path))
    assert peer.encode(text, add_special_tokens=False).ids == tokenizer.encode(text)
    ids = tokenizer.encode(text)
    assert peer.decode(ids, skip_special_tokens=False) == tokenizer.decode(ids)


def test_transformers_reads_the_file_too(tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = small_tokenizer("python", ("<|endoftext|>",))
    tokenizer.save_huggingface(tmp_path / "tokenizer.json")
    peer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    text = "the dog don't<|endoftext|> \n é😀"
    assert peer.encode(text, add_special_tokens=False) == tokenizer.encode(text)


@given(tokenizer=small_tokenizers(), text=texts)
@same_folder
def test_tiktokens_file_brings_vocabulary_and_merges_back(tmp_path, tokenizer, text):
    path = tmp_path / "ranks.tiktoken"
    tokenizer.save_tiktoken(path)
    specials = {token: tokenizer.token_to_id(token) for token in tokenizer.special_tokens}
    loaded = Tokenizer.from_tiktoken(path, pattern=tokenizer.pattern, special_tokens=specials)
    assert (loaded.vocab, loaded.merges) == (tokenizer.vocab, tokenizer.merges)
    ids = tokenizer.encode(text)
    assert loaded.encode(text) == ids
    lines = map(bytes.split, path.read_bytes().splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    peer = tiktoken.Encoding("peer", pat_str=GPT2, mergeable_ranks=ranks, special_tokens=specials)
    assert peer.decode_bytes(ids) == text.encode()
    if tokenizer.pattern == "gpt2":
        assert peer.encode_ordinary(text) == tokenizer.encode_ordinary(text)


@st.composite
def rank_tables(draw) -> dict[bytes, int]:
    """Draw ranks of short strings in any order, which no training would give."""
    tokens = draw(st.lists(st.text("abc", min_size=2, max_size=5), unique=True, max_size=25))
    first = draw(st.sampled_from([0, 40]))
    byte_ranks = {bytes([byte]): first + byte for byte in range(256)}
    return byte_ranks | {token.encode(): 300 + i for i, token in enumerate(tokens)}


@given(ranks=rank_tables(), text=st.text("abc", max_size=30))
@same_folder
def test_any_table_of_ranks_gives_the_ids_of_tiktoken(tmp_path, backend, ranks, text):
    path = tmp_path / "ranks.tiktoken"
    lines = [f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items()]
    path.write_text("".join(lines))
    tokenizer = Tokenizer.from_tiktoken(path, pattern="gpt2", backend=backend)
    peer = tiktoken.Encoding("peer", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={})
    assert tokenizer.encode(text) == peer.encode(text)
    tokenizer.save_tiktoken(tmp_path / "again.tiktoken")
    assert Tokenizer.from_tiktoken(tmp_path / "again.tiktoken", pattern="gpt2") == tokenizer


def test_gpt2s_own_ranks_are_its_merges(shared_folder):
    folder = shared_folder / "models" / "gpt2-tokenizer"
    tokenizer = Tokenizer.from_files(folder / "gpt2_vocab.json", folder / "gpt2_merges.txt")
    ranks = {token: i for i, token in tokenizer.vocab.items() if token != b"<|endoftext|>"}
    assert merges_of_ranks(ranks) == (tokenizer.merges, False)


def test_what_ranks_cannot_say_is_not_exported(tmp_path):
    vocab, merges = small_vocabulary()
    path = tmp_path / "ranks.tiktoken"
    swapped = [merges[1], merges[0], *merges[2:]]
    with pytest.raises(TokenizerError, match="in the order of ids"):
        Tokenizer(vocab, swapped).save_tiktoken(path)
    with pytest.raises(TokenizerError, match="no merge reaches"):
        Tokenizer(vocab | {900: b"unreachable"}, merges).save_tiktoken(path)
    assert not path.exists()


def test_special_tokens_that_tokenizer_json_would_confuse_are_not_exported(tmp_path):
    vocab, merges = small_vocabulary()
    with pytest.raises(TokenizerError, match="spelt as another token"):
        Tokenizer(vocab, merges, ["Ġ"]).save_huggingface(tmp_path / "tokenizer.json")
    with pytest.raises(TokenizerError, match="ordinary token too"):
        Tokenizer(vocab, merges, [" "]).save_huggingface(tmp_path / "tokenizer.json")
    with pytest.raises(TokenizerError, match="means something else"):
        Tokenizer(vocab, merges, pattern="a$|.").save_huggingface(tmp_path / "tokenizer.json")


def huggingface_file(folder: Path, **changes) -> Path:
    """Write a small tokenizer.json with fields replaced: `model__type` is `type` in `model`."""
    path = folder / "tokenizer.json"
    small_tokenizer("python", ("<|endoftext|>",)).save_huggingface(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    for name, value in changes.items():
        *outer, last = name.split("__")
        place = document
        for key in outer:
            place = place[int(key) if key.isdigit() else key]
        place[last] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": False,
}
LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split_by(regex: str, **changes) -> dict:
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split | changes, BYTE_LEVEL]}


@given(text=texts)
@same_folder
def test_the_usual_form_of_llama_is_read_as_it_is(tmp_path, text):
    path = huggingface_file(tmp_path, pre_tokenizer=split_by(LLAMA), model__ignore_merges=True)
    tokenizer = Tokenizer.from_huggingface(path)
    assert tokenizer.pattern == LLAMA
    peer = tokenizers.Tokenizer.from_file(str(path))
    assert tokenizer.encode(text) == peer.encode(text, add_special_tokens=False).ids


def test_merges_may_be_strings_and_known_expressions_have_names(tmp_path):
    tokenizer = small_tokenizer("python", ("<|endoftext|>",))
    mapped = json.loads(huggingface_file(tmp_path).read_text(encoding="utf-8"))["model"]["merges"]
    path = huggingface_file(
        tmp_path,
        model__merges=[" ".join(pair) for pair in mapped],
        pre_tokenizer=split_by(
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
        ),
    )
    assert Tokenizer.load(path) == tokenizer


def test_roles_are_read_from_the_files_beside_it(tmp_path):
    path = huggingface_file(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "<|endoftext|>", "pad_token": {"content": "<|endoftext|>"}})
    )
    definition = Tokenizer.load(path).definition
    assert definition.pad_token == "<|endoftext|>"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__type": "WordPiece"}, "field `model.type` is 'WordPiece'"),
        ({"model__byte_fallback": True}, "field `model.byte_fallback`"),
        ({"model__dropout": 0.1}, "field `model.dropout`"),
        ({"model__end_of_word_suffix": "</w>"}, "field `model.end_of_word_suffix`"),
        ({"model__vocab": {"a": "0"}}, "field `model.vocab` gives 'a' the id '0'"),
        ({"model__vocab": {"a b": 5}}, "stands for no byte"),
        ({"model__vocab": None}, "lacks the field `model.vocab`"),
        ({"model__merges": [["a"]]}, r"entry 1; expected two tokens"),
        ({"model__merges": ["a b c"]}, r"entry 1; expected two tokens"),
        ({"model": 5}, "field `model` must be dict, found 5"),
        ({"normalizer": {"type": "NFC"}}, "field `normalizer` is NFC"),
        ({"decoder": {"type": "WordPiece"}}, "field `decoder` is WordPiece"),
        ({"truncation": {"max_length": 5}}, "field `truncation`"),
        ({"pre_tokenizer": None}, "lacks the field `pre_tokenizer`"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, r"\['Metaspace'\]; expected ByteLevel"),
        ({"pre_tokenizer": {"type": "ByteLevel"}}, "`pre_tokenizer.add_prefix_space` is true"),
        ({"pre_tokenizer": BYTE_LEVEL}, "nothing else cuts the text"),
        ({"pre_tokenizer": split_by(r"\w+|\W")}, "not the same everywhere"),
        ({"pre_tokenizer": split_by(r"a$|.")}, "uses `\\$`"),
        ({"pre_tokenizer": split_by(r"a", behavior="Removed")}, "must be 'Isolated'"),
        ({"added_tokens__0__lstrip": True}, r"`added_tokens\[0\].lstrip` is true"),
        ({"added_tokens__0__id": 5}, "added_tokens another"),
    ],
)
def test_what_is_no_byte_level_bpe_is_refused_by_field(tmp_path, changes, message):
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_huggingface(huggingface_file(tmp_path, **changes))


def test_a_vocabulary_without_all_bytes_is_refused(tmp_path):
    path = huggingface_file(tmp_path)
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["model"]["vocab"]["!"]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(TokenizerError, match="lacks 1 of the 256 single bytes"):
        Tokenizer.load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("YQ== 0\nYQ== 1\n", "line 2 gives the token b'a' a second time"),
        ("YQ== 0\nYg== 0\n", "line 2 gives the rank 0 a second time"),
        ("YQ==\n", "line 1 must be a token in base64"),
        ("YQ== x\n", "line 1 must be a token in base64"),
        ("YQ== 1_0\n", "line 1 must be a token in base64"),
        ("YQ== -1\n", "line 1 must be a token in base64"),
        ("Y 0\n", "line 1 must be a token in base64"),
        (" 0\n", "line 1 must be a token in base64"),
        ("YQ== 4294967295\n", "line 1 must be a token in base64"),
        ("YQ== 0\n", "no rank to 255 of the 256 single bytes, the first of them 0x00"),
    ],
)
def test_malformed_ranks_are_refused_with_their_line(tmp_path, content, message):
    path = tmp_path / "ranks.tiktoken"
    path.write_text(content)
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.from_tiktoken(path, pattern="gpt2")


def test_special_tokens_and_ranks_must_fit(tmp_path):
    path = tmp_path / "ranks.tiktoken"
    small_tokenizer("python", ("<|endoftext|>",)).save_tiktoken(path)
    appended = Tokenizer.from_tiktoken(path, pattern="gpt4", special_tokens=["<a>", "<b>"])
    assert appended.token_to_id("<b>") == appended.token_to_id("<a>") + 1 == len(appended) - 1
    with pytest.raises(TokenizerError, match="'<a>' cannot have the id 97"):
        Tokenizer.from_tiktoken(path, pattern="gpt4", special_tokens={"<a>": 97})


def own_file(folder: Path, **changes) -> Path:
    path = folder / "own.json"
    small_tokenizer("python", ("<|endoftext|>",)).save(path)
    document = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {name: value for name, value in document.items() if value is not ...}
    path.write_text(json.dumps(kept), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "has format version 2, this program reads 1"),
        ({"unicode_version": "17.0.0"}, "cuts text by Unicode '17.0.0'"),
        ({"pattern": "gpt4"}, "was changed after it was written"),
        ({"ignore_merges": True}, "was changed after it was written"),
        ({"digest": "0" * 64}, "was changed after it was written"),
        ({"patern": "gpt2"}, "unknown field `patern`.*did you mean"),
        ({"pattern": ...}, "lacks the field `pattern`"),
        ({"merges": [["a", "b", "c"]]}, "entry 1; expected two tokens"),
        ({"merges": [["a", "\u20ac"]]}, "stands for no byte"),
        ({"vocab": {"a": 1, "b": 1}}, "ids are whole numbers, each once"),
        ({"vocab": {"a": True}}, "ids are whole numbers, each once"),
        ({"special_tokens": [5]}, "must hold strings only"),
        ({"special_tokens": ["\ud800"]}, "lone surrogate"),
        ({"format": "something"}, "field `format` must be"),
        ({"pad_token": 5}, "field `pad_token` must be str, found 5"),
    ],
)
def test_a_malformed_file_of_ours_is_refused_with_the_reason(tmp_path, changes, message):
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.load(own_file(tmp_path, **changes))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "line 1 is not JSON|nested too deeply"),
        ('{"format": ' + "9" * 5_000 + "}", "number that is too long"),
        ('{"model": NaN}', "holds NaN"),
        ('{"a": 1}', "neither our own tokenizer file nor"),
        ("[1]", "neither our own tokenizer file nor"),
        ('{"model": 1,\n', "line 2 is not JSON"),
    ],
)
def test_json_that_is_no_tokenizer_is_refused(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.load(path)


def test_a_folder_gives_what_it_holds_and_our_own_file_first(tmp_path):
    with pytest.raises(TokenizerError, match="holds no tokenizer"):
        Tokenizer.load(tmp_path)
    with pytest.raises(TokenizerError, match="does not exist"):
        Tokenizer.load(tmp_path / "nowhere")
    tokenizer = small_tokenizer("python", ("<|endoftext|>",))
    tokenizer.save_gpt2(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert Tokenizer.load(tmp_path) == tokenizer
    small_tokenizer("python", ("<|endoftext|>", "<b>")).save_huggingface(
        tmp_path / "tokenizer.json"
    )
    assert Tokenizer.load(tmp_path).special_tokens == ["<|endoftext|>", "<b>"]
    tokenizer.save(tmp_path / "tokenizer.nanot.json")
    assert Tokenizer.load(tmp_path) == tokenizer
    tokenizer.save_tiktoken(tmp_path / "x.tiktoken")
    with pytest.raises(TokenizerError, match=r"Tokenizer\.from_tiktoken"):
        Tokenizer.load(tmp_path / "x.tiktoken")


def test_merges_that_do_not_fit_the_vocabulary_are_refused_with_their_line(tmp_path):
    small_tokenizer("python").save_gpt2(tmp_path / "vocab.json", tmp_path / "merges.txt")
    (tmp_path / "merges.txt").write_text("#version: 0.2\nt h\nq z\n")
    with pytest.raises(TokenizerError, match=r"merges.txt` line 3 joins b'q' and b'z'"):
        Tokenizer.from_files(tmp_path / "vocab.json", tmp_path / "merges.txt")


def test_a_vocabulary_that_names_bytes_twice_is_refused(tmp_path):
    path = tmp_path / "vocab.json"
    path.write_text('{"\\u00e9": 1, "of text": 2, "of text": 3}')
    with pytest.raises(TokenizerError, match="gives ids 2 and 3 to b'of text'"):
        read_vocab(path, ["of text"])


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
