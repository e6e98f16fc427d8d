"""Where retraining starts after pruning: fine-tuning, and learning-rate rewinding."""

from __future__ import annotations

import pytest
import torch

from lth_bench import PerKind
from lth_bench.errors import UserError
from lth_bench.models.mlp import MLP
from lth_bench.running.forecast import forecast
from lth_bench.training.recipe import LearningRate, Recipe
from lth_strategies.fine_tune import FineTune
from lth_strategies.lr_rewind import LRRewind
from lth_strategies.one_shot import OneShot

RECIPE = Recipe(
    lr=0.2, steps=20, batch_size=20, val_size=60, eval_every=10, schedule="step", milestones=(10,)
)


@pytest.fixture
def bench(make_bench):
    return make_bench(MLP(hidden=(8,)), RECIPE)


@pytest.mark.parametrize(
    ("strategy", "span"),
    [
        (FineTune(tune_fraction=0.5), (20, 30)),
        (FineTune(), (20, 40)),
        (LRRewind(rewind_step=6), (6, 20)),
        (LRRewind(rewind_fraction=0.0), (0, 20)),
        (FineTune(pruning="one_shot"), (20, 40)),
        (LRRewind(rewind_step=6, pruning="one_shot"), (6, 20)),
    ],
)
def test_the_trained_values_are_kept_and_retrained(strategy, span, bench, make_ticket):
    ticket = make_ticket(bench, target=0.5)
    mask = strategy.select_mask(ticket)
    ticket = ticket.after_selection(mask)
    point = strategy.rewind_point(ticket)
    dense = ticket.dense.trained
    assert all(torch.equal(v, dense.values[k]) for k, v in point.values.items())
    ticket = ticket.after_rewinding(point)
    train = getattr(strategy, "train", None)
    trained = train(ticket) if train is not None else ticket.fit()
    assert (trained.start, trained.step) == span
    expected = forecast(
        "x", strategy, counts={x.name: x.numel for x in ticket.layers},
        kinds={x.name: x.kind for x in ticket.layers}, densities=(0.9,), total_steps=20,
    )  # fmt: skip
    assert expected.fits == (span[1] - span[0],)


def test_fine_tuning_is_at_the_last_rate():
    rates = LearningRate(RECIPE, 180)
    assert [rates.lr(s) for s in (9, 10, 19, 20, 39)] == pytest.approx([0.2] + [0.02] * 4)


def test_one_shot_is_the_same_mask_as_the_strategy_one_shot(bench, make_ticket):
    ticket = make_ticket(bench, target=0.3)
    half = PerKind.of(0.5)
    found = FineTune(prune_rate=half, pruning="one_shot", scope="global").select_mask(ticket)
    assert found == OneShot(relative_rate=half, scope="global").select_mask(ticket)
    assert not FineTune(pruning="one_shot").iterative and FineTune().iterative


def test_iterative_rounds_go_on_from_what_was_tuned(bench, make_ticket):
    """A second round prunes, and keeps, the values of the first."""
    ticket = make_ticket(bench, target=0.2)
    strategy = LRRewind(prune_rate=0.5, scope="global")
    tuned = ticket.after_selection(strategy.select_mask(ticket)).fit(start=0, end=10)
    ticket.before, ticket.mask = tuned, tuned.mask
    mask = strategy.select_mask(ticket)
    kept = torch.cat([w[mask.kept[n]].abs() for n, w in tuned.weights.items()])
    gone = [w[tuned.mask.kept[n] & ~mask.kept[n]].abs() for n, w in tuned.weights.items()]
    assert float(kept.min()) >= float(torch.cat(gone).max())
    assert strategy.rewind_point(ticket).values is tuned.values


def test_a_rewind_step_beyond_training_is_refused_when_planned():
    with pytest.raises(UserError, match="rewind_step must be before the end of training, below 20"):
        LRRewind(rewind_step=20).dense_checkpoints(20)
    assert list(LRRewind(rewind_step=19).dense_checkpoints(20)) == []
