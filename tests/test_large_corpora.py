"""Parts of a corpus, counted by separate processes, give the tokenizer of the whole."""

import itertools
import shutil
import subprocess

import pytest

from bpe_story import COMMAND, STORY
from nano_transformer.cli.bpe.main import main
from nano_transformer.tokenization import train_bpe
from nano_transformer.tokenization.formats.gpt2 import read_merges

END = "<|endoftext|>"
VOCAB_SIZE = 310
# The extension cannot be imported, so the Python twin counts.
WITHOUT_NATIVE = "import sys; sys.modules['nano_transformer._native'] = None; "


@pytest.fixture
def shards(tmp_path):
    """Four files whose texts are those of the story, in another order."""
    documents = STORY.split(END)
    paths = []
    for number in range(4):
        path = tmp_path / f"shard {number}.txt"
        path.write_text(END.join(documents[number::4]), encoding="utf-8")
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def expected():
    vocab, merges = train_bpe(texts=[STORY], vocab_size=VOCAB_SIZE)
    assert len(vocab) == VOCAB_SIZE
    return merges


def learn(counts, folder):
    """Return the merges that the command learns from files of counts."""
    outputs = ["--vocab-path", str(folder / "v.json"), "--merges-path", str(folder / "m.txt")]
    names = [str(path) for path in counts]
    main(["train", "--counts", *names, "--vocab-size", str(VOCAB_SIZE), *outputs, "--overwrite"])
    return read_merges(folder / "m.txt")


def test_shards_counted_by_other_processes_and_backends_give_the_merges(shards, expected, tmp_path):
    counts = [path.with_suffix(".counts") for path in shards]
    for number, (shard, output) in enumerate(zip(shards, counts, strict=True)):
        python, flag, code = COMMAND
        command = [python, flag, (WITHOUT_NATIVE if number == 3 else "") + code]
        files = ["--input-path", str(shard), "--output-path", str(output)]
        subprocess.run([*command, "count", *files], check=True, capture_output=True)
    for order in itertools.islice(itertools.permutations(counts), 0, 24, 5):
        assert learn(order, tmp_path) == expected


@pytest.mark.skipif(shutil.which("xargs") is None, reason="there is no xargs")
def test_xargs_counts_shards_side_by_side(shards, expected, tmp_path):
    files = ["--input-path", "{}", "--output-path", "{}.counts"]
    subprocess.run(
        ["xargs", "-0", "-P", "4", "-I", "{}", *COMMAND, "count", "--num-threads", "1", *files],
        input="\0".join(map(str, shards)).encode(),
        check=True,
        capture_output=True,
    )
    assert learn(sorted(tmp_path.glob("*.counts")), tmp_path) == expected
