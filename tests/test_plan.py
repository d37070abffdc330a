"""`nanot-pretrain --plan`: true figures, no training, no text read, no torch."""

import os
import re
import subprocess
import sys

import pytest
import torch

from nano_transformer import ModelConfig, TransformerLM, train_bpe
from nano_transformer.cli import pretrain
from nano_transformer.model.flops import row_flops
from nano_transformer.tokenization import Tokenizer


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(capsys, *flags):
    """Return the plan's lines by what is counted: (figure, remark)."""
    pretrain.main(["--plan", *flags])
    lines = capsys.readouterr().out.splitlines()
    return {
        cells[0].strip(): cells[1:] for line in lines if (cells := re.split(r"  +", line.strip()))
    }


def test_the_plan_of_the_demo_states_the_vocabulary_it_assumes(capsys, empty_folder):
    rows = plan(capsys)
    assert rows["vocabulary"] == ["1,024", "assumed: no tokenizer yet, --vocab-size not given"]
    with torch.device("meta"):
        model = TransformerLM(vocab_size=1024)
    assert rows["parameters"][0] == f"{model.num_parameters():,}"
    assert list(empty_folder.iterdir()) == []


def test_the_plan_follows_the_flags(capsys):
    flags = "--dataset owt --vocab-size 500 --d-model 64 --num-layers 2 --no-tie-embeddings"
    run = "--batch-size 3 --max-iters 7 --context-length 32 --dtype float32"
    rows = plan(capsys, *flags.split(), *run.split(), "--gradient-accumulation-steps=2")
    assert rows["vocabulary"] == ["500", "assumed, from --vocab-size"]
    assert rows["embedding"][0] == rows["head"][0] == f"{500 * 64:,}"
    assert rows["FLOPs of the run"][1] == "1,344 tokens: 7 steps of 192"
    config = ModelConfig(
        vocab_size=500, d_model=64, num_layers=2, context_length=32, tie_embeddings=False
    )
    assert rows["training"][0] == f"{row_flops(config).training / 32 / 1e3:.2f} k"
    assert "activations, float32" in rows
    assert "activations, bfloat16" not in rows
    assert rows["activations, float32"][1].startswith("estimate for 3 rows")


@pytest.fixture
def tokenizer():
    vocab, merges = train_bpe(texts=["low lower lowest slow slower"], vocab_size=264)
    return Tokenizer(vocab, merges, special_tokens=["<|endoftext|>"])


def test_a_tokenizer_that_is_there_decides_the_vocabulary(capsys, empty_folder, tokenizer):
    tokenizer.save("tok.json")
    rows = plan(capsys, "--tokenizer-path=tok.json")
    assert rows["vocabulary"] == [str(tokenizer.vocab_size), "that of `tok.json`"]
    (empty_folder / "data").mkdir()
    paths = "data/train-bpe-demo-vocab.json", "data/train-bpe-demo-merges.txt"
    tokenizer.save_gpt2(*paths)
    rows = plan(capsys)
    assert rows["vocabulary"] == [str(tokenizer.vocab_size), f"that of `{paths[0]}`"]
    with pytest.raises(SystemExit):
        pretrain.main(["--plan", "--vocab-size=300"])
    assert "--vocab-size asks for 300" in capsys.readouterr().err


def test_ones_own_text_is_not_even_opened(capsys):
    rows = plan(capsys, "--train-text-path=not-there.txt")
    assert rows["vocabulary"][0] == "4,096"


def test_planning_needs_no_torch(empty_folder):
    code = (
        "import sys; from nano_transformer.cli.pretrain import main; main(['--plan'])\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert "parameters" in done.stdout


def test_a_configuration_that_cannot_work_is_refused(capsys):
    with pytest.raises(SystemExit):
        pretrain.main(["--plan", "--num-kv-heads=3"])
    assert "`num_kv_heads` 3" in capsys.readouterr().err
