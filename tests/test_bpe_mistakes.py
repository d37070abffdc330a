"""What `nanot-bpe` says of mistakes, existing files and ^C, and that it leaves nothing behind."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from bpe_story import COMMAND, STORY, fill
from nano_transformer.cli.bpe.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with texts and a tokenizer; nothing in it is changed."""
    return fill(tmp_path_factory.mktemp("bpe"))


@pytest.fixture
def work(folder, tmp_path, monkeypatch):
    """A new working folder with copies of the files."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(folder, tmp_path, dirs_exist_ok=True)


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
    (work / "long.txt").write_text(STORY * 30_000, encoding="utf-8")
    links = [f"long-{number}.txt" for number in range(1_000)]
    for link in links:
        os.link(work / "long.txt", work / link)
    before = sorted(work.rglob("*"))
    command = [*COMMAND, *line.split(), "--input-path", *links]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while not process.stderr.readline().startswith(("learning", "encoding")):
        assert process.poll() is None, "it ended before it could be interrupted"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)  # by now the work itself has begun
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 130
    assert said.splitlines()[-1] == "stopped by SIGINT"
    assert "Traceback" not in said
    assert [path for path in sorted(work.rglob("*")) if path.suffix != ".lock"] == before
