"""SET's rewiring, worked by hand."""

from __future__ import annotations

import pytest
import torch

from lth_bench import Layers, Mask, StepView
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.set import SET, drop_by_sign


def view(weight, kept, step=4):
    return StepView(
        step=step, end=100, values={"fc1.weight": weight}, gradients=Layers({}),
        optimizer_state={}, mask=Mask({"fc1": kept}), memo={},
    )  # fmt: skip


def test_each_sign_loses_its_weights_nearest_to_zero():
    """ζ = 1/3 of three positive and of three negative weights: 0.05 and −0.1."""
    weight = torch.tensor([0.5, 0.05, 0.2, -0.1, -0.6, -0.3])
    stay = drop_by_sign(weight, torch.ones(6, dtype=torch.bool), 1 / 3)
    assert stay.tolist() == [True, False, True, False, True, True]
    # pruned weights, which are zero, count for neither
    kept = torch.tensor([True, False, True, True, True, True])
    assert drop_by_sign(weight * kept, kept, 1 / 3).tolist() == [
        True, False, True, False, True, True,
    ]  # fmt: skip


@pytest.fixture
def ticket(make_bench, make_ticket):
    return make_ticket(make_bench(MLP(hidden=(8,)), Recipe(steps=40, batch_size=20, val_size=60)))


def test_as_many_grow_at_random_where_nothing_was(ticket):
    draws = torch.Generator().manual_seed(0)
    kept = torch.rand(8, 36, generator=draws) < 0.5
    weight = torch.randn(8, 36, generator=draws) * kept
    change = SET().rewire(ticket, view(weight, kept))
    after = change.mask.kept["fc1"]
    assert int(after.sum()) == int(kept.sum())
    gone = int(0.3 * int((weight > 0).sum())) + int(0.3 * int((weight < 0).sum()))
    assert int((kept & ~after).sum()) == gone == int(change.reset_momentum["fc1"].sum())
    assert torch.equal(change.reset_momentum["fc1"], after & ~kept)
    assert not change.replace_update and change.values is None
    # other places at another step, the same at the same
    assert SET().rewire(ticket, view(weight, kept)).mask == change.mask
    assert SET().rewire(ticket, view(weight, kept, 8)).mask != change.mask
    assert SET().rewire(ticket, view(weight, kept, 0)) is None


def test_a_dense_layer_stays_as_it_is(ticket):
    kept = torch.ones(8, 36, dtype=torch.bool)
    change = SET().rewire(ticket, view(torch.randn(8, 36), kept))
    assert bool(change.mask.kept["fc1"].all())


def test_it_rewires_once_an_epoch_and_needs_no_dense_gradients(ticket):
    asked = []
    strategy = SET()
    object.__setattr__(strategy, "fit", lambda *a: asked.append(a[2:]))
    strategy.train(ticket)
    assert asked == [(ticket.steps_per_epoch, "never")]
