"""Training takes files of every kind, and counts of their parts, with the result of the plain text."""

import gzip
import json
import logging
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nano_transformer.errors import ConfigError, DataError
from nano_transformer.tokenization import train_bpe
from nano_transformer.tokenization.counts_file import PreTokenCounts, load_counts, save_counts
from nano_transformer.tokenization.training import count_pre_tokens
from text_strategies import texts

zstandard = pytest.importorskip("zstandard")

END = "<|endoftext|>"
DOCUMENTS = [
    "The cat sat on the mat. The cats sat on the mats.\n" * 20,
    "Größe, 字典 and 4,096 more; don't ask'em!\n\n" * 15,
    "\r\nlow lower lowest newest widest  " * 30,
]


def learn(backend: str, input_path=None, **options):
    return train_bpe(input_path, 330, [END], backend=backend, **options)


@pytest.fixture
def expected(backend):
    return learn(backend, texts=DOCUMENTS)


def write_shards(folder) -> None:
    """Write each document in another form."""
    first, second, third = DOCUMENTS
    (folder / "sub").mkdir()
    (folder / "a.txt").write_text(first, encoding="utf-8", newline="")
    lines = [json.dumps({"text": second, "id": 1}), "", json.dumps({"text": "", "id": 2})]
    (folder / "sub" / "b.jsonl").write_text("\n".join(lines), encoding="utf-8")
    frames = [zstandard.compress(part.encode()) for part in (third[:100], third[100:])]
    (folder / "sub" / "c.txt.zst").write_bytes(b"".join(frames))
    (folder / ".hidden.txt").write_text("nobody reads this")
    (folder / "empty.txt").write_bytes(b"")


def test_a_folder_of_mixed_files_gives_the_merges_of_their_texts(backend, expected, tmp_path):
    write_shards(tmp_path)
    assert learn(backend, tmp_path) == expected


def test_globs_and_lists_give_the_merges_of_their_texts(backend, expected, tmp_path):
    write_shards(tmp_path)
    assert learn(backend, [tmp_path / "a.txt", str(tmp_path / "sub" / "*.*")]) == expected
    assert learn(backend, str(tmp_path / "**" / "[abc].*")) == expected


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_text_is_cut_nowhere_it_should_not_be(backend, tmp_path, suffix):
    text = END.join(DOCUMENTS) + "  \n" * 50
    compress = gzip.compress if suffix == ".gz" else zstandard.compress
    path = tmp_path / f"text.txt{suffix}"
    path.write_bytes(compress(text.encode()))
    for pattern in ("gpt2", "gpt4o", r"\S+|\s+"):
        whole = learn(backend, texts=[text], pattern=pattern)
        assert learn(backend, path, pattern=pattern) == whole


def test_json_lines_may_be_compressed_and_name_another_field(backend, expected, tmp_path):
    path = tmp_path / "shard.jsonl.gz"
    lines = [json.dumps({"content": text}, ensure_ascii=False) for text in DOCUMENTS]
    path.write_bytes(gzip.compress("\r\n".join(lines).encode()))
    assert learn(backend, path, text_field="content") == expected


@given(texts=st.lists(texts, min_size=1, max_size=8), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_of_shards_give_the_merges_of_the_whole(backend, tmp_path, texts, data):
    shards = [[] for _ in range(4)]
    for text in texts:
        data.draw(st.sampled_from(shards)).append(text)
    paths = [tmp_path / f"{number}.counts" for number in range(4)]
    for path, shard in zip(paths, shards, strict=True):
        save_counts(path, count_pre_tokens(texts=shard, special_tokens=[END], backend=backend))
    whole = learn(backend, texts=texts)
    assert learn(backend, counts_paths=paths) == whole
    some = learn(backend, texts=shards[0] + shards[1], counts_paths=paths[2:])
    assert some == whole


def test_counts_files_are_the_same_from_both_backends(both_backends, tmp_path):
    for backend in ("native", "python"):
        counts = count_pre_tokens(texts=DOCUMENTS, special_tokens=["b", "a"], backend=backend)
        save_counts(tmp_path / backend, counts)
    assert (tmp_path / "native").read_bytes() == (tmp_path / "python").read_bytes()


def test_large_counts_are_added_exactly(backend, tmp_path):
    for number, count in enumerate([2**53 + 1, 2**53]):
        pieces = [(b"ab", count), (b"xy", 2**54)]
        counts = PreTokenCounts(pattern="gpt2", special_tokens=(END,), pieces=pieces)
        save_counts(tmp_path / f"{number}.counts", counts)
    paths = sorted(tmp_path.iterdir())
    _, merges = learn(backend, counts_paths=[paths[0], paths[1]])
    assert merges == [(b"x", b"y"), (b"a", b"b")]  # 2**55 against 2**54 + 1
    with pytest.raises(DataError, match="more than 2\\*\\*64"):
        learn(backend, counts_paths=paths * 300)


def test_counted_text_never_merges_to_a_special_token(backend, tmp_path):
    # Text is cut at special tokens, so only counts that were made by other means hold one.
    counts = PreTokenCounts(pattern="gpt2", special_tokens=("ab",), pieces=[(b"abc", 5)])
    save_counts(tmp_path / "x.counts", counts)
    vocab, merges = train_bpe(
        counts_paths=[tmp_path / "x.counts"], special_tokens=["ab"], backend=backend
    )
    assert merges == [(b"b", b"c"), (b"a", b"bc")]
    assert list(vocab.values()).count(b"ab") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no file of `nanot-bpe count`"),
        (b"[]\n", "is no file of `nanot-bpe count`"),
        (b'{"format": "nano-transformer counts", "format_version": 2}\n', "has format version 2"),
        (b"HEADER\n5\n", "line 2 must be a count, a tab"),
        (b"HEADER\n5\ta\n-1\tb\n", "line 3 must be a count, a tab"),
        (b"HEADER\n5\t\n", "line 2 must be a count, a tab"),
        (b"HEADER\n9223372036854775808\ta\n", "line 2 must be a count, a tab"),
        (b"HEADER\n5\ta\n", "has 1 lines of counts, and its first line says 2"),
        (b"HEADER\n5\t\xff\n", "line 2 must be a count, a tab"),
        (b"HEADER\n5\t\xe2\x82\xac\n", "line 2 must be a count, a tab"),
    ],
)
def test_a_malformed_counts_file_is_refused_with_its_line(tmp_path, content, message):
    header = PreTokenCounts(pattern="gpt2", special_tokens=(END,), pieces=[]).header()
    header["num_lines"] = 2
    path = tmp_path / "x.counts"
    path.write_bytes(content.replace(b"HEADER", json.dumps(header).encode()))
    with pytest.raises(DataError, match=message):
        load_counts(path)


def test_counts_that_were_cut_differently_are_not_added(tmp_path):
    path = tmp_path / "x.counts"
    save_counts(path, count_pre_tokens(texts=["a b"], special_tokens=[END], pattern="gpt4"))
    with pytest.raises(DataError, match="counted with `pattern` 'gpt4', and 'gpt2' is wanted"):
        learn("auto", counts_paths=[path])
    with pytest.raises(DataError, match="counted with `special_tokens`"):
        train_bpe(counts_paths=[path], special_tokens=[], pattern="gpt4")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", b'{"text": "a"}\n{"txt": "b"}\n', "line 2 must be a JSON object with the text"),
        ("x.jsonl", b'{"text": "a"}\n\n["b"]\n', "line 3 must be a JSON object with the text"),
        ("x.jsonl", b'{"text": 5}\n', "line 1 must be a JSON object"),
        ("x.jsonl", b'{"text": "a"\n', "line 1 is not JSON"),
        ("x.jsonl", b'{"text": "\xff"}\n', "line 1 is not valid UTF-8"),
        ("x.jsonl", b'{"text": "\\ud800"}\n', "line 1: text holds the lone surrogate"),
        ("x.gz", gzip.compress(b"text" * 999)[:-20], "is damaged or cut off"),
        ("x.gz", b"no gzip", "is damaged or cut off"),
        ("x.zst", zstandard.compress(bytes(range(256)) * 99)[:-20], "is cut off in the middle"),
        ("x.zst", b"no zstandard", "is damaged"),
        ("x.txt.gz", gzip.compress(b"ab\xff"), "x.txt.gz` is not valid UTF-8 at byte offset 2"),
        ("x.txt", b"", "is empty"),
    ],
)
def test_damaged_inputs_are_refused_by_name_and_line(backend, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        learn(backend, tmp_path / name)


@pytest.mark.parametrize("path", ["nowhere", "no/*.txt", "."])
def test_inputs_that_stand_for_nothing_are_refused(backend, tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"does not exist|holds no file with text"):
        learn(backend, path)


def test_malformed_utf8_is_replaced_in_every_kind_of_file(backend, tmp_path):
    data = b"caf\xe9 \xff\xfe caf\xe9"
    text = data.decode("utf-8", "replace")
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "b.gz").write_bytes(gzip.compress(data))
    (tmp_path / "c.jsonl").write_bytes(b'{"text": "' + data + b'"}')
    expected = learn(backend, texts=[text])
    for path in tmp_path.iterdir():
        assert learn(backend, path, encoding_errors="replace") == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either `input_path` or `texts`"),
        ({"input_path": "x", "texts": ["a"]}, "give either `input_path` or `texts`"),
        ({"texts": ["a"], "tie_break": "random"}, "`tie_break` is 'random'"),
        ({"texts": ["a"], "min_frequency": -1}, "`min_frequency` is -1"),
        ({"texts": ["a"], "num_threads": -1}, "`num_threads` is -1"),
        ({"texts": ["a"], "encoding_errors": "ignore"}, "`encoding_errors` is 'ignore'"),
        ({"texts": ["a"], "pattern": "gpt3"}, "pattern `gpt3` is unknown"),
        (
            {"texts": ["a"], "special_tokens": ["\ufffd"], "encoding_errors": "replace"},
            "holds U\\+FFFD",
        ),
    ],
)
def test_options_that_cannot_work_are_refused(backend, options, message):
    with pytest.raises(ValueError, match=message):
        train_bpe(**{"backend": backend, **options})


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "x.zst").write_bytes(b"1")
    with pytest.raises(ConfigError, match=r"pip install 'nano-transformer\[zstd\]'"):
        learn("python", tmp_path / "x.zst")


def test_fewer_merges_than_asked_for_are_told(backend, caplog):
    with caplog.at_level(logging.WARNING):
        vocab, merges = train_bpe(texts=["abc"], vocab_size=300, backend=backend)
    assert len(merges) == 2
    expected = "only 2 of 43 merges, so the vocabulary has 259 entries instead of 300"
    assert [expected in message for message in caplog.messages] == [True]
    assert len(vocab) == 259


def test_rare_pairs_are_left_out(backend):
    corpus = ["ab"] * 5 + ["cd"] * 3 + ["ef"] * 2
    _, merges = train_bpe(texts=corpus, vocab_size=300, min_frequency=3, backend=backend)
    assert merges == [(b"a", b"b"), (b"c", b"d")]


def test_one_giant_pre_token_takes_no_quadratic_time(backend):
    letters = "".join(chr(97 + i * i * 7 % 23) for i in range(100_000))
    _, merges = train_bpe(texts=["a" * 200_000, letters], vocab_size=300, backend=backend)
    assert len(merges) == 43


def test_progress_counts_the_bytes_of_compressed_files(backend, tmp_path):
    write_shards(tmp_path)
    seen = []
    learn(backend, tmp_path / "sub", progress=lambda *event: seen.append(event))
    size = sum(path.stat().st_size for path in (tmp_path / "sub").iterdir())
    assert ("counting", size, size) in seen
