"""Learning rates against values worked by hand, and recipes that make no sense."""

from __future__ import annotations

import pytest

from lth_bench.training.recipe import LearningRate, Recipe


def rates(recipe, steps, train_size=1000):
    schedule = LearningRate(recipe, train_size)
    return [schedule.lr(s) for s in steps]


def test_constant():
    assert rates(Recipe(lr=0.5, steps=10), [0, 9, 50]) == [0.5, 0.5, 0.5]


def test_step_drops_at_its_milestones_and_holds_beyond_the_end():
    recipe = Recipe(lr=0.1, steps=100, schedule="step", milestones=(50, 75))
    assert rates(recipe, [0, 49, 50, 74, 75, 99, 1000]) == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.001]
    )


def test_milestones_in_epochs():
    # 1000 examples in batches of 100: 10 steps an epoch
    recipe = Recipe(lr=0.1, epochs=4, batch_size=100, schedule="step", milestones=(2, 3))
    assert rates(recipe, [19, 20, 29, 30]) == pytest.approx([0.1, 0.01, 0.01, 0.001])
    assert LearningRate(recipe, 1000).total == 40


def test_an_epoch_drops_its_short_last_batch():
    assert Recipe(epochs=2, batch_size=300).total_steps(1000) == 6


def test_cosine_and_linear_after_warm_up():
    cosine = Recipe(lr=1.0, steps=12, schedule="cosine", warmup=4)
    assert rates(cosine, [0, 1, 3, 4, 8]) == pytest.approx([0.25, 0.5, 1.0, 1.0, 0.5])
    linear = Recipe(lr=1.0, steps=12, schedule="linear", warmup=4)
    assert rates(linear, [3, 4, 8, 11]) == pytest.approx([1.0, 1.0, 0.5, 0.125])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "exactly one of steps and epochs"),
        ({"steps": 1, "epochs": 1.0}, "exactly one of steps and epochs"),
        ({"steps": 9, "milestones": (3,)}, "schedule 'step'"),
        ({"steps": 9, "schedule": "step", "milestones": (5, 3)}, "must be increasing"),
        ({"steps": 9, "warmup": 10}, "warmup must be at most"),
        ({"steps": 9, "nesterov": True}, "momentum above 0"),
        ({"steps": 9, "optimizer": "adam", "momentum": 0.9}, "requires optimizer .sgd."),
    ],
)
def test_recipes_that_make_no_sense(fields, says):
    with pytest.raises(ValueError, match=says):
        Recipe(**fields)
