"""IMP's rule on a network of eight weights, and its forecast of rounds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from lth_bench import Layers, Mask, PerKind
from lth_bench.masks import Layer
from lth_strategies.imp import IMP

LAYERS = (Layer("a", "linear", (2, 2)), Layer("b", "output", (2, 2)))
WEIGHTS = Layers(
    {"a": torch.tensor([[0.1, -0.9], [-0.2, 0.4]]), "b": torch.tensor([[3.0, -2.0], [1.0, -4.0]])}
)


def ticket(mask, target, weights=WEIGHTS):
    return SimpleNamespace(mask=mask, target=target, trained=SimpleNamespace(weights=weights))


def test_the_smallest_trained_magnitudes_go_layer_by_layer():
    mask = IMP(PerKind(0.5, 0.5, 0.25)).select_mask(ticket(Mask.ones(LAYERS), 0.1))
    assert mask.kept["a"].tolist() == [[False, True], [False, True]]
    assert mask.kept["b"].tolist() == [[True, True], [False, True]]


def test_a_global_ranking_compares_layers():
    mask = IMP(PerKind(0.5, 0.5, 0.5), scope="global").select_mask(ticket(Mask.ones(LAYERS), 0.1))
    assert mask.kept["a"].tolist() == [[False, False], [False, False]]
    assert bool(mask.kept["b"].all())
    # a rate of 0 takes a layer out of the ranking
    mask = IMP(PerKind(0.5, 0.5, 0.0), scope="global").select_mask(ticket(Mask.ones(LAYERS), 0.7))
    assert mask.kept["a"].tolist() == [[False, True], [False, True]]
    assert bool(mask.kept["b"].all())


def test_pruned_weights_do_not_come_back_however_large():
    kept = {"a": torch.tensor([[True, False], [True, True]]), "b": torch.ones(2, 2).bool()}
    mask = IMP(PerKind(0.34, 0.34, 0.0)).select_mask(ticket(Mask(kept, layers=LAYERS), 0.7))
    # −0.9 is gone already; of 0.1, −0.2 and 0.4 the smallest goes
    assert mask.kept["a"].tolist() == [[False, False], [True, True]]


LADDER = (
    0.8004, 0.6406, 0.5128, 0.4105, 0.3287, 0.2632, 0.2107, 0.1688, 0.1352, 0.1083, 0.0868,
    0.0695, 0.0557, 0.0447, 0.0358,
)  # fmt: skip


@pytest.mark.parametrize(
    ("strategy", "densities", "rounds"),
    [
        (IMP(), LADDER, 15),
        (IMP(), (0.0358,), 15),
        (IMP(PerKind(0.4, 0.4, 0.4)), (0.5, 0.2, 0.05), 2 + 1 + 3),
        (IMP(PerKind(0.4, 0.4, 0.4)), (0.9,), 1),
    ],
)
def test_the_forecast_of_rounds(strategy, densities, rounds, lenet):
    counts = {x.name: x.numel for x in lenet}
    kinds = {x.name: x.kind for x in lenet}
    assert strategy.planned_fits(counts, kinds, densities, 700) == [700] * rounds


def test_densities_that_cannot_be_reached_are_not_in_the_forecast(lenet):
    counts = {x.name: x.numel for x in lenet}
    kinds = {x.name: x.kind for x in lenet}
    assert IMP(PerKind(0, 0, 0)).planned_fits(counts, kinds, (0.5,), 700) == []
    # fc2 and fc3 hold 31,000 weights, 11.6%; fc1 lands on .5 at once and needs two rounds to .2
    spare = IMP(PerKind(conv=0.5, linear=0.5, output=0.0))
    kinds["fc2"] = "output"
    assert spare.planned_fits(counts, kinds, (0.5, 0.2, 0.1, 0.05), 700) == [700] * 3


def test_a_rate_that_rounds_to_nothing_still_takes_a_weight():
    mask = Mask.ones(LAYERS)
    for left in range(7, 0, -1):
        mask = IMP(PerKind(0.01, 0.01, 0.01)).select_mask(ticket(mask, 0.1))
        assert mask.count == left
