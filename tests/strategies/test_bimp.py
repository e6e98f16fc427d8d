"""BIMP's retraining schedules and its phases, worked by hand."""

from __future__ import annotations

import pytest
import torch

from lth_bench import adaptive_lr, pruning_distance, retraining
from lth_bench.models.mlp import MLP
from lth_bench.running.forecast import forecast
from lth_bench.training.recipe import LearningRate, Recipe
from lth_strategies.bimp import BIMP

STEPS = Recipe(lr=0.1, steps=160, batch_size=10, schedule="step", milestones=(80, 120), warmup=5)


def rates(how, recipe, steps, height=1.0):
    plan = retraining(how, recipe, 1000, steps, height)
    schedule = LearningRate(plan.recipe, 1000)
    assert plan.end - plan.start == steps
    return [schedule.lr(s) for s in range(plan.start, plan.end)]


def test_the_adaptive_height():
    """w = (0.1, 0.2, 0.3, 0.4), half of it pruned: d = √(0.05 / 0.3) = 0.40825; with s = 1/2 and a
    tenth as peak, the rate begins at 0.057735.
    """
    before = {"w": torch.tensor([0.1, 0.2, 0.3]), "b": torch.tensor([0.4]), "mean": torch.ones(1)}
    after = before | {"w": torch.tensor([0.0, 0.0, 0.3])}
    distance = pruning_distance(before, after, ["w", "b"])
    assert distance == pytest.approx(0.40825, abs=5e-6)
    height = adaptive_lr(distance, 0.5, 10 / 160)
    assert 0.1 * height == pytest.approx(0.057735, abs=5e-7)
    # its bounds: the length of the retraining, at most the peak
    assert adaptive_lr(0.001, 0.5, 10 / 160) == 10 / 160
    assert adaptive_lr(0.001, 0.5, 3.0) == 1.0
    assert adaptive_lr(0.0, 0.0, 0.25) == 0.25
    assert pruning_distance({"w": torch.zeros(2)}, {"w": torch.zeros(2)}, ["w"]) == 0


def test_schedules():
    assert rates("FT", STEPS, 20) == pytest.approx([0.001] * 20)
    assert rates("LRW", STEPS, 60) == pytest.approx([0.01] * 20 + [0.001] * 40)
    up = [0.05, 0.1]  # a tenth of 20 steps
    assert rates("SLR", STEPS, 20) == pytest.approx(up + [0.1] * 8 + [0.01] * 5 + [0.001] * 5)
    line = [0.1 * (1 - i / 18) for i in range(18)]
    assert rates("LLR", STEPS, 20) == pytest.approx(up + line)
    assert rates("ALLR", STEPS, 20, 0.5) == pytest.approx([r / 2 for r in up + line])
    cosine = rates("CLR", STEPS, 20)
    assert cosine[:3] == pytest.approx([0.05, 0.1, 0.1])
    assert cosine[11] == pytest.approx((0.1 + 0.001) / 2)
    assert cosine[-1] > 0.001 and cosine == sorted(cosine[:2]) + sorted(cosine[2:], reverse=True)


@pytest.mark.parametrize("how", ["ALLR", "FT", "LRW", "SLR", "CLR", "LLR"])
def test_phases(how, make_bench, make_ticket):
    """To a density of 1/8 in three phases: each halves the survivors. 20 steps: 6, 6 and 8."""
    recipe = Recipe(lr=0.2, steps=40, batch_size=20, val_size=60, eval_every=10)
    ticket = make_ticket(make_bench(MLP(hidden=(8,)), recipe), target=0.125)  # of 312: 39
    strategy = BIMP(phases=3, budget=0.5, retrain=how)
    mask = strategy.select_mask(ticket)
    dense, *phases = ticket.ledger.search
    assert dense.cost.steps == 40 and [t.cost.steps for t in phases] == [6, 6]
    assert mask.count == 39
    ticket = ticket.after_selection(mask)
    point = strategy.rewind_point(ticket)
    alive = [int((point.values[x.key] != 0).sum()) for x in ticket.layers]
    assert sum(alive) == 78  # of the second phase
    assert point.step == {"FT": 40, "LRW": 32}.get(how, 0)
    trained = strategy.train(ticket.after_rewinding(point))
    assert trained.cost.steps == 8 and trained.mask == mask
    expected = forecast(
        "x", strategy, counts={"fc1": 288, "fc2": 24}, kinds={"fc1": "linear", "fc2": "output"},
        densities=(0.125,), total_steps=40,
    )  # fmt: skip
    assert expected == ((12, 8), 1)


def test_a_single_phase_searches_nothing():
    found = forecast(
        "x", BIMP(phases=1), counts={"a": 8}, kinds={"a": "output"}, densities=(0.5,),
        total_steps=40,
    )  # fmt: skip
    assert found == ((20,), 0)


def test_a_budget_of_no_step_is_refused_when_planned():
    with pytest.raises(ValueError, match="is 4, fewer than one for each of 5 phases; raise budget"):
        BIMP(phases=5, budget=0.1).lengths(40)
