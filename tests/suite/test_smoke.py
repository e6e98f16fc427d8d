from __future__ import annotations

import pytest

from lth_bench.params import build
from lth_bench.suite import load_suite, smoke
from lth_bench.suite.shipped import shipped
from lth_bench.suite.smoke import short
from lth_bench.training.recipe import Recipe


def test_the_same_grid_at_a_few_steps(write):
    full = load_suite(write())
    small = smoke(full)
    assert small.name == "demo-smoke"
    assert small.seeds == (0,)
    assert [(s.label, t.label) for s, t in small.pairs()] == [
        (s.label, t.label) for s, t in full.pairs()
    ]
    assert small.tasks[0].recipe["steps"] == 8


def test_the_two_densest_targets_below_one(write):
    path = write("[0.2, 0.5]", "[1, 0.2, 0.5, 0.1]")
    assert smoke(load_suite(path)).tasks[0].densities == (0.5, 0.2)


def test_lengths_shrink_in_proportion():
    recipe = {"epochs": 160, "schedule": "step", "milestones": [80, 120], "warmup": 16.0}
    assert short(recipe) == {
        "schedule": "step",
        "milestones": [4.0, 6.0],
        "warmup": 0.8,
        "steps": 8,
        "eval_every": 4,
        "val_size": 32,
        "batch_size": 16,
    }


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_stays_one(name):
    for task in smoke(load_suite(name)).tasks:
        assert build(Recipe, task.recipe, name).total_steps(1000) == 8
