from __future__ import annotations

import pytest

from lth_bench.errors import NothingSelected, UserError
from lth_bench.params import build
from lth_bench.suite import load_suite, smoke
from lth_bench.suite.select import parse_seeds, short
from lth_bench.suite.source import shipped
from lth_bench.training.recipe import Recipe


def names(suite):
    return [(s.label, t.model.name) for s, t in suite.pairs()]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"strategies": ["imp"]}, [("imp", "conv"), ("imp", "mlp")]),
        ({"strategies": ["snip"]}, [("snip-big", "mlp")]),
        ({"strategies": ["snip-big", "imp"], "models": ["conv"]}, [("imp", "conv")]),
        ({"models": ["mlp(hidden=[30])"]}, [("imp", "mlp"), ("snip-big", "mlp")]),
        ({"datasets": ["digits"], "models": ["conv"]}, [("imp", "conv")]),
    ],
)
def test_filters_keep_names_and_labels(write, filters, left):
    assert names(load_suite(write(), **filters)) == left


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"strategies": ["ipm"]}, "no strategy 'ipm'; did you mean 'imp'"),
        ({"models": ["mlp", "mpl"]}, "no model 'mpl'; did you mean 'mlp'"),
        ({"datasets": ["cifar10"]}, "no dataset 'cifar10'; choose from: digits"),
        ({"strategies": ["snip"], "models": ["conv"]}, "no experiments for -s snip -m conv"),
    ],
)
def test_selecting_nothing_has_its_own_exit_code(write, filters, message):
    with pytest.raises(NothingSelected, match=message) as caught:
        load_suite(write(), **filters)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        ("3", (0, 1, 2)),
        ("0,4, 7", (0, 4, 7)),
        ("5,", (5,)),
        ([9, 2], (9, 2)),
    ],
)
def test_seeds(write, given, seeds):
    assert parse_seeds(given) == seeds
    assert load_suite(write(), seeds=given).seeds == seeds


@pytest.mark.parametrize(
    "given", ["", "0", "-1", "a", "1,a", "1.5", "1,1", ",", "2147483648,", "99999", "²", [], [1.5]]
)
def test_seeds_refused(given):
    with pytest.raises(UserError, match="seeds"):
        parse_seeds(given)


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


def test_a_short_batch_can_be_shared_out():
    assert short({"steps": 9, "batch_size": 4096, "devices": 6})["batch_size"] == 12
    assert short({"steps": 9, "batch_size": 200, "devices": 20})["batch_size"] == 20


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_stays_valid(name):
    for task in smoke(load_suite(name)).tasks:
        assert build(Recipe, task.recipe, name).total_steps(1000) == 8
