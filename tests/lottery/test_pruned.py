"""The metric of a mask before any rewinding: `pruned_accuracy`."""

from __future__ import annotations

import pytest
import torch

from lth_bench.masks import PerKind
from lth_bench.models.mlp import MLP
from lth_bench.training.input.resident import ResidentSplit
from lth_bench.training.recipe import Recipe
from lth_strategies.gradual import Gradual
from lth_strategies.imp import IMP
from lth_strategies.one_shot import OneShot
from lth_strategies.snip import SNIP

NET = MLP(hidden=(12, 8))
RECIPE = Recipe(lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=10)
HALVE = IMP(PerKind.of(0.5))


def accuracy(bench, arrays, values, mask) -> float:
    """On the test split, of the values under the mask."""
    masked = {key: value.clone() for key, value in values.items()}
    for key, kept in mask.items_by_key().items():
        masked[key][~kept] = 0
    bench.network.load(masked)
    split = ResidentSplit(arrays.test_x, arrays.test_y)
    return bench.network.evaluate(split, bench.data, bench.dense_mask()).metrics["accuracy"]


def test_it_is_of_the_trained_values_under_the_next_mask(make_bench, run_rounds, blobs) -> None:
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, HALVE, (0.5, 0.25), ["reinit"])
    fits = [bench.fit(request) for request in story.requests]  # found, not trained again
    dense, first, second = (fits[i] for i in (0, 1, 3))
    wanted = [
        accuracy(bench, blobs, behind.values, ticket.mask)
        for behind, ticket in ((dense, first), (first, second))
    ]
    found = [record["metrics"]["pruned_accuracy"] for record in story.reported()]
    assert found == pytest.approx(wanted)
    assert found[0] != pytest.approx(story.reported()[0]["metrics"]["test_accuracy"])
    for record in story.reported("reinit"):
        assert "pruned_accuracy" not in record["metrics"]


def test_it_costs_no_training_and_changes_no_value(make_bench, run_rounds) -> None:
    story = run_rounds(make_bench(NET, RECIPE), OneShot(), (0.5,))
    (row,) = story.reported()
    dense, ticket = story.requests
    assert 0 < row["metrics"]["pruned_accuracy"] <= 1
    assert (row["cost"]["search_steps"], row["cost"]["steps"]) == (20, 20)
    kept = ticket.mask.items_by_key()
    for key, start in ticket.values.items():
        assert torch.equal(start, dense.values[key] * kept[key] if key in kept else start)


@pytest.mark.parametrize("strategy", [SNIP(batch_size=20), Gradual()])
def test_masks_that_prune_nothing_trained_have_none(strategy, make_bench, run_rounds) -> None:
    (row,) = run_rounds(make_bench(NET, RECIPE), strategy, (0.5,)).reported()
    assert "pruned_accuracy" not in row["metrics"]
    assert "test_accuracy" in row["metrics"]
