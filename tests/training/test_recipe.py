"""Learning rates against values worked by hand, and recipes that make no sense."""

from __future__ import annotations

import pytest

from lth_bench.errors import UserError
from lth_bench.params import build, canonical
from lth_bench.training.recipe import LearningRate, Recipe, ResizedCrop


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


def test_cosine_and_linear_may_end_above_zero():
    cosine = Recipe(lr=1.0, steps=10, schedule="cosine", final_lr=0.2)
    assert rates(cosine, [0, 5]) == pytest.approx([1.0, 0.6])
    linear = Recipe(lr=1.0, steps=12, schedule="linear", warmup=2, final_lr=0.5)
    assert rates(linear, [0, 1, 2, 7, 11, 50]) == pytest.approx([0.5, 1.0, 1.0, 0.75, 0.55, 0.55])


@pytest.mark.parametrize("length", [{"epochs": 4}, {"steps": 40}])
@pytest.mark.parametrize("factor", [5, 2, 0.5])
def test_stretched(length, factor):
    """The same curve over twice, five times, half the steps."""
    unit = 10 if "steps" in length else 1
    recipe = Recipe(
        lr=0.1, batch_size=100, schedule="step", milestones=(2 * unit, 3 * unit), warmup=unit / 2,
        **length,
    )  # fmt: skip
    longer = LearningRate(recipe.stretched(factor, 1000), 1000)
    assert longer.total == 40 * factor
    assert longer.milestones == [20 * factor, 30 * factor]
    assert longer.warmup in (round(5 * factor), 5 * factor // 1)
    before = int(20 * factor) - 1
    assert [longer.lr(before), longer.lr(before + 1)] == pytest.approx([0.1, 0.01])
    cosine = Recipe(lr=0.1, batch_size=100, schedule="cosine", **length)
    halfway = rates(cosine.stretched(factor, 1000), [int(20 * factor)])
    assert halfway == pytest.approx([0.05])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "exactly one of steps and epochs"),
        ({"steps": 1, "epochs": 1.0}, "exactly one of steps and epochs"),
        ({"steps": 9, "milestones": (3,)}, "schedule 'step'"),
        ({"steps": 9, "schedule": "step", "milestones": (5, 3)}, "must be increasing"),
        ({"steps": 9, "warmup": 10}, "warmup must be at most"),
        ({"steps": 9, "final_lr": 0.01}, "end of schedule 'cosine' or 'linear', at most lr = 0.1"),
        ({"steps": 9, "schedule": "cosine", "final_lr": 0.2}, "at most lr = 0.1, but got 0.2"),
        ({"steps": 9, "nesterov": True}, "momentum above 0"),
        ({"steps": 9, "optimizer": "adam", "momentum": 0.9}, "requires optimizer .sgd."),
        ({"steps": 9, "batch_size": 100, "devices": 8}, "batch_size = 100 and devices = 8"),
        ({"steps": 9, "crop": 4, "resized_crop": ResizedCrop()}, "crop = 4 and resized_crop"),
        ({"steps": 9, "bits": 8, "devices": 2}, "bits = 8 is simulated on one device"),
    ],
)
def test_recipes_that_make_no_sense(fields, says):
    with pytest.raises(ValueError, match=says):
        Recipe(**fields)


def test_devices_are_part_of_the_identity_and_one_is_left_out():
    one, two = Recipe(steps=9, batch_size=64), Recipe(steps=9, batch_size=64, devices=2)
    assert canonical(one).keys() == {"steps", "batch_size"}
    assert canonical(two) == {**canonical(one), "devices": 2}
    assert two.of_one_device == Recipe(steps=9, batch_size=32)
    assert one.of_one_device == one


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (
            {"scale": [0.0, 1.0]},
            r"resized_crop.scale\[0\] must be a number in \(0, 1\], but got 0.0",
        ),
        ({"scale": [0.5, 1.5]}, r"resized_crop.scale\[1\] must be .* but got 1.5"),
        ({"scale": [0.9, 0.5]}, r"resized_crop: scale .* got \[0.9, 0.5\]; write \[0.5, 0.9\]"),
        ({"scale": [0.5]}, "resized_crop.scale must be a list of 2"),
        ({"ratio": [-1, 2]}, r"resized_crop.ratio\[0\] must be a number > 0, but got -1"),
        ({"ratio": [2, 1]}, r"resized_crop: ratio .* got \[2.0, 1.0\]; write \[1.0, 2.0\]"),
        ({"area": [0.5, 1]}, "unknown key resized_crop.area"),
        (True, "resized_crop must be a table of scale, ratio, but got true"),
    ],
)
def test_boxes_that_make_no_sense(table, says):
    with pytest.raises(UserError, match=says):
        build(Recipe, {"steps": 9, "resized_crop": table})


def test_crops_of_random_size_are_part_of_the_identity_and_none_are_left_out():
    """So recipes that do not set them keep theirs."""
    usual = build(Recipe, {"steps": 9, "resized_crop": {}})
    assert usual.resized_crop == ResizedCrop(scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3))
    assert canonical(usual) == {"steps": 9, "resized_crop": {}}
    assert canonical(Recipe(steps=9)) == {"steps": 9}
    other = build(Recipe, {"steps": 9, "resized_crop": {"scale": [0.25, 1]}})
    assert canonical(other) == {"steps": 9, "resized_crop": {"scale": [0.25, 1.0]}}
    assert build(Recipe, canonical(other)) == other
