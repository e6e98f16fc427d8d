"""The training loop, against a loop written out by hand and against closed forms."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lth_bench.errors import Diverged
from lth_bench.masks import Mask
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.network import Network
from lth_bench.training.recipe import Recipe

NET = MLP(hidden=(7,))
SHORT = Recipe(lr=0.2, steps=40, batch_size=20, val_size=60, eval_every=10)
DOUBLE = dataclasses.replace(SHORT, dtype="float64")


@dataclass(frozen=True)
class Tiny:
    """Two layers and a batch norm between them."""

    def build(self, input_shape, classes):
        return nn.Sequential(
            nn.Conv2d(input_shape[0], 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64, classes),
        )


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("case", ["sgd", "weight decay", "momentum", "nesterov", "adam"])
def test_forty_steps_equal_a_loop_by_hand(case, masked, make_bench, half_mask, request_of, hand):
    fields, update = hand.cases[case]
    recipe = dataclasses.replace(
        DOUBLE,
        **fields,
        schedule="step",
        milestones=(20, 30),
        gamma=0.5,
        warmup=4,
        label_smoothing=0.1,
    )
    bench = make_bench(NET, recipe)
    request = request_of(bench, mask=half_mask(bench) if masked else bench.dense_mask())
    trained = bench.fit(request)

    def rates(step):
        if step < 4:
            return fields["lr"] * (step + 1) / 4
        return fields["lr"] * (1.0 if step < 20 else 0.5 if step < 30 else 0.25)

    expected = hand.train(
        bench, request, rates, update, l2=recipe.weight_decay, smoothing=recipe.label_smoothing
    )
    assert trained.step == 40
    assert hand.far(trained.values, expected) <= 1e-12
    assert hand.far(trained.values, request.values) > 1e-2


def test_adamw_decays_weights_apart_from_the_gradient(make_bench, request_of, hand):
    recipe = dataclasses.replace(DOUBLE, optimizer="adamw", lr=0.01, weight_decay=0.3)
    bench = make_bench(NET, recipe)
    request = request_of(bench)

    def decoupled(key, theta, gradient, lr, number, state):
        return hand.adam(key, theta, gradient, lr, number, state) - lr * 0.3 * theta

    expected = hand.train(bench, request, lambda step: 0.01, decoupled)
    assert hand.far(bench.fit(request).values, expected) <= 1e-12


@pytest.mark.parametrize(
    "fields",
    [
        dict(optimizer="adam", lr=0.02, weight_decay=0.1),
        dict(optimizer="adamw", lr=0.02, weight_decay=0.1),
        dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05),
    ],
)
def test_pruned_weights_are_zero_after_every_step(fields, make_bench, half_mask, request_of):
    bench = make_bench(Tiny(), dataclasses.replace(SHORT, **fields))
    mask = half_mask(bench)
    mask = Mask(mask.kept, {"1.weight": torch.tensor([True, False, True, True])}, bench.layers)
    seen = []

    def until(view):
        for key, kept in mask.items_by_key().items():
            assert bool((view.values[key][~kept] == 0).all()), (view.step, key)
        seen.append(view.step)
        return False

    trained = bench.fit(request_of(bench, mask=mask, until=until))
    assert seen == list(range(41))
    for state in (trained, trained.best):
        for key, kept in mask.items_by_key().items():
            pruned = state.values[key][~kept]
            assert bool((pruned == 0).all())
            assert not bool(pruned.signbit().any())
    survivors = trained.values["0.weight"][mask.kept["0"]]
    assert bool((survivors != 0).all())


def test_a_rerun_is_bit_identical(make_bench, half_mask, request_of, tmp_path, hand):
    recipe = dataclasses.replace(SHORT, momentum=0.9, crop=1, flip=True)
    runs = []
    for name in ("a", "b"):
        torch.manual_seed(len(runs))  # whatever the global state is
        bench = make_bench(Tiny(), recipe, root=tmp_path / name)
        runs.append(bench.fit(request_of(bench, mask=half_mask(bench))))
    a, b = runs
    assert not b.reused
    assert hand.same(a.values, b.values)
    assert hand.same(a.best.values, b.best.values)
    assert a.curve == b.curve


def test_a_start_at_step_k_goes_on_where_the_dense_run_was(make_bench, request_of, hand):
    recipe = dataclasses.replace(
        SHORT, schedule="cosine", warmup=5, crop=1, flip=True, weight_decay=0.01
    )
    bench = make_bench(Tiny(), recipe)
    whole = bench.fit(request_of(bench, checkpoints=frozenset({17})))
    middle = bench.checkpoint(whole.key, 17)
    assert middle is not None
    rest = bench.fit(request_of(bench, values=middle.values, start=17))
    # without momentum nothing but the values crosses step 17: same batches, same rates
    assert hand.same(rest.values, whole.values)
    assert [p for p in rest.curve if p.step > 20] == [p for p in whole.curve if p.step > 20]
    elsewhere = bench.fit(request_of(bench, values=middle.values, start=16, end=39))
    assert not hand.same(elsewhere.values, whole.values)


def test_beyond_the_schedule_the_last_rate_holds(make_bench, request_of, hand):
    recipe = dataclasses.replace(DOUBLE, schedule="step", milestones=(30,), gamma=0.1)
    bench = make_bench(NET, recipe)
    request = request_of(bench, start=40, end=55)
    expected = hand.train(bench, request, lambda step: 0.02, hand.momentum_sgd(0.0))
    assert hand.far(bench.fit(request).values, expected) <= 1e-12


@pytest.mark.parametrize(
    ("losses", "best"),
    [((0.9, 0.5, 0.7, 0.5), 20), ((0.9, 0.8, 0.7, 0.6), 40), ((0.3, 0.3, 0.3, 0.4), 10)],
)
def test_early_stop_is_the_earliest_minimum(
    losses, best, make_bench, request_of, monkeypatch, hand
):
    bench = make_bench(NET, SHORT)
    answers = iter(losses)
    n = len(bench.data.val)
    found = lambda *_: torch.tensor([[next(answers) * n], [0.5 * n]], dtype=torch.float64)  # noqa: E731
    monkeypatch.setattr(Network, "evaluated", found)
    wanted = frozenset({10, 20, 40})
    trained = bench.fit(request_of(bench, checkpoints=wanted))
    assert trained.early_stop_step == best
    assert [p.step for p in trained.curve] == [10, 20, 30, 40]
    assert [p.val_loss for p in trained.curve] == pytest.approx(losses)
    at_best = bench.checkpoint(trained.key, best)
    assert hand.same(trained.best.values, at_best.values)
    assert trained.step == 40


def test_the_curve_holds_mean_training_loss_and_validation(make_bench, request_of):
    recipe = dataclasses.replace(DOUBLE, lr=1e-12, steps=14, eval_every=5)
    bench = make_bench(NET, recipe)
    request = request_of(bench)
    trained = bench.fit(request)
    # at this rate the values stay where they are
    module = bench.network.twin(request.values).eval()

    def loss(x, y):
        return F.cross_entropy(module(x.double()), y).item()

    steps = [loss(*bench.data.batch(s, request.seed, recipe)) for s in range(14)]
    val = bench.data.val
    x = bench.data.normalise(val.x)
    right = (module(x.double()).argmax(1) == val.y).double().mean().item()
    assert [p.step for p in trained.curve] == [5, 10, 14]
    means = [sum(part) / len(part) for part in (steps[:5], steps[5:10], steps[10:])]
    assert [p.train_loss for p in trained.curve] == pytest.approx(means, abs=1e-9)
    assert [p.val_loss for p in trained.curve] == pytest.approx([loss(x, val.y)] * 3, abs=1e-9)
    assert [p.val_accuracy for p in trained.curve] == pytest.approx([right] * 3)


def test_a_loss_that_overflows_ends_the_training(make_bench, request_of):
    bench = make_bench(NET, dataclasses.replace(SHORT, lr=1e30))
    with pytest.raises(Diverged, match=r"step 10"):
        bench.fit(request_of(bench))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_start_values_end_the_training(bad, make_bench, request_of):
    bench = make_bench(NET, SHORT)
    values = {k: v.clone() for k, v in bench.initial(3).values.items()}
    values["fc2.bias"][0] = bad
    with pytest.raises(Diverged):
        bench.fit(request_of(bench, values=values))


def test_a_diverged_training_is_not_kept(make_bench, request_of):
    bench = make_bench(NET, dataclasses.replace(SHORT, lr=1e30))
    for _ in range(2):
        with pytest.raises(Diverged):
            bench.fit(request_of(bench))


def test_dropout_is_a_function_of_seed_and_step(make_bench, request_of, tmp_path, hand):
    recipe = dataclasses.replace(SHORT, steps=20)
    runs = []
    for i in range(2):
        bench = make_bench(MLP(hidden=(9,), dropout=0.4), recipe, root=tmp_path / str(i))
        torch.rand(i + 5)  # the global state differs from run to run
        runs.append(bench.fit(request_of(bench, checkpoints=frozenset({8}))))
    assert hand.same(runs[0].values, runs[1].values)
    middle = bench.checkpoint(runs[1].key, 8)
    rest = bench.fit(request_of(bench, values=middle.values, start=8))
    assert hand.same(rest.values, runs[0].values)
    without = make_bench(MLP(hidden=(9,)), recipe, root=tmp_path / "without")
    dry = without.fit(request_of(without, values=bench.initial(3).values | {}))  # same start
    assert not hand.same(
        {k: dry.values[k] for k in ("fc1.weight",)}, {k: runs[0].values[k] for k in ("fc1.weight",)}
    )


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float32", torch.float32), ("float64", torch.float64), ("bfloat16", torch.float32)],
)
def test_values_have_the_recipe_s_precision(dtype, expected, make_bench, half_mask, request_of):
    recipe = dataclasses.replace(SHORT, steps=12, lr=0.05, dtype=dtype)
    bench = make_bench(ConvBN(), recipe)
    mask = half_mask(bench)
    trained = bench.fit(request_of(bench, mask=mask))
    floats = [v for v in trained.values.values() if v.is_floating_point()]
    assert {v.dtype for v in floats} == {expected}
    for name, kept in mask.kept.items():
        assert bool((trained.values[f"{name}.weight"][~kept] == 0).all())
    reference = make_bench(ConvBN(), dataclasses.replace(recipe, dtype="float32"))
    other = reference.fit(request_of(reference, mask=mask))
    gap = abs(trained.curve[-1].val_loss - other.curve[-1].val_loss)
    assert gap < {"float32": 1e-12, "float64": 1e-3, "bfloat16": 0.2}[dtype]
    assert (gap > 0) == (dtype != "float32")


def test_batch_norm_s_buffers_train_and_rewind_with_the_weights(make_bench, request_of):
    bench = make_bench(Tiny(), SHORT)
    start = bench.initial(3).values
    a = bench.fit(request_of(bench, end=10))
    assert int(a.values["1.num_batches_tracked"]) == 10
    assert not torch.equal(a.values["1.running_mean"], start["1.running_mean"])
    b = bench.fit(request_of(bench, seed=4, end=10, values=start))
    assert int(b.values["1.num_batches_tracked"]) == 10


def test_values_that_are_returned_are_copies(make_bench, request_of, hand):
    bench = make_bench(NET, SHORT)
    first = bench.fit(request_of(bench, end=10))
    kept = {k: v.clone() for k, v in first.values.items()}
    bench.fit(request_of(bench, seed=5))
    assert hand.same(first.values, kept)


def test_the_cost_counts_steps_examples_and_flops(make_bench, half_mask, request_of):
    bench = make_bench(NET, SHORT)
    mask = half_mask(bench)
    cost = bench.fit(request_of(bench, mask=mask, start=10)).cost
    assert (cost.steps, cost.examples) == (30, 600)
    # 36·7 and 7·3 weights; the first layer needs no gradient by its input
    assert cost.flops_dense == 600 * 2 * (2 * 252 + 3 * 21)
    kept = mask.kept_per_layer()
    assert cost.flops_masked_theoretical == pytest.approx(
        600 * 2 * (2 * kept["fc1"] + 3 * kept["fc2"])
    )
