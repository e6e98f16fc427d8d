"""Zhu and Gupta's schedule at the steps and sparsities that papers state."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.gradual import Gradual


def sparsities(strategy, steps, final, at):
    ramp = strategy.ramp(steps)
    return [1 - ramp.density(step, final) for step in at]


def test_state_of_sparsity_s_ramp():
    """From step 40k to 76k of 128k to 90%, every 2k."""
    strategy = Gradual(begin=40 / 128, end=76 / 128, prunings=18)
    assert strategy.ramp(128_000) == (40_000, 2_000, 18)
    found = sparsities(strategy, 128_000, 0.1, [0, 40_000, 42_000, 50_000, 58_000, 68_000])
    assert found == pytest.approx([0, 0, 0.1418, 0.5610, 0.7875, 0.8901], abs=5e-5)
    assert sparsities(strategy, 128_000, 0.1, [76_000, 127_000]) == pytest.approx([0.9, 0.9])


def test_four_steps_to_80_percent():
    strategy = Gradual(begin=0.0, end=0.8, prunings=4)
    assert strategy.ramp(100) == (0, 20, 4)
    found = sparsities(strategy, 100, 0.2, [0, 20, 40, 60, 80, 99])
    assert found == pytest.approx([0, 0.4625, 0.7, 0.7875, 0.8, 0.8])


@given(
    steps=st.integers(2, 5000), prunings=st.integers(1, 200),
    begin=st.floats(0, 0.6), length=st.floats(0.05, 0.39),
)  # fmt: skip
def test_the_target_is_reached_before_the_end(steps, prunings, begin, length):
    strategy = Gradual(begin=begin, end=begin + length, prunings=prunings)
    if int(strategy.begin * steps) == int(strategy.end * steps):
        with pytest.raises(ValueError, match="has none between begin"):
            strategy.ramp(steps)
        return
    ramp = strategy.ramp(steps)
    last = ramp.first + ramp.every * ramp.events
    assert 0 < last <= strategy.end * steps < steps and ramp.events >= 1
    assert ramp.first % ramp.every == 0 and ramp.first <= begin * steps
    assert ramp.density(last, 0.1) == 0.1


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_masks_are_nested_and_of_the_schedule_s_counts(scope, make_bench, make_ticket):
    recipe = Recipe(lr=0.2, momentum=0.9, steps=24, batch_size=20, val_size=60, eval_every=12)
    bench = make_bench(MLP(hidden=(8,)), recipe)  # 36 · 8 + 8 · 3 = 312 weights
    ticket = make_ticket(bench, target=0.25)
    strategy = Gradual(end=0.5, prunings=3, scope=scope)
    ramp, counts, masks = strategy.ramp(24), [], []
    assert ramp == (0, 4, 3)

    def watch(view):
        change = strategy.prune(ticket, ramp, view)
        counts.append(view.mask.count)
        masks.append(view.mask)
        if change is not None and scope == "global":
            kept = torch.cat([w[change.mask.kept[n]].abs() for n, w in view.weights.items()])
            gone = [w[view.mask.kept[n] & ~change.mask.kept[n]] for n, w in view.weights.items()]
            assert float(kept.min()) >= float(torch.cat(gone).abs().max())
        return change

    trained = strategy.fit(ticket, watch, ramp.every, "never")
    # density 0.25 + 0.75 · (1 − i/3)³: 1, 0.4722, 0.2778 and 0.25
    assert counts == [312, 312, 147, 87, 78, 78]
    assert trained.mask.count == 78
    for before, after in zip(masks, [*masks[1:], trained.mask], strict=True):
        assert all(bool((before.kept[n] | ~kept).all()) for n, kept in after.kept.items())
    if scope == "layer":
        assert trained.mask.kept_per_layer() == {"fc1": 72, "fc2": 6}
    plain = strategy.train(dataclasses.replace(ticket))
    assert plain.mask == trained.mask
    # the FLOPs of 4 dense steps, and of no dense gradient after them
    a, b = 312, 0.25 * 312
    share = plain.cost.flops_masked_theoretical / plain.cost.flops_dense
    assert b / a < share < (8 + 4 * 147 / 312 + 12 * 87 / 312) / 24


def test_bad_settings():
    with pytest.raises(ValueError, match=r"begin must be below end = 0\.5, but got 0\.5"):
        Gradual(begin=0.5, end=0.5)
    with pytest.raises(ValueError, match="a training of 1 steps has none between begin = 0 and"):
        Gradual().ramp(1)
