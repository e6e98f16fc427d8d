"""Magnitude at initialisation: the largest initial values, over all layers or within each."""

from __future__ import annotations

import pytest
import torch

from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.magnitude_init import MagnitudeInit


@pytest.fixture
def ticket(make_bench, make_ticket):
    recipe = Recipe(steps=5, batch_size=20, val_size=60)
    return make_ticket(make_bench(MLP(hidden=(30, 10)), recipe), 0.2)


def test_the_largest_initial_weights_of_the_network(ticket):
    mask = MagnitudeInit().select_mask(ticket)
    flat = ticket.initial.weights.flat().abs()
    kept = torch.cat([mask.kept[x.name].flatten() for x in ticket.layers])
    assert mask.count == ticket.target_count == round(0.2 * 1_410)
    assert float(flat[kept].min()) >= float(flat[~kept].max())
    # fc1's fan-in of 36 makes its values the smallest
    counts = mask.kept_per_layer()
    assert counts["fc1"] / 1_080 < counts["fc2"] / 300 < counts["fc3"] / 30
    assert ticket.ledger.search == ticket.ledger.train == []


def test_within_layers_every_layer_keeps_the_same_share(ticket):
    mask = MagnitudeInit(scope="layer").select_mask(ticket)
    for layer in ticket.layers:
        magnitude, kept = ticket.initial.weights[layer.name].abs(), mask.kept[layer.name]
        assert int(kept.sum()) == round(0.2 * layer.numel)
        assert float(magnitude[kept].min()) >= float(magnitude[~kept].max())
