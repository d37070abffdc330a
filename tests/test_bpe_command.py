"""`nanot-bpe` as a person uses it: every command, its output, and what it says of mistakes."""

import dataclasses
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from bpe_story import COMMAND, STORY, fill
from nano_transformer.cli.bpe.main import COMMANDS, main
from nano_transformer.cli.flags import field_docs
from nano_transformer.data.token_cache import build_token_cache, open_token_cache
from nano_transformer.data.tokenizer_speed import measure_speed
from nano_transformer.tokenization import Tokenizer, train_bpe
from nano_transformer.tokenization.inspection import spell


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with texts and a tokenizer; nothing in it is changed."""
    return fill(tmp_path_factory.mktemp("bpe"))


@pytest.fixture
def work(folder, tmp_path, monkeypatch):
    """A new working folder with copies of the files."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(folder, tmp_path, dirs_exist_ok=True)


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


def test_a_reader_that_goes_away_is_no_failure_to_be_told(work):
    (work / "long.txt").write_text(STORY * 3_000, encoding="utf-8")
    line = ["encode", "--tokenizer", "tok.json", "--input-path", "long.txt"]
    process = subprocess.Popen([*COMMAND, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    said = process.stderr.read()
    assert b"Traceback" not in said
    assert b"error" not in said.lower()
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
