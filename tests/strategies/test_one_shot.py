"""One-shot's counts by hand, and its rule."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from lth_bench import Layers, Mask, PerKind
from lth_bench.errors import Unreachable
from lth_bench.masks import Layer
from lth_strategies.one_shot import OneShot, one_shot_counts

SIZES = {"fc1": 235_200, "fc2": 30_000, "fc3": 1_000}
PAPER = {"fc1": 1.0, "fc2": 1.0, "fc3": 0.5}


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        # p = 133,100 / 265,700 leaves 117,378.70, 14,971.77 and 749.53
        (133_100, {"fc1": 117_379, "fc2": 14_972, "fc3": 749}),
        # p = 239,580 / 265,700 leaves 23,121.66, 2,949.19 and 549.15
        (26_620, {"fc1": 23_122, "fc2": 2_949, "fc3": 549}),
        (266_200, SIZES),
    ],
)
def test_lenet_s_output_layer_loses_half_the_rate(k, expected):
    counts = one_shot_counts(SIZES, PAPER, k)
    assert counts == expected
    assert sum(counts.values()) == k


@pytest.mark.parametrize(("shares", "least"), [(PAPER, 500), ({**PAPER, "fc3": 0.0}, 1_000)])
def test_an_emptied_layer_is_the_end(shares, least):
    assert one_shot_counts(SIZES, shares, least + 1)["fc3"] >= least
    with pytest.raises(Unreachable, match=r"cannot reach a density of .* in one step"):
        one_shot_counts(SIZES, shares, least)


def test_nothing_to_prune():
    with pytest.raises(Unreachable, match="leaves 1"):
        one_shot_counts(SIZES, dict.fromkeys(SIZES, 0.0), 100)


LAYERS = (Layer("a", "linear", (2, 3)), Layer("b", "output", (2, 2)))
WEIGHTS = Layers(
    {
        "a": torch.tensor([[0.1, -0.9, 0.3], [-0.2, 0.4, 7.0]]),
        "b": torch.tensor([[3.0, -2.0], [1.0, -4.0]]),
    }
)


def select(strategy, k):
    trained = SimpleNamespace(weights=WEIGHTS)
    ticket = SimpleNamespace(
        layers=LAYERS,
        target_count=k,
        mask=Mask.ones(LAYERS),
        dense=SimpleNamespace(trained=trained),
    )
    return strategy.select_mask(ticket)


def test_the_smallest_magnitudes_of_the_dense_run_go():
    # p = 4/8: a keeps 3, b keeps 4 · (1 − .25) = 3
    mask = select(OneShot(), 6)
    assert mask.kept["a"].tolist() == [[False, True, False], [False, True, True]]
    assert mask.kept["b"].tolist() == [[True, True], [False, True]]


def test_a_global_ranking():
    mask = select(OneShot(PerKind(1, 1, 1), scope="global"), 5)
    assert mask.kept["a"].tolist() == [[False, False, False], [False, False, True]]
    assert bool(mask.kept["b"].all())
    excluded = select(OneShot(PerKind(1, 1, 0), scope="global"), 5)
    assert bool(excluded.kept["b"].all())
    assert excluded.kept["a"].tolist() == [[False, False, False], [False, False, True]]
