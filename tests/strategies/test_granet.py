"""GraNet's ramp and regeneration, worked by hand."""

from __future__ import annotations

import pytest
import torch

from lth_bench import Layers, Mask, polynomial_density
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.granet import GraNet, regenerate


def test_the_ramp_in_four_updates():
    """From 0.5 to 0.1."""
    found = [polynomial_density(t, 4, 0.1, 0.5) for t in range(5)]
    assert found == pytest.approx([0.5, 0.26875, 0.15, 0.10625, 0.1])


def test_regeneration():
    """Of 5 weights ⌈0.3 · 5⌉ = 2 go, 0.1 and −0.2; the largest gradients outside are at 5 and, of
    the places just left, at 1.
    """
    weight = Layers({"a": torch.tensor([3.0, 0.1, -2.0, -0.2, 1.0, 0.0, 0.0, 0.0])})
    gradient = Layers({"a": torch.tensor([9.0, -5.0, 9.0, 0.5, 9.0, 6.0, 1.0, -2.0])})
    mask = Mask({"a": torch.tensor([True] * 5 + [False] * 3)})
    after = regenerate(weight, gradient, mask, 0.3)
    assert after.kept["a"].nonzero().flatten().tolist() == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("initial", [0.5, 1.0, 0.1])
def test_counts_during_training(initial, make_bench, make_ticket):
    recipe = Recipe(lr=0.2, momentum=0.9, steps=20, batch_size=20, val_size=60, eval_every=10)
    bench = make_bench(MLP(hidden=(8,)), recipe)  # 312 weights
    ticket = make_ticket(bench, target=0.25)
    strategy = GraNet(initial_density=initial, updates=10, end=0.4)
    start = strategy.select_mask(ticket)
    first = max(initial, 0.25)
    assert start.count == round(first * 312)
    counts = []

    def watch(view):
        change = strategy.update(ticket, 2, view)
        counts.append(view.mask.count)
        assert change is None or not change.replace_update
        return change

    ticket = ticket.after_selection(start)
    trained = strategy.fit(ticket, watch, 2)
    # four updates, at steps 2, 4, 6 and 8; in force from the next call on
    ramp = [polynomial_density(t, 4, 0.25, first) for t in (0, 0, 1, 2, 3, 4, 4, 4, 4, 4)]
    assert counts == [int(312 * density + 0.5) for density in ramp]
    assert trained.mask.count == 78
    assert strategy.train(ticket).mask == trained.mask
    rate = strategy.score(ticket, trained)["exploration_rate"]
    assert first <= rate <= 1 and rate >= start.count / 312


def test_a_ramp_without_an_update_is_refused_when_planned():
    with pytest.raises(
        ValueError, match="the ramp ends at step 20 of 100, before the first update"
    ):
        GraNet(updates=2, end=0.2).every(100)
