"""Random masks: exact, nested over densities, a function of the seed."""

from __future__ import annotations

from functools import partial

import pytest

from lth_bench.masks import er, erk, smart_ratio
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.random import Random


@pytest.fixture
def bench(make_bench):
    return make_bench(MLP(hidden=(30, 10)), Recipe(steps=5, batch_size=20, val_size=60))


@pytest.mark.parametrize("density", [0.9, 0.5, 0.123, 0.01])
def test_uniform_keeps_the_same_share_of_every_layer(density, bench, make_ticket):
    mask = Random().select_mask(make_ticket(bench, density))
    assert mask.count == round(density * 1_410)
    for layer, kept in zip(bench.layers, mask.kept_per_layer().values(), strict=True):
        assert abs(kept - density * layer.numel) <= 1


@pytest.mark.parametrize("density", [0.5, 0.1])
@pytest.mark.parametrize(
    ("allocation", "counts"),
    [
        ("er", er),
        ("erk", erk),
        ("smart_ratio", smart_ratio),
        ("smart_ratio_vgg", partial(smart_ratio, divided=True)),
    ],
)
def test_counts_are_the_allocation_s(allocation, counts, density, bench, make_ticket):
    mask = Random(allocation=allocation).select_mask(make_ticket(bench, density))
    assert mask.count == round(density * 1_410)
    assert mask.kept_per_layer() == counts(bench.layers, mask.count)


def test_sparser_masks_lie_within_denser_ones_and_seeds_differ(bench, make_ticket):
    masks = [Random().select_mask(make_ticket(bench, d)) for d in (0.9, 0.5, 0.1)]
    assert masks[0] & masks[1] == masks[1]
    assert masks[1] & masks[2] == masks[2]
    assert Random().select_mask(make_ticket(bench, 0.5, seed=1)) != masks[1]
    assert Random().select_mask(make_ticket(bench, 0.5)) == masks[1]


def test_places_do_not_depend_on_the_values(bench, make_ticket):
    """About half of the largest half of the weights is kept."""
    ticket = make_ticket(bench, 0.5)
    mask = Random().select_mask(ticket)
    weight = ticket.initial.weights["fc1"].abs()
    large = weight > weight.median()
    share = (mask.kept["fc1"] & large).sum() / large.sum()
    assert 0.42 < float(share) < 0.58  # 540 fair draws: four deviations
