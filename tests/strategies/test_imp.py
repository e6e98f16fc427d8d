"""IMP's rule on a network of eight weights."""

from __future__ import annotations

from types import SimpleNamespace

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


def test_a_rate_that_rounds_to_nothing_still_takes_a_weight():
    mask = Mask.ones(LAYERS)
    for left in range(7, 0, -1):
        mask = IMP(PerKind(0.01, 0.01, 0.01)).select_mask(ticket(mask, 0.1))
        assert mask.count == left
