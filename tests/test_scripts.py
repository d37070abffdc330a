"""The four scripts as a person runs them: from a text to a sample, and what they say of mistakes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
STORY = "Tom saw a big dog. The dog ran to Tom. Tom and the dog were happy.\n<|endoftext|>\n"
SMALL = (
    "--context-length=16 --d-model=32 --num-layers=2 --num-heads=2 --batch-size=4 --warmup-iters=4 "
    "--eval-interval=5 --eval-iters=2 --log-interval=5 --device=cpu --vocab-size=300"
).split()


def run(folder: Path, script: str, *flags: str, status: int = 0) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPTS / script), *map(str, flags)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which a tokenizer was trained and a model for ten steps."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "text.txt").write_text("".join(STORY.replace("Tom", name) for name in names()))
    files = ("--vocab-path=v.json", "--merges-path=m.txt")
    run(folder, "train_bpe.py", "--input-path=text.txt", "--vocab-size=300", *files)
    run(folder, "pretrain.py", "--train-text-path=text.txt", *files, *SMALL, "--max-iters=10")
    return folder


def metrics(run_dir: Path) -> list[dict]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def names():
    return [
        f"{first}{second}" for first in "BDFGKLMNPR" for second in ("am", "eo", "ia", "ix")
    ] * 10


def test_a_run_is_trained_resumed_evaluated_and_sampled(folder):
    run_dir = folder / "out/pretrain/text"
    expected = {"latest.pt", "best.pt", "run_config.json", "trainer_config.json", "metrics.jsonl"}
    assert expected <= {path.name for path in run_dir.iterdir()}
    resumed = run(folder, "pretrain.py", "--resume-from=out/pretrain/text", "--max-iters=15")
    assert "step 15/15" in resumed.stderr
    steps = [row["step"] for row in metrics(run_dir)]
    assert steps == sorted(steps)
    assert steps[-1] == 15

    scored = run(folder, "eval.py", "--run-dir=out/pretrain/text")
    bits = float(re.search(r"bits per byte +([\d.]+)", scored.stdout)[1])
    assert 0.5 < bits < 8
    other = run(folder, "eval.py", "--run-dir=out/pretrain/text", "--text-path=text.txt")
    assert "bits per byte" in other.stdout

    for strategy in ("greedy", "top_p"):
        flags = ["--run-dir=out/pretrain/text", "--prompt=Bam saw", f"--strategy={strategy}"]
        flags += ["--max-new-tokens=40", "--num-samples=2", "--dtype=float32"]
        cached = run(folder, "sample.py", *flags)
        plain = run(folder, "sample.py", *flags, "--no-kv-cache")
        assert cached.stdout == plain.stdout
        assert cached.stdout.count("Bam saw") >= 2
        assert "<|endoftext|>" not in cached.stdout


def test_a_killed_run_resumes_to_the_loss_of_an_unbroken_one(folder):
    flags = ["--train-text-path=text.txt", "--vocab-path=v.json", "--merges-path=m.txt", *SMALL]
    flags += ["--max-iters=400", "--eval-interval=20"]
    run(folder, "pretrain.py", *flags, "--output-dir=whole")
    command = [sys.executable, SCRIPTS / "pretrain.py", *flags, "--output-dir=killed"]
    killed = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    latest = folder / "killed" / "latest.pt"
    while not latest.exists():
        assert killed.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    run(folder, "pretrain.py", "--resume-from=killed")
    whole, resumed = (
        [{**row, "tokens_per_second": None} for row in metrics(folder / name)]
        for name in ("whole", "killed")
    )
    assert resumed == whole


def test_the_bare_commands_know_where_things_are(tmp_path):
    bare = run(tmp_path, "train_bpe.py")
    assert "data/train-bpe-demo-vocab.json" in bare.stderr
    assert "is there already" in run(tmp_path, "train_bpe.py").stderr
    flags = [flag for flag in SMALL if "vocab-size" not in flag]
    story = run(tmp_path, "pretrain.py", *flags, "--max-iters=6")
    assert len(story.stdout.strip()) > 0
    assert "nanot-sample --run-dir out/pretrain/demo" in story.stderr
    assert run(tmp_path, "sample.py", "--max-new-tokens=5").stdout.strip()
    assert "bits per byte" in run(tmp_path, "eval.py", "--eval-iters=2").stdout


def test_bare_train_bpe_takes_the_named_datasets_that_are_there(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/TinyStoriesV2-GPT4-train.txt").write_text(STORY * 20)
    bare = run(tmp_path, "train_bpe.py")
    assert "data/train-bpe-tinystories-vocab.json" in bare.stderr
    assert "entries instead of 10,000" in bare.stderr
    made = {path.name for path in (tmp_path / "data").iterdir()}
    assert {"train-bpe-tinystories-vocab.json", "train-bpe-tinystories-merges.txt"} <= made
    assert not any("demo" in name for name in made)


def interrupted(folder: Path, number: int) -> int:
    flags = ["--train-text-path=text.txt", "--vocab-path=v.json", "--merges-path=m.txt", *SMALL]
    command = [sys.executable, SCRIPTS / "pretrain.py", *flags, "--max-iters=100000"]
    command += [f"--output-dir=stopped-{number}", "--log-interval=1"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("step "):
            break
    process.send_signal(number)
    rest = process.stderr.read()
    process.stderr.close()
    assert "its state is saved" in rest
    assert "Traceback" not in rest
    return process.wait()


def test_sigint_and_sigterm_save_and_end_with_their_status(folder):
    assert interrupted(folder, signal.SIGINT) == 130
    assert interrupted(folder, signal.SIGTERM) == 143
    run(folder, "sample.py", f"--run-dir=stopped-{signal.SIGTERM:d}", "--max-new-tokens=3")


MISTAKES = [
    ("pretrain.py --train-text-path=none.txt", 1, "text file `none.txt` does not exist"),
    ("pretrain.py --train-text-path=.", 1, "is a folder"),
    ("pretrain.py --train-text-path=empty.txt", 1, "text file `empty.txt` is empty"),
    (
        "pretrain.py --train-text-path=latin1.txt",
        1,
        "latin1.txt` is not valid UTF-8 at byte offset 3",
    ),
    ("pretrain.py --train-text-path=short.txt", 1, "context_length + 1 = 129"),
    ("pretrain.py --train-text-path=text.txt --vocab-size=256", 1, "at least 257; found 256"),
    ("pretrain.py --d-modle=3", 2, "--d-model"),
    ("pretrain.py --d-model=250", 1, "`d_model` 250 does not divide into 8 heads"),
    ("pretrain.py --num-kv-heads=3", 1, "not a multiple of `num_kv_heads` 3"),
    (
        "pretrain.py --dataset=tinystories",
        1,
        "curl -fLO https://huggingface.co/datasets/roneneldan",
    ),
    ("pretrain.py --dataset=owt", 1, "gunzip owt_train.txt.gz"),
    ("pretrain.py --vocab-path=v.json", 1, "`vocab_path` and `merges_path` belong together"),
    ("pretrain.py --resume-from=out/pretrain/text --d-model=64", 1, "`d_model` is 32"),
    ("pretrain.py --resume-from=none", 1, "run `none` does not exist"),
    ("eval.py --run-dir=none", 1, "run `none` does not exist"),
    ("eval.py --run-dir=out", 1, "`out` holds no run"),
    ("sample.py --checkpoint=text.txt", 1, "`text.txt` is damaged or cut short"),
    ("sample.py --run-dir=out/pretrain/text --temperature=0", 1, "`temperature` must be positive"),
    ("sample.py --run-dir=out/pretrain/text --device=tpu", 1, "`device` 'tpu' cannot be used"),
    ("train_bpe.py --input-path=none.txt", 1, "none.txt` does not exist"),
    (
        "train_bpe.py --input-path=text.txt --vocab-path=v.json --merges-path=m.txt",
        1,
        "--overwrite",
    ),
    ("train_bpe.py --input-path=latin1.txt", 1, "--encoding-errors replace"),
]


@pytest.mark.parametrize(("command", "status", "message"), MISTAKES)
def test_a_mistake_is_answered_in_a_sentence_and_loses_nothing(folder, command, status, message):
    (folder / "empty.txt").touch()
    (folder / "latin1.txt").write_bytes(("caf\xe9 noir\n" * 20).encode("latin-1"))
    (folder / "short.txt").write_text("Too short.\n" * 20)
    before = {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()}
    script, *flags = command.split()
    failed = run(folder, script, *flags, status=status)
    assert message in failed.stderr
    assert before == {
        path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()
    }


def test_an_output_folder_that_holds_a_run_or_cannot_be_written_is_refused(folder):
    flags = ["--train-text-path=text.txt", "--vocab-path=v.json", "--merges-path=m.txt", *SMALL]
    held = run(folder, "pretrain.py", *flags, "--max-iters=6", status=1)
    assert "`out/pretrain/text` already holds a run" in held.stderr
    assert "--resume-from" in held.stderr
    assert "--overwrite" in held.stderr
    barred = run(
        folder, "pretrain.py", *flags, "--max-iters=6", "--output-dir=text.txt/run", status=1
    )
    assert "output folder `text.txt/run` cannot be written" in barred.stderr


def test_text_that_is_not_utf8_is_read_when_asked_to(folder):
    data = (folder / "text.txt").read_bytes() + "caf\xe9".encode("latin-1")
    (folder / "mixed.txt").write_bytes(data)
    flags = ["--train-text-path=mixed.txt", "--encoding-errors=replace", *SMALL, "--max-iters=6"]
    run(folder, "pretrain.py", *flags)


def test_help_answers_without_loading_torch(tmp_path):
    for script in ("pretrain.py", "eval.py", "sample.py", "train_bpe.py"):
        environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / script), "--help"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        assert "--" in done.stdout
        assert not re.search(r"\| +torch$", done.stderr, flags=re.MULTILINE)
