"""Checkpoints: replaced whole, and never read when a byte of them is wrong."""

import os
import random
from pathlib import Path

import pytest
import torch

from nano_transformer import files
from nano_transformer.errors import CheckpointError
from nano_transformer.training.checkpointing import load_checkpoint, save_checkpoint


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "latest.pt"
    save_checkpoint(path, {"step": 3, "weights": torch.arange(5000.0), "names": ["a", "b"]})
    return path


def test_tensors_and_plain_data_come_back(checkpoint):
    state = load_checkpoint(checkpoint)
    assert state["step"] == 3
    assert state["names"] == ["a", "b"]
    assert torch.equal(state["weights"], torch.arange(5000.0))


def test_every_damaged_file_is_refused_or_loads_equal(checkpoint):
    good, expected = checkpoint.read_bytes(), torch.arange(5000.0)
    chance = random.Random(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(good)
        damaged[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        checkpoint.write_bytes(damaged)
        try:
            state = load_checkpoint(checkpoint)
        except CheckpointError:
            refused += 1
        else:
            assert torch.equal(state["weights"], expected)
            assert (state["step"], state["names"]) == (3, ["a", "b"])
    assert refused > 200


@pytest.mark.parametrize("length", [0, 1, 100, 5_000, -1])
def test_a_file_cut_short_is_refused(checkpoint, length):
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(checkpoint)


def test_missing_foreign_and_newer_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load_checkpoint(tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match="folder"):
        load_checkpoint(tmp_path)
    torch.save({"a": 1}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="not a nano-transformer checkpoint"):
        load_checkpoint(tmp_path / "foreign.pt")
    torch.save({"format_version": 99}, tmp_path / "newer.pt")
    with pytest.raises(CheckpointError, match="99"):
        load_checkpoint(tmp_path / "newer.pt")


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    torch.save({"format_version": 1, "x": Malicious(tmp_path / "pwned")}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "pwned").exists()


def test_a_failed_save_keeps_the_old_file_and_leaves_nothing_else(checkpoint, monkeypatch):
    before = checkpoint.read_bytes()

    def no_space(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(checkpoint, {"step": 4})
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == ["latest.pt"]


def test_a_full_disk_during_the_write_is_reported_as_such(tmp_path):
    path = tmp_path / "latest.pt"

    def write(file):
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 576 vs 534")  # noqa: B904 - as torch.save does

    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(path, write)
    assert list(tmp_path.iterdir()) == []


def test_the_order_of_system_calls_makes_the_new_file_durable(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, files.Path.replace

    def recorded_fsync(descriptor):
        calls.append(("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def recorded_replace(self, target):
        calls.append(("rename", target.name))
        return replace(self, target)

    monkeypatch.setattr(files.os, "fsync", recorded_fsync)
    monkeypatch.setattr(files.Path, "replace", recorded_replace)
    path = tmp_path / "x.json"
    files.write_json_atomically(path, {"a": 1})
    assert calls == [
        ("fsync", files.partial_path(path).name),
        ("rename", "x.json"),
        ("fsync", tmp_path.name),
    ]
