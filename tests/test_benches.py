"""The tokenizer bench runs every job, compares what can be compared, and reads its floors right."""

import dataclasses
import gzip
import json
import lzma
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from bpe_story import STORY
from nano_transformer.tokenization import Tokenizer, train_bpe

BENCHES = Path(__file__).resolve().parents[1] / "benches"
END = "<|endoftext|>"
TRAINERS = ("gigabpe", "gigatoken", "rustbpe", "tokenizers")
ENCODERS = ("gigatoken", "fastokens", "tiktoken", "tokenizers")


@pytest.fixture(scope="module")
def bench():
    """Import a module of benches/, which is no package."""
    sys.path.insert(0, str(BENCHES))
    yield import_module
    sys.path.remove(str(BENCHES))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "story.txt"
    path.write_text(STORY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def gpt2(text):
    """A folder named as that of GPT-2's vocabulary, with one learnt from the story."""
    tokenizer = Tokenizer(*train_bpe(text, 310, [END]), special_tokens=[END])
    tokenizer.save_gpt2(text.parent / "gpt2_vocab.json", text.parent / "gpt2_merges.txt")
    return text.parent


@pytest.fixture(scope="module")
def plan(bench, gpt2, text, tmp_path_factory):
    module = bench("bench_tokenizer")
    folder = tmp_path_factory.mktemp("plan")
    flags = module.parse([str(text), "--vocab-size", "300", "--gpt2", str(gpt2)])
    tokenizer = module.open_gpt2(gpt2)
    plan = module.make_plan(flags, folder, tokenizer.end_of_text_id)
    module.prepare_vocabulary(tokenizer, plan)
    np.save(folder / "story.npy", tokenizer.encode_file(text))
    return plan


def run_here(bench, job):
    """Do a job in this process; return what would be compared."""
    module, function = job.function.split(":")
    result = getattr(bench(module), function)(**job.arguments)()
    return bench("fresh_process").comparable(result, job.ignored_id)


def only(jobs, library):
    return [job for job in jobs if job.library.split()[0] == library and job.threads == 1]


@pytest.mark.parametrize("peer", TRAINERS)
def test_a_peer_trains_as_many_entries_as_we_do(bench, plan, peer):
    pytest.importorskip(peer)
    jobs = list(bench("tokenizer_jobs").train_jobs(plan))
    (ours,), (theirs,) = only(jobs, "ours"), only(jobs, peer)
    assert run_here(bench, ours) == 300
    entries = run_here(bench, theirs)
    # gigabpe leaves out bytes that the text lacks, so so small a text gives it fewer.
    assert 80 < entries < 300 if peer == "gigabpe" else entries == 300


@pytest.mark.parametrize("peer", ENCODERS)
def test_a_peer_gives_our_ids(bench, plan, peer):
    pytest.importorskip(peer)
    jobs = list(bench("tokenizer_jobs").encode_jobs(plan))
    (ours,) = only(jobs, "ours")
    ids = Tokenizer.from_files(
        Path(plan.vocabulary) / "vocab.json", Path(plan.vocabulary) / "merges.txt", [END]
    ).encode(STORY)
    expected = f"{sum(i != plan.end_of_text_id for i in ids)} ids "
    assert run_here(bench, ours).startswith(expected)
    for theirs in only(jobs, peer):
        assert run_here(bench, theirs) == run_here(bench, ours)


@pytest.mark.parametrize("work", ["cache", "decode", "hostile"])
def test_tiktoken_gives_our_ids_on_disk_and_our_text(bench, plan, work):
    pytest.importorskip("tiktoken")
    pytest.importorskip("gigatoken")
    small = dataclasses.replace(plan, hostile_sizes=(900,), hostile_vocab_size=270)
    results = {}
    for job in bench("tokenizer_jobs").WORKS[work](small):
        if job.threads == 1:
            results.setdefault((job.work, job.text), set()).add(run_here(bench, job))
    assert len(results) == {"cache": 1, "decode": 1, "hostile": 22}[work]
    assert all(len(different) == 1 for different in results.values())


def test_the_command_measures_writes_and_shows(bench, gpt2, text, tmp_path, capsys):
    pytest.importorskip("tiktoken")
    main = bench("bench_tokenizer").main
    line = [str(text), "--gpt2", str(gpt2), "--large", str(text), "--vocab-size", "300", "--quick"]
    line += ["--threads", "1", "--libraries", "tiktoken", "--json", str(tmp_path / "found.json")]
    main([*line, "--only", "train", "cache", "short", "memory"])
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())["measurements"]
    assert [(row["work"], row["library"]) for row in found] == [
        ("train", "ours"),
        ("cache", "ours"),
        ("cache", "tiktoken"),
        ("short", "ours"),
        ("memory", "ours"),
        ("memory", "ours nanot-bpe"),
    ]
    assert all(row["error"] is None and len(row["seconds"]) == 1 for row in found)
    assert all(10 < row["peak_megabytes"][0] < 1000 for row in found)
    assert "| file to cache | story | 1 | 10x tiktoken + numpy |" in printed
    main(["--show", str(tmp_path / "found.json")])
    assert capsys.readouterr().out == printed


def measured(bench, work, library, seconds, threads=1, **more):
    return bench("harness").Measurement(
        work=work,
        text="t",
        library=library,
        threads=threads,
        megabytes=100.0,
        seconds=list(seconds),
        peak_megabytes=[float(more.pop("peak", 50))],
        **more,
    )


def test_floors_are_read_from_medians(bench):
    floors = bench("tokenizer_floors")
    found = [
        measured(bench, "train", "ours", [9.0, 1.0, 1.1], peak=210),
        measured(bench, "train", "gigabpe", [1.6, 1.6, 1.7], peak=205),
        measured(bench, "train", "rustbpe", [5.6, 5.6, 5.4], peak=300),
    ]
    assert [(row.asked, row.holds) for row in floors.rows(found)] == [
        ("1.5x the best peer, gigabpe", False),
        ("5x rustbpe", True),
        ("at most gigabpe's 205 MB", False),
    ]
    assert floors.table(floors.rows(found)).count("**falls short**") == 2


def test_a_peer_with_other_ids_is_shown_and_not_compared(bench):
    floors = bench("tokenizer_floors")
    found = [
        measured(bench, "encode", "ours", [1.0], result="5 ids abc"),
        measured(bench, "encode", "gigatoken", [1.2], result="5 ids abc"),
        measured(bench, "encode", "tiktoken", [20.0], result="6 ids abd"),
    ]
    assert [(row.asked, row.holds) for row in floors.rows(found)] == [("1.1x gigatoken", True)]
    (sentence,) = floors.left_out(found)
    assert "tiktoken, encode, t, 1 threads: other ids than ours" in sentence


def test_a_job_that_fails_or_hangs_is_told_and_has_no_figures(bench):
    harness, lines = bench("harness"), []
    jobs = [
        harness.Job(work="w", text="t", library=name, function=function, arguments={}, **more)
        for name, function, more in (
            ("fails", "os:nothing", {}),
            ("hangs", "threading:Event", {"timeout_seconds": 0.01}),
        )
    ]
    found = harness.measure(jobs, 2, lines.append)
    assert [m.seconds for m in found] == [[], []]
    assert "has no attribute 'nothing'" in found[0].error
    assert found[1].error == "stopped after 0 s"
    assert len(lines) == 2  # what failed is not tried again


def test_hostile_texts_have_their_size_and_are_always_the_same(bench):
    for make in bench("hostile_texts").HOSTILE_TEXTS.values():
        text = make(20_000)
        assert 0.97 * 20_000 <= len(text.encode()) <= 20_001
        assert text == make(20_000)


@pytest.fixture
def corpora(tmp_path):
    """A folder of corpora and one of dictionaries, as `make_english` finds them."""
    folder, cache = tmp_path / "corpora", tmp_path / "cache" / "usr" / "share" / "dictd"
    folder.mkdir()
    cache.mkdir(parents=True)
    for name in ("english-books", "tinystories"):
        data = f"{name} é.\n{END}\nThe end.\n{END}\n".encode()
        (folder / f"{name}.txt.xz").write_bytes(lzma.compress(data))
    for name in ("gcide", "wn", "foldoc", "jargon"):
        (cache / f"{name}.dict.dz").write_bytes(gzip.compress(f"{name}\n   a word\n".encode()))
    return tmp_path


def test_the_english_text_has_its_size_and_order(bench, corpora, capsys):
    make, out = bench("make_english"), corpora / "out.txt"
    if any(Path("/usr/share/dictd", f"{name}.dict.dz").exists() for name in make.DICTIONARIES):
        pytest.skip("Debian's dictionaries are installed here")
    line = ["--corpora", str(corpora / "corpora"), "--cache", str(corpora / "cache"), str(out)]
    make.main([*line, "--bytes", "100"])
    whole = out.read_bytes()
    assert len(whole) == 100
    assert json.loads(capsys.readouterr().out)["bytes"] == 100
    assert whole.startswith(f"english-books é.\n{END}\nThe end.\n{END}\ntinystories é.".encode())
    for size in range(10, 30):
        make.main([*line, "--bytes", str(size)])
        assert out.read_bytes().rstrip(b"\n") == whole[:size].decode(
            "utf-8", "ignore"
        ).encode().rstrip(b"\n")
        assert out.stat().st_size == size
    with pytest.raises(SystemExit, match=r"there are only 2.. of 5,000 bytes"):
        make.main([*line, "--bytes", "5000"])
    make.main([*line, "--bytes", "5000", "--repeat"])
    assert out.read_text(encoding="utf-8").count("english-books") > 5
