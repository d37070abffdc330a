"""`nanot-bpe` as a person uses it: every command, its output, and what it says of mistakes."""

import dataclasses
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.cli.bpe.main import COMMANDS, main
from nano_transformer.cli.flags import field_docs
from nano_transformer.data.token_cache import build_token_cache, open_token_cache
from nano_transformer.data.tokenizer_speed import measure_speed
from nano_transformer.errors import DataError
from nano_transformer.tokenization import Tokenizer, file_ids, train_bpe
from nano_transformer.tokenization.inspection import (
    measure_fit,
    spell,
    split_text,
    vocabulary_statistics,
)
from text_strategies import SPECIAL_TOKENS, broken_texts, small_tokenizer

COMMAND = [sys.executable, "-c", "from nano_transformer.cli.bpe.main import main; main()"]
STORY = "".join(
    f"{name} saw the {animal}. The {animal} ran to {name}, who wasn't afraid.\n<|endoftext|>\n"
    for name in ("Tom", "Ana", "Zoë", "李雷")
    for animal in ("dog", "grey goose", "horse", "café's cat")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a text and a tokenizer learnt from it; nothing in it is changed."""
    folder = tmp_path_factory.mktemp("bpe")
    (folder / "story.txt").write_text(STORY, encoding="utf-8")
    (folder / "latin1.txt").write_bytes("caf\xe9 noir".encode("latin-1"))
    (folder / "empty.txt").touch()
    (folder / "broken.json").write_text('{"model": ')
    learn = ["train", "--input-path", folder / "story.txt", "--vocab-size", "310"]
    main([*map(str, learn), "--tokenizer-path", str(folder / "tok.json")])
    return folder


@pytest.fixture
def work(folder, tmp_path, monkeypatch):
    """A new working folder with copies of the files."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tokenizer(folder):
    return Tokenizer.load(folder / "tok.json")


@pytest.fixture
def nanot(work, capsysbinary, caplog):
    """Run a command line in the working folder; return what it wrote to stdout."""
    caplog.set_level(logging.INFO)

    def run(line: str, *more: str) -> bytes:
        main([*line.split(), *more])
        return capsysbinary.readouterr().out

    return run


def feed(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


# What there is


def test_the_help_has_one_line_for_each_command(nanot):
    lines = nanot("--help").decode().splitlines()
    found = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert list(found) == list(COMMANDS)
    assert all(line.endswith(".") and len(line) <= 100 for line in found.values())
    assert nanot("").decode().splitlines() == lines


def test_every_flag_of_every_command_says_what_it_is(nanot, capsysbinary):
    for name, command in COMMANDS.items():
        docs = field_docs(command.flags)
        for field in dataclasses.fields(command.flags):
            assert docs[field.name].endswith((".", ").")), (name, field.name)
        with pytest.raises(SystemExit) as done:
            nanot(f"{name} --help")
        assert done.value.code == 0
        shown = " ".join(capsysbinary.readouterr().out.decode().replace("│", " ").split())
        assert all(f"--{field.replace('_', '-')}" in shown for field in docs)
        assert " ".join(command.description.split()) in shown


def test_no_command_loads_torch(work):
    code = (
        "import sys\n"
        "from nano_transformer.cli.bpe.main import COMMANDS, main\n"
        "for line in sys.argv[1:]: main(line.split())\n"
        "for name in COMMANDS:\n"
        "    try: main([name, '--help'])\n"
        "    except SystemExit as done: assert done.code == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    lines = [
        "train --input-path story.txt --vocab-size 300 --tokenizer-path t.json",
        "count --input-path story.txt --output-path a.counts",
        "encode --tokenizer t.json --input-path story.txt --output-path ids.npy",
        "decode --tokenizer t.json --input-path ids.npy --output-path again.txt",
        "inspect --tokenizer t.json",
        "export --tokenizer t.json --format huggingface --output-path tokenizer.json",
        "import --input-path tokenizer.json --output-path u.json",
        "cache --tokenizer t.json --input-path story.txt --output-path c.npy",
    ]
    done = subprocess.run([sys.executable, "-c", code, *lines], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# train and count


def test_train_writes_what_train_bpe_learns(nanot, work, caplog):
    nanot("train --input-path story.txt --vocab-size 305 --vocab-path v.json --merges-path m.txt")
    vocab, merges = train_bpe("story.txt", 305)
    found = Tokenizer.from_files("v.json", "m.txt", ["<|endoftext|>"])
    assert (found.vocab, found.merges) == (vocab, merges)
    assert "tokenizer of 305 entries" in caplog.text
    longest = max((token for token in vocab.values() if token != b"<|endoftext|>"), key=len)
    assert repr(spell(longest)) in caplog.text
    tokens = len(found.encode(STORY))
    assert f"{len(STORY.encode()) / tokens:.2f} bytes per token" in caplog.text


def test_train_without_a_name_for_the_files_derives_it_from_the_text(nanot, work):
    nanot("train --input-path story.txt --vocab-size 300")
    names = [path.name for path in (work / "data").iterdir()]
    assert len(names) == 2
    assert all(re.fullmatch(r"train-bpe-story-\w{8}-(vocab.json|merges.txt)", n) for n in names)


def test_the_options_of_training_reach_it(nanot, work):
    options = {"pattern": "gpt4", "tie_break": "huggingface", "min_frequency": 3}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    specials = ["<|endoftext|>", "<pad>"]
    nanot(
        "train --input-path story.txt --vocab-size 305 --tokenizer-path x.json",
        *flags,
        "--special-tokens",
        *specials,
    )
    vocab, merges = train_bpe("story.txt", 305, specials, **options)
    assert Tokenizer.load("x.json") == Tokenizer(vocab, merges, specials, pattern="gpt4")


def test_several_texts_are_learnt_from_as_one(nanot, work):
    half = len(STORY) // 2
    (work / "a.part").write_text(STORY[:half], encoding="utf-8")
    rows = [{"body": STORY[half:], "text": "something else"}]
    (work / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    nanot(
        "train --input-path *.part b.jsonl --text-field body --vocab-size 305 --tokenizer-path x.json"
    )
    vocab, merges = train_bpe(texts=[STORY[:half], STORY[half:]], vocab_size=305)
    assert Tokenizer.load("x.json") == Tokenizer(vocab, merges, ["<|endoftext|>"])


def test_counts_of_parts_train_the_tokenizer_of_the_whole(nanot, work):
    half = len(STORY) // 2
    pieces = 0
    for name, text in (("a", STORY[:half]), ("b", STORY[half:])):
        (work / f"{name}.txt").write_text(text, encoding="utf-8")
        out = nanot(f"count --input-path {name}.txt --output-path {name}.counts").decode()
        pieces += int(re.search(r"pre-tokens +([\d,]+)", out)[1].replace(",", ""))
    nanot("train --counts a.counts b.counts --vocab-size 305 --tokenizer-path x.json")
    vocab, merges = train_bpe(texts=[STORY[:half], STORY[half:]], vocab_size=305)
    assert Tokenizer.load("x.json") == Tokenizer(vocab, merges, ["<|endoftext|>"])
    # Without merges every pre-token of one character is one token, and longer ones are more.
    characters = Tokenizer({byte: bytes([byte]) for byte in range(256)}, []).encode(STORY)
    assert 0 < pieces < len(characters)


# encode and decode


def test_encode_writes_ids_that_numpy_reads(nanot, work, tokenizer):
    assert nanot("encode --tokenizer tok.json --input-path story.txt --output-path x.npy") == b""
    found = np.load("x.npy")
    assert found.dtype == np.uint16
    assert found.tolist() == tokenizer.encode(STORY)


def test_wide_vocabularies_get_wide_ids(tmp_path):
    arrays = [np.array([0, 65_536], np.uint32), np.array([7], np.int64)]
    for size, dtype in ((65_537, np.uint32), (65_538, np.uint32)):
        assert file_ids.save_token_ids(tmp_path / "x.npy", arrays, size) == 3
        assert np.load(tmp_path / "x.npy").dtype == dtype
        assert np.load(tmp_path / "x.npy").tolist() == [0, 65_536, 7]
    assert file_ids.save_token_ids(tmp_path / "x.npy", arrays[1:], 65_536) == 1
    assert np.load(tmp_path / "x.npy").dtype == np.uint16


def test_ids_and_bytes_pass_through_the_standard_streams(nanot, tokenizer, monkeypatch):
    data = STORY.encode() + b"\xff\xc3 \x00 end"
    feed(monkeypatch, data)
    ids = nanot("encode --tokenizer tok.json")
    assert ids.decode() == " ".join(map(str, tokenizer.encode(data))) + "\n"
    feed(monkeypatch, ids)
    assert nanot("decode --tokenizer tok.json") == data


def test_several_files_are_encoded_each_by_itself(nanot, work, tokenizer):
    (work / "a.txt").write_text("The do")
    (work / "b.txt").write_text("g ran")
    out = nanot("encode --tokenizer tok.json --input-path a.txt b.txt")
    assert list(map(int, out.split())) == tokenizer.encode("The do") + tokenizer.encode("g ran")


def test_ordinary_encoding_knows_no_special_tokens(nanot, tokenizer):
    out = nanot("encode --tokenizer tok.json --input-path story.txt --ordinary")
    assert list(map(int, out.split())) == tokenizer.encode_ordinary(STORY)


def test_an_empty_text_has_no_ids(nanot, monkeypatch):
    feed(monkeypatch, b"")
    assert nanot("encode --tokenizer tok.json") == b"\n"
    feed(monkeypatch, b"\n")
    assert nanot("decode --tokenizer tok.json") == b""


@given(st.lists(broken_texts, max_size=4), st.sampled_from([1, 3, 50]))
def test_a_text_in_blocks_has_the_ids_of_the_whole(backend, blocks, chunk_characters):
    tokenizer = small_tokenizer(backend, tuple(SPECIAL_TOKENS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_ids, "CHUNK_CHARACTERS", chunk_characters)
        patch.setattr(file_ids, "IDS_AT_ONCE", chunk_characters)
        for ordinary, encode in ((False, tokenizer.encode), (True, tokenizer.encode_ordinary)):
            arrays = file_ids.encode_blocks(tokenizer, blocks, ordinary=ordinary)
            written = "".join(file_ids.ids_as_text(arrays))
            assert written == " ".join(map(str, encode(b"".join(blocks)))) + "\n"


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("block_bytes", [8, 16, 1 << 20])
def test_ids_are_read_from_every_form(monkeypatch, block_bytes):
    monkeypatch.setattr(file_ids, "BLOCK_BYTES", block_bytes)
    ids = [0, 7, 300, 65_535, 12]
    forms = [npy(np.array(ids, dtype)) for dtype in ("<u2", ">u2", "<u4", "<i8", "i4")]
    forms += [" ".join(map(str, ids)).encode(), "\n".join(map(str, ids)).encode() + b"\n"]
    forms += [str(ids).encode(), b"\t".join(str(i).encode() for i in ids), b"\r\n0,7,300,65535,12"]
    for form in forms:
        arrays = file_ids.read_token_ids(io.BytesIO(form), "x")
        assert [i for array in arrays for i in array.tolist()] == ids, form


def test_what_is_no_ids_is_refused():
    for form, message in (
        (b"1 2 three", "holds 'three', which is no token id"),
        (b"1 -2", "holds '-2'"),
        (b"9" * 5_000_000, "which is no token id"),
        (npy(np.zeros((2, 2), np.int64)), r"shape \(2, 2\)"),
        (npy(np.zeros(3)), "type float64"),
        (npy(np.arange(9))[:-3], "cut short"),
        (b"\x93NUMPY\x01\x00\x04\x00oops", "no .npy header"),
        (b"\x93NUMPY\x09\x00", "no .npy header"),
    ):
        with pytest.raises(DataError, match=message):
            list(file_ids.read_token_ids(io.BytesIO(form), "x"))


def test_a_reader_that_goes_away_is_no_failure_to_be_told(work):
    (work / "long.txt").write_text(STORY * 3_000, encoding="utf-8")
    line = ["encode", "--tokenizer", "tok.json", "--input-path", "long.txt"]
    process = subprocess.Popen([*COMMAND, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 128 + signal.SIGPIPE


# inspect


def test_inspect_tells_what_is_in_a_tokenizer(nanot, tokenizer):
    out = nanot("inspect --tokenizer tok.json").decode()
    facts = dict(re.findall(r"^(\w[\w -]*?)  +(.*)$", out.partition("\n\n")[0], re.MULTILINE))
    assert facts["entries"].startswith("310 ")
    assert facts["merges"] == str(len(tokenizer.merges))
    assert facts["pattern"] == "gpt2"
    assert facts["special tokens"] == f"<|endoftext|> {tokenizer.eos_id}"
    assert facts["roles"] == f"bos {tokenizer.eos_id}, eos {tokenizer.eos_id}"
    assert facts["unreachable"] == "0 tokens"
    assert facts["digest"] == tokenizer.digest
    histogram = re.findall(r"^ +(\d+) +([\d,]+)(?: +#+)?$", out, re.MULTILINE)
    assert sum(int(number.replace(",", "")) for _, number in histogram) == 309


def test_many_special_tokens_do_not_fill_the_page(nanot, tokenizer):
    specials = [f"<extra {number}>" for number in range(14)]
    Tokenizer(tokenizer.vocab, tokenizer.merges, specials).save("many.json")
    line = nanot("inspect --tokenizer many.json").decode().splitlines()[3]
    assert line.endswith(f"<extra 9> {len(tokenizer) + 9}, and 4 more")


def test_the_statistics_are_those_of_a_count_by_hand():
    vocab = {byte: bytes([byte]) for byte in range(256)}
    vocab |= dict(enumerate([b" a", b"bc", b"ab", b"abc", b"\xc3\xa9", b" ab", b"<s>"], start=256))
    merges = [(b" ", b"a"), (b"b", b"c"), (b"a", b"b"), (b"ab", b"c"), (b"\xc3", b"\xa9")]
    tokenizer = Tokenizer(vocab, [*merges, (b" ", b"ab")], ["<s>"])
    found = vocabulary_statistics(tokenizer, num_longest=2)
    assert found.num_tokens == 262
    assert found.lengths == {1: 256, 2: 4, 3: 2}
    assert found.longest == [b" ab", b"abc"]
    assert found.num_leading_space == 3  # the space itself too
    assert found.num_not_utf8 == 128
    # "abc" becomes a + bc, and " ab" becomes " a" + b.
    assert found.unreachable == [259, 261]
    assert not {259, 261} & set(tokenizer.encode("abc ab abc cab abcabc"))
    whole = Tokenizer(vocab, [*merges, (b" ", b"ab")], ["<s>"], ignore_merges=True)
    assert vocabulary_statistics(whole).unreachable == []


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=12))
def test_a_token_is_unreachable_when_no_text_is_given_its_id(choices):
    tokens, merges = [b"a", b"b"], []
    for first, second in choices:
        pair = tokens[first % len(tokens)], tokens[second % len(tokens)]
        if b"".join(pair) not in tokens and len(b"".join(pair)) <= 6:
            merges.append(pair)
            tokens.append(b"".join(pair))
    vocab = {byte: bytes([byte]) for byte in range(256)} | dict(enumerate(tokens[2:], start=256))
    tokenizer = Tokenizer(vocab, merges)
    texts = ("".join(letters) for size in range(1, 8) for letters in product("ab", repeat=size))
    reached = {token_id for text in texts for token_id in tokenizer.encode(text)}
    assert vocabulary_statistics(tokenizer).unreachable == sorted(
        {*range(256, 256 + len(merges))} - reached
    )


@given(broken_texts)
def test_the_pieces_of_a_text_are_its_tokens(backend, text):
    tokenizer = small_tokenizer(backend, tuple(SPECIAL_TOKENS))
    pieces = split_text(tokenizer, text)
    assert [piece.token_id for piece in pieces] == tokenizer.encode(text)
    assert b"".join(piece.token for piece in pieces) == text
    specials = {tokenizer.token_to_id(token) for token in SPECIAL_TOKENS}
    assert all(piece.is_special == (piece.token_id in specials) for piece in pieces)
    assert "".join(spell(piece.token) for piece in pieces).isprintable()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_text_is_shown_in_colours_in_a_terminal_alone(work, monkeypatch, capsys, tokenizer):
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = "Tom saw\n李<|endoftext|>"
    ids = [str(token_id) for token_id in tokenizer.encode(text)]
    command = ["inspect", "--tokenizer", "tok.json", "--text", text]
    main(command)
    tokens, numbers, total = capsys.readouterr().out.splitlines()
    assert tokens.replace("|", "") == "Tom saw\\n李<endoftext>"
    assert numbers.split("|") == ids
    assert total.startswith(f"{len(ids)} tokens, {len(text.encode())} bytes")

    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    main(command)
    coloured = terminal.getvalue()
    assert coloured.count("\x1b[") > 2 * len(ids)
    plain = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert plain.splitlines()[:2] == ["Tom saw\\n", "李<|endoftext|>"]
    assert plain.splitlines()[2].split() == ids

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    main(command)
    assert terminal.getvalue().splitlines() == [tokens, numbers, total]


def test_tokenizers_are_compared_on_a_file(nanot, work, tokenizer):
    vocab, merges = train_bpe("story.txt", 280)
    Tokenizer(vocab, merges, ["<|endoftext|>"]).save("small.json")
    line = "inspect --tokenizer tok.json --text-path story.txt --compare-with small.json"
    head, *rows = nanot(line).decode().splitlines()
    assert re.split("  +", head) == [
        *("tokenizer", "entries", "used", "tokens", "bytes per token", "MB/s")
    ]
    for row, name in zip(rows, ("tok.json", "small.json"), strict=True):
        ids = Tokenizer.load(name).encode(STORY)
        expected = [name, str(len(Tokenizer.load(name))), str(len(set(ids))), f"{len(ids):,}"]
        found = row.split()
        assert found[:4] == expected
        assert found[4] == f"{len(STORY.encode()) / len(ids):.3f}"


def test_only_the_head_of_a_long_file_is_compared(nanot, work, caplog):
    line = "inspect --tokenizer tok.json --text-path story.txt --max-megabytes 0.0003"
    row = nanot(line).decode().splitlines()[1].split()
    head = STORY.encode()[:300]
    head = head[: head.rindex(b"\n") + 1]
    assert float(row[4]) == pytest.approx(len(head) / int(row[3]), abs=1e-3)
    assert "taking the first" in caplog.text
    (work / "one.txt").write_text("é" * 500)
    fit = nanot("inspect --tokenizer tok.json --text-path one.txt --max-megabytes 0.000301")
    assert fit.split()


def test_the_fit_counts_what_it_says(tokenizer):
    fit = measure_fit(tokenizer, b"Tom saw Tom")
    ids = tokenizer.encode(b"Tom saw Tom")
    assert (fit.num_bytes, fit.num_tokens, fit.num_used) == (11, len(ids), len(set(ids)))
    assert measure_fit(tokenizer, b"").bytes_per_token == 0


# export and import


@pytest.mark.parametrize("kind", ["gpt2", "tiktoken", "huggingface", "own"])
def test_what_is_exported_and_imported_again_is_the_same(nanot, tokenizer, caplog, kind):
    path = {"gpt2": "out", "tiktoken": "x.tiktoken"}.get(kind, "x.json")
    nanot(f"export --tokenizer tok.json --format {kind} --output-path {path}")
    flags = []
    if kind in ("gpt2", "tiktoken"):
        assert "the format does not tell: pattern gpt2" in caplog.text
    if kind == "tiktoken":
        flags = ["--pattern=gpt2", f"--special-tokens=<|endoftext|>={tokenizer.eos_id}"]
    nanot(f"import --input-path {path} --output-path again.json", *flags)
    assert Tokenizer.load("again.json") == tokenizer
    assert Tokenizer.load("again.json").encode(STORY) == tokenizer.encode(STORY)


def test_every_command_takes_the_two_files_of_gpt2(nanot, tokenizer):
    nanot("export --tokenizer tok.json --format gpt2 --output-path .")
    pair = "--vocab-path vocab.json --merges-path merges.txt"
    assert nanot(f"encode {pair} --input-path story.txt").split() == [
        str(token_id).encode() for token_id in tokenizer.encode(STORY)
    ]


# cache and bench


def test_cache_builds_what_build_token_cache_does_and_verifies_it(nanot, work, tokenizer):
    out = nanot("cache --tokenizer tok.json --input-path story.txt --output-path c.npy").decode()
    spans = [(work / "story.txt", 0, len(STORY.encode()))]
    expected = build_token_cache(tokenizer, spans, work / "d.npy")
    assert (work / "c.npy").read_bytes() == (work / "d.npy").read_bytes()
    assert re.search(r"documents +16$", out, re.MULTILINE)
    assert f"{len(expected):,} (uint16)" in out
    assert f"{expected.num_bytes / len(expected):.2f}" in out
    assert nanot("cache --verify c.npy").decode() == out
    assert nanot("cache --verify c.npy --tokenizer tok.json").decode() == out


def test_a_damaged_cache_is_found(nanot, work):
    nanot("cache --tokenizer tok.json --input-path story.txt --output-path c.npy")
    data = bytearray((work / "c.npy").read_bytes())
    data[-1] ^= 1
    (work / "c.npy").write_bytes(data)
    open_token_cache(work / "c.npy")  # the quick look sees nothing
    with pytest.raises(SystemExit) as done:
        nanot("cache --verify c.npy")
    assert done.value.code == 1


def test_bench_times_ours_and_the_peers_that_give_the_same_ids(nanot, work, caplog):
    pytest.importorskip("tiktoken")
    pytest.importorskip("tokenizers")
    (work / "longer.txt").write_text(STORY * 100, encoding="utf-8")
    out = nanot("bench --input-path longer.txt --vocab-size 300 --rounds 2").decode()
    assert f"{os.cpu_count()} cores" in out
    rows = [re.split("  +", line) for line in out.splitlines()[2:]]
    assert [row[0] for row in rows] == [
        *("train", "encode to lists", "encode to lists", "encode to lists", "encode to numpy"),
        *("decode", "decode", "decode", "token cache"),
    ]
    assert {row[1] for row in rows} == {"nano-transformer", "tiktoken", "tokenizers"}
    assert all(float(number) > 0 for row in rows for number in row[2:4])
    assert "left out" not in caplog.text


def test_a_peer_that_is_not_there_or_differs_is_left_out(monkeypatch):
    tiktoken = pytest.importorskip("tiktoken")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    monkeypatch.setattr(tiktoken.Encoding, "encode_batch", lambda *_, **__: [[1]])
    said = []
    timings = measure_speed(STORY, vocab_size=300, rounds=1, report=said.append)
    assert {timing.name for timing in timings} == {"nano-transformer"}
    assert [sentence.split()[0] for sentence in said] == ["tiktoken", "tokenizers"]


# Mistakes

MISTAKES = [
    ("insect", "did you mean `inspect`?"),
    ("encode --input-path story.txt", "which tokenizer? give --tokenizer"),
    ("encode --tokenizer none.json", "none.json"),
    ("encode --tokenizer broken.json", "broken.json"),
    ("encode --tokenizer tok.json --vocab-path v --merges-path m", "name two tokenizers"),
    ("encode --vocab-path v.json", "belong together"),
    ("encode --tokenizer tok.json --pattern gpt4", "`pattern` is in the tokenizer's own file"),
    ("inspect --tokenizer tok.json --special-tokens <pad>", "`special_tokens` is in"),
    ("encode --tokenizer tok.json --input-path none.txt --output-path x.npy", "none.txt"),
    ("encode --tokenizer tok.json --input-path . --output-path x.npy", "directory"),
    ("encode --tokenizer tok.json --input-path story.txt --output-path x.txt", "`.npy`"),
    ("decode --tokenizer tok.json --input-path story.txt --output-path x.txt", "no token id"),
    ("decode --tokenizer tok.json --input-path none.npy", "none.npy"),
    ("inspect --tokenizer tok.json --compare-with tok.json", "--text-path"),
    ("inspect --tokenizer tok.json --text-path empty.txt", "is empty"),
    ("inspect --tokenizer tok.json --text-path story.txt --max-megabytes 0", "positive"),
    ("export --tokenizer tok.json", "--format"),
    ("export --tokenizer tok.json --format gpt2 --output-path story.txt", "is a file"),
    ("import --input-path tok.json", "--output-path"),
    ("import --input-path x.tiktoken --output-path x.json", "give --pattern"),
    ("import --input-path none.json --output-path x.json", "none.json"),
    ("import --input-path tok.json --output-path x.json --pattern gpt4", "leave it out"),
    (
        "import --input-path x.tiktoken --output-path x.json --pattern gpt2 --special-tokens a=1 b",
        "NAME=ID for all",
    ),
    ("cache --tokenizer tok.json --input-path story.txt", "--output-path"),
    ("cache --tokenizer tok.json --input-path none.txt --output-path x.npy", "none.txt"),
    ("cache --tokenizer tok.json --input-path story.txt --output-path x.bin", "`.npy`"),
    ("cache --tokenizer tok.json --input-path latin1.txt --output-path x.npy", "byte offset 3"),
    ("cache --verify none.npy", "does not exist"),
    ("cache --verify x.npy --input-path story.txt", "no input or output"),
    ("bench", "--input-path"),
    ("bench --input-path story.txt --rounds 0", "`rounds` must be positive"),
    ("bench --input-path none.txt", "none.txt"),
    ("count --input-path story.txt", "--output-path"),
    ("count --input-path none.txt --output-path x.counts", "none.txt"),
    ("count --input-path latin1.txt --output-path x.counts", "byte offset 3"),
    ("train --input-path none.txt --tokenizer-path x.json", "none.txt"),
    ("train --input-path empty.txt --tokenizer-path x.json", "is empty"),
    ("train --input-path story.txt --vocab-size 256 --tokenizer-path x.json", "at least 257"),
    ("train --input-path story.txt --pattern gpt4", "give --tokenizer-path"),
    ("train --input-path story.txt --pattern gtp4 --tokenizer-path x.json", "gtp4"),
    ("train --input-path story.txt --min-frequency 0 --tokenizer-path x.json", "at least 1"),
    ("train --input-path story.txt story.txt", "give --tokenizer-path"),
    ("train --counts a.counts", "give --tokenizer-path"),
    ("train --counts none.counts --tokenizer-path x.json", "none.counts"),
    ("train --tokenizer-path x.json", "which text"),
    (
        "train --input-path story.txt --tokenizer-path x.json --vocab-path v --merges-path m",
        "give one of them",
    ),
]


def content(folder: Path) -> dict[str, bytes]:
    # A lock that nobody holds is no leftover: others may be waiting for it.
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.mark.parametrize(("line", "message"), MISTAKES)
def test_a_mistake_is_answered_in_a_sentence_and_leaves_nothing(work, capsys, line, message):
    before = content(work)
    with pytest.raises(SystemExit) as done:
        main(line.split())
    assert done.value.code == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert message in shown.err
    assert content(work) == before


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("train --input-path story.txt --vocab-size 300 --tokenizer-path x", "x"),
        ("train --input-path story.txt --vocab-size 300 --vocab-path v --merges-path x", "x"),
        ("count --input-path story.txt --output-path x", "x"),
        ("encode --tokenizer tok.json --input-path story.txt --output-path x.npy", "x.npy"),
        ("decode --tokenizer tok.json --input-path ids.txt --output-path x", "x"),
        ("export --tokenizer tok.json --format own --output-path x", "x"),
        ("export --tokenizer tok.json --format gpt2 --output-path .", "merges.txt"),
        ("import --input-path tok.json --output-path x", "x"),
        ("cache --tokenizer tok.json --input-path story.txt --output-path x.npy", "x.json"),
    ],
)
def test_a_file_is_replaced_only_when_asked_to(work, capsys, line, path):
    (work / "ids.txt").write_text("65 66")
    (work / path).write_text("mine")
    before = content(work)
    with pytest.raises(SystemExit) as done:
        main(line.split())
    assert done.value.code == 1
    assert f"`{path}` is there already" in capsys.readouterr().err
    assert content(work) == before
    main([*line.split(), "--overwrite"])
    assert (work / path).read_bytes() != b"mine"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT between processes")
@pytest.mark.parametrize(
    "line",
    [
        "train --vocab-size 300 --tokenizer-path x.json",
        "cache --tokenizer tok.json --output-path x.npy",
    ],
)
def test_an_interrupt_ends_the_work_and_leaves_nothing(work, line):
    (work / "long.txt").write_text(STORY * 3_000, encoding="utf-8")
    links = [f"long-{number}.txt" for number in range(200)]
    for link in links:
        os.link(work / "long.txt", work / link)
    before = sorted(work.rglob("*"))
    command = [*COMMAND, *line.split(), "--input-path", *links]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr.readline().startswith(("learning", "encoding"))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)  # by now the work itself has begun
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 130
    assert said.splitlines()[-1] == "stopped by SIGINT"
    assert "Traceback" not in said
    assert [path for path in sorted(work.rglob("*")) if path.suffix != ".lock"] == before
