"""Named datasets, and how a text is divided when there is no validation text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_transformer.data.sources import (
    NAMED_DATASETS,
    hold_out,
    named_text_paths,
    whole,
)
from nano_transformer.errors import DataError


def test_a_missing_dataset_is_answered_with_the_commands_that_bring_it(tmp_path):
    with pytest.raises(DataError) as error:
        named_text_paths(NAMED_DATASETS["tinystories"], tmp_path)
    message = str(error.value)
    base = "https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main"
    for split in ("train", "valid"):
        assert f"curl -fLO {base}/TinyStoriesV2-GPT4-{split}.txt" in message


def test_owt_goes_by_both_names_and_is_unzipped(tmp_path):
    assert NAMED_DATASETS["owt"] is NAMED_DATASETS["openwebtext"]
    with pytest.raises(DataError) as error:
        named_text_paths(NAMED_DATASETS["owt"], tmp_path)
    base = "https://huggingface.co/datasets/stanford-cs336/owt-sample/resolve/main"
    assert f"curl -fLO {base}/owt_train.txt.gz && gunzip owt_train.txt.gz" in str(error.value)


def test_files_that_are_there_are_used_as_they_are(tmp_path):
    for split in ("train", "valid"):
        (tmp_path / f"owt_{split}.txt").write_text("x")
    paths = named_text_paths(NAMED_DATASETS["owt"], tmp_path)
    assert [path.name for path in paths] == ["owt_train.txt", "owt_valid.txt"]


@given(text=st.text(alphabet="aé中\n ", min_size=9, max_size=300), share=st.floats(0.2, 0.8))
def test_a_text_of_few_documents_is_cut_once_at_a_character(tmp_path_factory, text, share):
    path = tmp_path_factory.mktemp("text") / "t.txt"
    path.write_bytes(text.encode())
    train, valid = hold_out(path, share)
    (_, start, cut), (_, again, stop) = train.spans[0], valid.spans[0]
    assert (start, again, stop) == (0, cut, len(text.encode()))
    data = path.read_bytes()
    assert data[:cut].decode() + data[cut:].decode() == text


def test_a_text_of_few_documents_is_cut_after_a_line_break(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"line of text\n" * 100)
    train, valid = hold_out(path, 0.05)
    assert train.spans[0][2] == 94 * 13 + 13
    assert valid.spans[0][1:] == (95 * 13, 1300)


def test_a_text_of_many_documents_is_divided_by_document(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(b"story\n<|endoftext|>\n" * 200)
    train, valid = hold_out(path, 0.05)
    assert train.spans == valid.spans == [(path, 0, path.stat().st_size)]
    assert (train.held_out_share, valid.held_out_share) == (0.05, 0.05)
    assert (train.keep_held_out, valid.keep_held_out) == (False, True)


def test_a_text_too_short_to_be_divided_is_refused(tmp_path):
    (tmp_path / "t.txt").write_text("a few words")
    with pytest.raises(DataError, match=r"11 bytes, too few to hold out a share of 0.01"):
        hold_out(tmp_path / "t.txt", 0.01)


def test_delimiters_are_counted_across_the_blocks_they_are_read_in(tmp_path):
    path = tmp_path / "t.txt"
    delimiter = b"<|endoftext|>"
    for shift in range(len(delimiter) + 1):
        path.write_bytes(b"x" * ((1 << 20) - shift) + delimiter + b"y" + delimiter * 198)
        assert hold_out(path, 0.05)[0].held_out_share == 0.0
        path.write_bytes(path.read_bytes() + delimiter)
        assert hold_out(path, 0.05)[0].held_out_share == 0.05


def test_missing_folders_and_empty_files_are_refused(tmp_path):
    (tmp_path / "empty.txt").touch()
    for path, words in [
        (tmp_path / "none.txt", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty.txt", "is empty"),
    ]:
        with pytest.raises(DataError, match=words):
            whole(path)
