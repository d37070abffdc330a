"""Learning rates against figures worked out by hand."""

import pytest

from nano_transformer.errors import ConfigError
from nano_transformer.training.config import OptimizerConfig, TrainerConfig
from nano_transformer.training.schedule import learning_rate, peak_learning_rate


def rates(schedule: str, warmup: int, steps: int) -> list[float]:
    config = OptimizerConfig(lr_schedule=schedule, warmup_iters=warmup)
    return [learning_rate(config, 1.0, step, steps) for step in range(steps)]


def test_linear_rises_from_its_first_step_and_falls_on_a_line():
    expected = [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]
    assert rates("linear", 4, 8) == pytest.approx(expected)


def test_cosine_passes_half_of_the_peak_half_way():
    values = rates("cosine", 0, 100)
    assert values[0] == pytest.approx(1.0)
    assert values[50] == pytest.approx(0.5)
    assert values[99] == pytest.approx(0.000246719, abs=1e-8)


def test_constant_stays():
    assert rates("constant", 2, 5) == pytest.approx([0.5, 1, 1, 1, 1])


def test_the_default_run_is_not_scaled_and_four_times_the_batch_doubles_the_rate():
    config = TrainerConfig()
    assert peak_learning_rate(config.optimizer, config.tokens_per_step) == 3e-3
    larger = TrainerConfig(gradient_accumulation_steps=4)
    assert peak_learning_rate(larger.optimizer, larger.tokens_per_step) == pytest.approx(6e-3)
    unscaled = OptimizerConfig(scale_lr_with_batch_size=False)
    assert peak_learning_rate(unscaled, 10**6) == 3e-3


def test_warm_up_is_50_steps_at_most_a_tenth_of_the_run():
    derived = [TrainerConfig(max_iters=n).resolve().optimizer.warmup_iters for n in (5, 90, 9000)]
    assert derived == [0, 9, 50]


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: OptimizerConfig(learning_rate=float("nan")), "`learning_rate`"),
        (lambda: OptimizerConfig(beta2=1.0), "`beta2`"),
        (lambda: OptimizerConfig(weight_decay=-0.1), "`weight_decay`"),
        (
            lambda: TrainerConfig(max_iters=50, optimizer=OptimizerConfig(warmup_iters=50)),
            "`warmup_iters` 50",
        ),
        (lambda: TrainerConfig(batch_size=0), "`batch_size`"),
        (lambda: TrainerConfig(grad_clip=-1.0), "`grad_clip`"),
    ],
)
def test_values_out_of_range_are_refused_by_name(make, word):
    with pytest.raises(ConfigError, match=word):
        make()
