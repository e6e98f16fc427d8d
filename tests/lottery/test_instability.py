"""Instability analysis: barriers worked by hand, and two copies of a ticket in two data orders."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lth_bench import Metric, RewindPoint, hookimpl
from lth_bench.lottery.instability import (
    POINTS,
    Evaluation,
    barrier,
    estimated,
    instability,
    interpolated,
)
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.loss import Judged
from lth_bench.training.recipe import Recipe
from lth_strategies.dense import Dense
from lth_strategies.dense_rewind import DenseRewind
from lth_strategies.imp import IMP
from lth_strategies.late_rewind import LateRewind
from lth_strategies.rigl import RigL

RECIPE = Recipe(lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=10)
NET, KEY = MLP(hidden=(12, 8)), "fc3.weight"
ACCURACY = Metric("accuracy", "fraction", higher_is_better=True)


def test_the_barrier_is_above_the_mean_of_the_ends():
    # the ends' mean is 0.3, the highest error 0.7
    assert barrier([0.2, 0.7, 0.5, 0.4]) == pytest.approx(0.4)
    # below half the difference of the ends it cannot be: on a straight line it is just that
    assert barrier([0.1, 0.2, 0.3]) == pytest.approx(0.1)


def test_values_are_interpolated_and_counters_are_not():
    one = {"w": torch.tensor([0.0, 4.0]), "n": torch.tensor(3)}
    other = {"w": torch.tensor([2.0, 0.0]), "n": torch.tensor(9)}
    found = interpolated(one, other, 0.25)
    assert found["w"].tolist() == [0.5, 3.0]
    assert int(found["n"]) == 3


def test_barriers_by_hand():
    """On the line the error is 2·α·(1 − α): 0.5 in the middle, 0 at the ends. With other statistics
    it is flat.
    """

    def evaluate(values):
        a = float(values["w"][0])
        error = 4 * a * (1 - a) * float(values["height"])
        return Evaluation(
            Judged(2 * error, {"accuracy": 1 - error}),
            Judged(3 * error, {"accuracy": 1 - error / 2}),
        )

    ends = tuple({"w": torch.tensor([x, 3 * x]), "height": torch.tensor(0.5)} for x in (0.0, 1.0))
    flat = {"height": torch.tensor(0.0)}
    found = instability(ends, evaluate, ACCURACY, lambda values: {**values, **flat}, ["w"])
    assert POINTS == 11  # 0.5 is among them
    assert found == {
        "barrier_test_error": pytest.approx(0.5),
        "barrier_train_error": pytest.approx(0.25),
        "barrier_train_loss": pytest.approx(1.5),
        "barrier_test_error_reestimated": pytest.approx(0),
        "barrier_train_error_reestimated": pytest.approx(0),
        "barrier_train_loss_reestimated": pytest.approx(0),
        "copies_distance": pytest.approx(10**0.5),  # (1, 3), without the buffer
    }


@pytest.mark.parametrize(("higher", "expected"), [(True, 1.5), (False, 0.0)])
def test_a_metric_other_than_accuracy_is_counted_in_the_worse_direction(higher, expected):
    def evaluate(values):
        judged = Judged(0.0, {"mae": 2.0 if float(values["w"]) in (0.0, 1.0) else 0.5})
        return Evaluation(judged, judged)

    metric = Metric("mae", "", higher_is_better=higher)
    ends = ({"w": torch.tensor(0.0)}, {"w": torch.tensor(1.0)})
    found = instability(ends, evaluate, metric, None, ["w"])
    assert found["barrier_test_mae"] == pytest.approx(expected)
    assert "barrier_test_error" not in found


@pytest.mark.parametrize(
    ("strategy", "fits"), [(IMP(), 1), (LateRewind(rewind_step=5), 1), (RigL(update_every=5), 2)]
)
def test_the_copy_differs_in_its_data_order_alone(strategy, fits, make_bench, run_rounds):
    story = run_rounds(make_bench(NET, RECIPE), strategy, (0.8,), ["reorder"])
    (ticket,), (copy,) = story.reported(), story.reported("reorder")
    (*_, request) = story.requests
    assert request.data_seed != request.seed == 0
    assert request.on_step is None
    if fits == 2:  # RigL's own training is not a plain one of its final mask
        own = story.requests[-2]
        assert own.on_step is None
        assert own.data_seed == own.seed
    else:
        own = next(r for r in story.requests if r.mask == request.mask and r.start == request.start)
        assert own.data_seed == 0
    assert all(torch.equal(own.values[key], request.values[key]) for key in own.values)
    assert own.mask == request.mask
    steps = fits * (20 - ticket["rewind_step"])
    assert (copy["cost"]["steps"], copy["cost"]["search_steps"]) == (steps, 0)
    assert copy["rewind_step"] == ticket["rewind_step"]
    extra = copy["metrics"].keys() - ticket["metrics"].keys()
    assert extra == {
        "barrier_test_error", "barrier_train_error", "barrier_train_loss", "copies_distance",
    }  # fmt: skip
    assert copy["metrics"]["copies_distance"] > 0
    half = abs(copy["metrics"]["test_accuracy"] - ticket["metrics"]["test_accuracy"]) / 2
    if fits == 1:
        assert copy["metrics"]["barrier_test_error"] >= half - 1e-9


@pytest.mark.parametrize("k", [0, 5])
def test_two_dense_copies_part_at_a_step_of_the_dense_run(k, make_bench, run_rounds, blobs):
    """From the dense run's values at step k, under the full mask; with the barrier of their line,
    computed again here. At step 0 the copy in the seed's order is the dense run.
    """
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, DenseRewind(rewind_step=k), (1.0,), ["reorder"])
    (ticket,), (copy,) = story.reported(), story.reported("reorder")
    *before, own, other = story.requests
    assert [(r.start, r.end) for r in story.requests] == [(0, k)] * (k > 0) + [(k, 20)] * 2
    assert all(bool(kept.all()) for r in (own, other) for kept in r.mask.kept.values())
    assert (own.data_seed, other.data_seed == 0) == (0, False)
    at_k = bench.fit(before[0]) if before else bench.initial(0)
    for key, value in at_k.values.items():
        assert torch.equal(own.values[key], value) and torch.equal(other.values[key], value)
    for row, found in ((ticket, k), (copy, 0)):
        assert (row["density"], row["rewind_step"]) == (1.0, k)
        assert (row["cost"]["steps"], row["cost"]["search_steps"]) == (20 - k, found)
    one, two = (bench.fit(r) for r in (own, other))
    x = bench.data.normalise(blobs.test_x)

    def error(a):
        line = {key: (1 - a) * v + a * two.values[key] for key, v in one.values.items()}
        with torch.no_grad():
            wrong = bench.network.twin(line).eval()(x).argmax(1) != blobs.test_y
        return float(wrong.double().mean())

    errors = [error(i / 10) for i in range(11)]
    assert copy["metrics"]["test_accuracy"] == pytest.approx(1 - errors[-1])
    expected = max(errors) - (errors[0] + errors[-1]) / 2
    # a logit that is nearly another may round to the other class
    assert copy["metrics"]["barrier_test_error"] == pytest.approx(expected, abs=1.1 / len(x))
    if k == 0:
        (dense,) = run_rounds(bench, Dense(), (1.0,)).reported()
        assert dense["trainings"][0]["key"] == ticket["trainings"][0]["key"]


def test_batch_norm_is_reported_both_ways(make_bench, run_rounds):
    story = run_rounds(make_bench(ConvBN(), RECIPE), IMP(), (0.8,), ["reorder"])
    (copy,) = story.reported("reorder")
    names = {name for name in copy["metrics"] if name.endswith("_reestimated")}
    assert {name.removesuffix("_reestimated") for name in names} == {
        "barrier_test_error", "barrier_train_error", "barrier_train_loss",
    }  # fmt: skip


def test_statistics_are_estimated_over_the_examples(make_bench):
    class Normed:
        def build(self, input_shape, classes):
            return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(36), nn.Linear(36, classes))

    bench = make_bench(Normed(), RECIPE)
    sample = bench.data.train
    estimate = estimated(bench.network, sample, bench.data)
    initial = bench.initial(0).values
    found = estimate(initial)
    x = bench.data.normalise(sample.x).flatten(1)
    assert len(x) <= bench.network.evaluation_batch()  # one batch, so means are exact
    torch.testing.assert_close(found["1.running_mean"], x.mean(0))
    torch.testing.assert_close(found["1.running_var"], x.var(0))
    assert torch.equal(found["2.weight"], initial["2.weight"])
    assert estimated(make_bench(NET, RECIPE).network, sample, bench.data) is None


def test_nothing_to_reorder_where_nothing_is_trained(make_bench, run_rounds):
    class Finished(IMP):
        @hookimpl
        def rewind_point(self, ticket):
            return RewindPoint.at(ticket.trained)

    story = run_rounds(make_bench(NET, RECIPE), Finished(), (0.8,), ["reorder"])
    (copy,) = story.reported("reorder")
    assert copy["status"] == "skipped"
    assert copy["reason"] == "nothing is trained after the rewind point, so no data has an order"


def test_the_order_is_in_the_address_only_where_it_differs(make_bench):
    import dataclasses

    from lth_bench.training.request import FitRequest

    bench = make_bench(NET, RECIPE)
    request = FitRequest(
        values=bench.initial(3).values, mask=bench.dense_mask(), start=0, end=20, seed=3,
        recipe=RECIPE,
    )  # fmt: skip
    own, other = (dataclasses.replace(request, order=order) for order in (3, 4))
    assert bench.key(own, None) == bench.key(request, None)
    assert bench.key(other, None) != bench.key(request, None)
    one, two = bench.fit(request), bench.fit(other)
    assert not torch.equal(one.values[KEY], two.values[KEY])
    # in the order of seed 4, from the values of seed 3
    batches = [bench.data.batch(0, r.data_seed, RECIPE)[1].tolist() for r in (request, other)]
    assert batches == [bench.data.batch(0, seed, RECIPE)[1].tolist() for seed in (3, 4)]
