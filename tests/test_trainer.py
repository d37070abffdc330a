"""Training runs: exact resume, evaluation by hand, signals, and what is refused."""

import math
import os
import signal
import threading

import pytest
import torch
from torch.nn import functional as F

from nano_transformer import ModelConfig, Trainer, TrainerConfig, TransformerLM, load_run
from nano_transformer.cli import pretrain
from nano_transformer.data.batches import Batch
from nano_transformer.data.prepare import prepare_pretraining_data
from nano_transformer.errors import CheckpointError, ConfigError, DataError, NanoTransformerError
from nano_transformer.evaluation.losses import evaluate
from nano_transformer.tokenization import Tokenizer, train_bpe
from nano_transformer.training.checkpointing import load_checkpoint
from nano_transformer.training.config import OptimizerConfig
from nano_transformer.training.devices import autocast, choose_device
from nano_transformer.training.metrics import MetricsFile, read_metrics
from nano_transformer.training.optimizers import create_optimizer
from nano_transformer.training.signals import TrainingInterrupted
from nano_transformer.training.step import train_step

TEXT = "".join(
    f"Mia had {n} red hats. She gave one to Tom, and then there were {n - 1}.\n<|endoftext|>\n"
    for n in range(1, 301)
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "text.txt").write_text(TEXT)
    return prepare_pretraining_data(folder / "text.txt", data_dir=folder, vocab_size=300)


def make_model(data, **fields) -> TransformerLM:
    torch.manual_seed(5)
    sizes = dict(context_length=16, d_model=32, num_layers=2, num_heads=2)
    return TransformerLM(ModelConfig(vocab_size=data.tokenizer.vocab_size, **{**sizes, **fields}))


def make_trainer(data, output_dir, *, model=None, warmup_iters=4, **fields) -> Trainer:
    defaults = dict(
        batch_size=4,
        context_length=16,
        max_iters=12,
        eval_interval=4,
        eval_iters=2,
        log_interval=1,
        device="cpu",
        optimizer=OptimizerConfig(learning_rate=0.03, warmup_iters=warmup_iters),
        output_dir=output_dir,
    )
    config = TrainerConfig(**{**defaults, **fields})
    return Trainer(model or make_model(data), data.train_dataset, data.valid_dataset, config)


def history(folder) -> list[dict]:
    return [
        {key: value for key, value in row.items() if key != "tokens_per_second"}
        for row in read_metrics(folder / "metrics.jsonl")
    ]


def weights(folder) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "latest.pt")["model"]


def assert_same(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_resume_gives_the_same_losses_and_weights_as_an_unbroken_run(data, tmp_path, dtype):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    make_trainer(data, whole, dtype=dtype).train()
    for stop_after in (4, 8, 12):  # saved at 4, at 8, and to the end
        trainer = make_trainer(
            data, broken, dtype=dtype, resume_from=broken if stop_after > 4 else None
        )
        take_step = trainer._take_step

        def stopping(rate, trainer=trainer, take_step=take_step, stop_after=stop_after):
            # A kill between two checkpoints: the steps past the last one are lost.
            if trainer.step == min(stop_after + 2, 12):
                raise KeyboardInterrupt
            return take_step(rate)

        trainer._take_step = stopping
        if stop_after < 12:
            with pytest.raises(KeyboardInterrupt):
                trainer.train()
        else:
            trainer.train()
    assert history(broken) == history(whole)
    assert_same(weights(broken), weights(whole))


def test_a_run_resumed_into_another_folder_leaves_the_first_as_it_was(data, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    make_trainer(data, first, max_iters=8).train()
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    make_trainer(data, second, resume_from=first, max_iters=12).train()
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    assert [row["step"] for row in history(second) if "loss" in row] == list(range(1, 13))
    assert load_run(second).step in (8, 12)
    with pytest.raises(CheckpointError, match="already holds a run"):
        make_trainer(data, second, resume_from=first)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(data, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_trainer(data, tmp_path / name, seed=seed).train()
    assert history(tmp_path / "a") == history(tmp_path / "b") != history(tmp_path / "c")


def test_training_lowers_the_loss_from_ln_v(data, tmp_path):
    result = make_trainer(data, tmp_path / "run", max_iters=60, warmup_iters=5).train()
    rows = [row for row in history(tmp_path / "run") if "loss" in row]
    assert abs(rows[0]["loss"] - math.log(300)) < 0.1
    assert result.valid_loss < 0.5 * math.log(300)


def test_accumulation_is_the_same_step_as_one_large_batch(data):
    rows = torch.arange(8 * 17).view(8, 17) % 300
    targets = rows[:, 1:].clone()
    targets[0, 3:], targets[5, :9] = -100, -100  # micro-batches with unequal numbers of targets
    batch = Batch(rows[:, :-1], targets, torch.zeros(8, 16, dtype=torch.long))
    results = []
    for size in (8, 4, 1):
        model = make_model(data).double()
        optimizer = create_optimizer(model, OptimizerConfig())
        micro_batches = [
            Batch(*parts) for parts in zip(*(x.split(size) for x in batch), strict=True)
        ]
        step = train_step(
            model,
            optimizer,
            micro_batches,
            learning_rate=0.01,
            grad_clip=0.5,
            device=torch.device("cpu"),
            precision=autocast(torch.device("cpu"), torch.float32),
        )
        results.append((step, model.state_dict()))
    for step, state in results[1:]:
        assert step.loss == pytest.approx(results[0][0].loss, rel=1e-6)
        assert step.grad_norm == pytest.approx(results[0][0].grad_norm, rel=1e-6)
        # Losses are summed in float32, so equality ends near 1e-7 however exact the weights are.
        torch.testing.assert_close(state, results[0][1], rtol=1e-4, atol=1e-6)


def test_the_gradient_is_clipped_to_the_norm_asked_for(data):
    model = make_model(data)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    batch = Batch(*(torch.arange(32).view(2, 16) for _ in range(3)))
    step = train_step(
        model,
        optimizer,
        [batch],
        learning_rate=1.0,
        grad_clip=0.01,
        device=torch.device("cpu"),
        precision=autocast(torch.device("cpu"), torch.float32),
    )
    change = [(tensor - before[name]).square().sum() for name, tensor in model.state_dict().items()]
    assert step.grad_norm > 0.01
    assert math.sqrt(sum(change)) == pytest.approx(0.01, rel=1e-3)


def test_only_matrices_that_are_no_embeddings_decay(data):
    model = make_model(data)
    decaying, others = create_optimizer(model, OptimizerConfig(weight_decay=0.3)).param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decaying_names = {names[id(parameter)] for parameter in decaying["params"]}
    assert decaying_names == {
        f"blocks.{layer}.{matrix}.weight"
        for layer in (0, 1)
        for matrix in (
            "attention.qkv",
            "attention.out",
            "feed_forward.gate_up",
            "feed_forward.down",
        )
    }
    assert len(decaying["params"]) + len(others["params"]) == len(names)


def test_bits_per_byte_counts_text_only(data):
    model = make_model(data).double()
    stop = data.tokenizer.end_of_text_id
    tokens = torch.tensor([[stop, *data.tokenizer.encode("Mia had 3 red hats."), stop]])
    batch = Batch(tokens[:, :-1], tokens[:, 1:], torch.zeros_like(tokens[:, 1:]))
    lengths = torch.from_numpy(data.tokenizer.token_byte_lengths())
    cpu = torch.device("cpu")
    found = evaluate(
        model, [batch, batch], lengths, device=cpu, precision=autocast(cpu, torch.float32)
    )
    log_probabilities = F.log_softmax(model(tokens[:, :-1])[0], dim=-1)
    nats = [-log_probabilities[i, token].item() for i, token in enumerate(tokens[0, 1:])]
    assert found.loss == pytest.approx(sum(nats) / len(nats), rel=1e-6)
    assert found.text_bytes == 2 * len("Mia had 3 red hats.")
    bits = sum(nats[:-1]) / math.log(2) / len("Mia had 3 red hats.")
    assert found.bits_per_byte == pytest.approx(bits, rel=1e-6)


def test_what_a_killed_writer_left_is_removed_by_the_next_run(data, tmp_path):
    (tmp_path / "run").mkdir()
    leftover = tmp_path / "run" / ".latest.pt.12345.partial"
    leftover.write_bytes(b"half a checkpoint")
    make_trainer(data, tmp_path / "run", max_iters=5).train()
    assert not leftover.exists()
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]


def test_load_run_gives_back_the_model_and_its_tokenizer(data, tmp_path):
    trainer = make_trainer(data, tmp_path / "run")
    trainer.train()
    moved = tmp_path / "elsewhere"
    (tmp_path / "run").rename(moved)
    run = load_run(moved / "latest.pt")
    tokens = torch.randint(0, 300, (1, 9))
    assert torch.equal(run.model(tokens), trainer.model(tokens))
    assert run.tokenizer == data.tokenizer
    assert (run.step, run.model_config) == (12, trainer.model.config)
    assert load_run(moved).checkpoint_path.name == "best.pt"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_step_at_hand_and_resume_ends_like_an_unbroken_run(
    data, tmp_path, number
):
    make_trainer(data, tmp_path / "whole").train()
    trainer = make_trainer(data, tmp_path / "run")
    take_step = trainer._take_step

    def signalled(rate):
        if trainer.step == 5:
            os.kill(os.getpid(), number)
        return take_step(rate)

    trainer._take_step = signalled
    with pytest.raises(TrainingInterrupted) as stop:
        trainer.train()
    assert stop.value.signal_number == number
    assert load_checkpoint(tmp_path / "run" / "latest.pt")["step"] == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    make_trainer(data, tmp_path / "run", resume_from=tmp_path / "run").train()
    assert_same(weights(tmp_path / "run"), weights(tmp_path / "whole"))
    assert history(tmp_path / "run") == history(tmp_path / "whole")


def test_training_works_outside_the_main_thread(data, tmp_path):
    thread = threading.Thread(target=make_trainer(data, tmp_path / "run", max_iters=5).train)
    thread.start()
    thread.join()
    assert load_run(tmp_path / "run" / "latest.pt").step == 5


def test_a_gradient_that_is_not_finite_stops_the_run_and_changes_nothing(data, tmp_path):
    model = make_model(data)
    trainer = make_trainer(data, tmp_path / "run", model=model)
    take_step = trainer._take_step
    kept = {}

    def poisoned(rate):
        if trainer.step == 6:
            hook = model.final_norm.weight.register_hook(lambda gradient: gradient * math.nan)
            kept.update({name: tensor.clone() for name, tensor in model.state_dict().items()})
            try:
                return take_step(rate)
            finally:
                hook.remove()
        return take_step(rate)

    trainer._take_step = poisoned
    with pytest.raises(NanoTransformerError, match=r"diverged at step 7.*--learning-rate"):
        trainer.train()
    assert_same(model.state_dict(), kept)
    assert load_checkpoint(tmp_path / "run" / "latest.pt")["step"] == 4


def test_an_output_folder_with_a_run_is_refused_with_the_two_ways_on(data, tmp_path):
    make_trainer(data, tmp_path / "run", max_iters=5).train()
    with pytest.raises(CheckpointError, match=r"--resume-from .*--overwrite"):
        make_trainer(data, tmp_path / "run")
    make_trainer(data, tmp_path / "run", max_iters=6, overwrite=True).train()
    assert [row["step"] for row in history(tmp_path / "run") if "loss" in row] == [1, 2, 3, 4, 5, 6]


def test_a_run_of_another_model_or_other_data_is_refused(data, tmp_path):
    make_trainer(data, tmp_path / "run", max_iters=5).train()
    wider = make_model(data, d_model=64)
    with pytest.raises(CheckpointError, match="another model"):
        make_trainer(data, tmp_path / "new", model=wider, resume_from=tmp_path / "run")
    swapped = data._replace(train_dataset=data.valid_dataset, valid_dataset=data.train_dataset)
    with pytest.raises(CheckpointError, match="`train_data_digest`"):
        make_trainer(swapped, tmp_path / "new", resume_from=tmp_path / "run")
    with pytest.raises(ConfigError, match="`max_iters` 4"):
        make_trainer(
            data, tmp_path / "run", max_iters=4, warmup_iters=0, resume_from=tmp_path / "run"
        )


def test_another_tokenizer_beside_a_checkpoint_is_refused(data, tmp_path):
    make_trainer(data, tmp_path / "run", max_iters=5).train()
    other = Tokenizer(*train_bpe(texts=["another text"], vocab_size=260), ["<|endoftext|>"])
    other.save(tmp_path / "run" / "tokenizer.nanot.json")
    with pytest.raises(CheckpointError, match="another tokenizer"):
        load_run(tmp_path / "run")


def test_the_tokenizer_of_a_run_is_loaded_from_its_folder(data, tmp_path):
    make_trainer(data, tmp_path / "run", max_iters=5).train()
    assert Tokenizer.load(tmp_path / "run") == data.tokenizer


def test_the_command_does_not_guess_the_text_of_a_run_made_through_the_library(data, tmp_path):
    make_trainer(data, tmp_path / "run", max_iters=5).train()
    with pytest.raises(ConfigError, match="trained through the library"):
        pretrain.parse_flags(["--resume-from", str(tmp_path / "run")])


def test_sizes_that_contradict_each_other_are_refused(data, tmp_path):
    with pytest.raises(ConfigError, match=r"`context_length` 32 exceeds the model's 16"):
        make_trainer(data, tmp_path, context_length=32)
    small = TransformerLM(vocab_size=299, context_length=16, d_model=32, num_heads=2)
    with pytest.raises(ConfigError, match=r"299 is smaller than the tokenizer's 300"):
        make_trainer(data, tmp_path, model=small)
    longer = make_model(data, context_length=100_000)
    with pytest.raises(DataError, match=r"context_length \+ 1 = 100001"):
        make_trainer(data, tmp_path, model=longer, context_length=100_000)


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_step(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"cannot be written.*is no folder"):
        make_trainer(data, tmp_path / "file" / "run")
    trainer = make_trainer(data, tmp_path / "run")
    (tmp_path / "run").write_text("meanwhile")
    with pytest.raises(CheckpointError, match="cannot be written"):
        trainer.train()
    assert trainer.step == 0


def test_folders_without_a_run_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load_run(tmp_path / "none")
    with pytest.raises(CheckpointError, match=r"holds no run.*best.pt, latest.pt"):
        load_run(tmp_path)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"`device` 'tpu9'.*auto, cpu, cuda or mps"):
        choose_device("tpu9")


def test_metrics_hold_null_for_what_is_not_finite_and_drop_what_was_not_finished(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metrics = MetricsFile(path)
    for step in (1, 2, 3):
        metrics.append({"step": step, "loss": math.nan if step == 2 else 1.0})
    with path.open("a") as file:
        file.write('{"step": 4, "lo')
    assert [row["loss"] for row in read_metrics(path)] == [1.0, None, 1.0]
    MetricsFile(path, continued=path, keep_through_step=2).append({"step": 3, "loss": 9.0})
    assert [row["loss"] for row in read_metrics(path)] == [1.0, None, 9.0]


def test_progress_lines_come_while_training_and_name_speed_and_rest(data, tmp_path, caplog):
    with caplog.at_level("INFO", logger="nano_transformer"):
        make_trainer(data, tmp_path / "run").train()
    lines = [record.getMessage() for record in caplog.records]
    assert any("step  5/12 | loss " in line and "tok/s | eta 0:0" in line for line in lines)
    assert any("step 12/12 | train loss" in line and "bits per byte" in line for line in lines)
