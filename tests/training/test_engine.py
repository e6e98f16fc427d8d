"""The training loop, against a loop written out by hand and against closed forms."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lth_bench.errors import Diverged
from lth_bench.masks import Mask
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.network import Network
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import Change

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


def by_hand(bench, request, rates, update, *, l2=0.0, smoothing=0.0, rewire=None):
    """A one-hidden-layer network trained without the engine, torch.nn or torch.optim.

    Masks multiply the weights in the forward pass. `update` maps (key, θ, gradient, rate, number
    of the update from 1, state) to the new θ; `rewire` maps (step, θ, dense gradients, state) to
    new masks, at the steps that it knows.
    """
    theta = {k: v.double().clone() for k, v in request.values.items()}
    masks = {k: m.double() for k, m in request.mask.items_by_key().items()}
    state = {k: {} for k in theta}
    for step in range(request.start, request.end):
        x, y = bench.data.batch(step, request.seed, request.recipe)
        leaves = {k: v.clone().requires_grad_() for k, v in theta.items()}
        used = {k: v * masks[k] if k in masks else v for k, v in leaves.items()}
        for v in used.values():
            v.retain_grad()
        h = (x.double().flatten(1) @ used["fc1.weight"].T + used["fc1.bias"]).clamp(min=0)
        logits = h @ used["fc2.weight"].T + used["fc2.bias"]
        log_p = logits - logits.exp().sum(1, keepdim=True).log()
        classes = logits.shape[1]
        wanted = (1 - smoothing) * F.one_hot(y, classes).double() + smoothing / classes
        (-(wanted * log_p).sum(1).mean()).backward()
        dense = {k: v.grad for k, v in used.items()}
        answer = rewire(step, theta, dense, state, masks) if rewire is not None else None
        if answer is None or not answer["skip"]:
            for k, v in leaves.items():
                gradient = v.grad + l2 * theta[k]
                theta[k] = update(k, theta[k], gradient, rates(step), step + 1, state[k])
        if answer is not None:
            masks = answer["masks"]
            theta |= answer["values"]
        theta = {k: v * masks[k] if k in masks else v for k, v in theta.items()}
    return theta


def momentum_sgd(mu, nesterov=False):
    def update(key, theta, gradient, lr, number, state):
        state["v"] = mu * state.get("v", torch.zeros_like(theta)) + gradient
        return theta - lr * (gradient + mu * state["v"] if nesterov else state["v"])

    return update


def adam(key, theta, gradient, lr, number, state):
    m = state["m"] = 0.9 * state.get("m", torch.zeros_like(theta)) + 0.1 * gradient
    v = state["v"] = 0.999 * state.get("v", torch.zeros_like(theta)) + 0.001 * gradient**2
    return theta - lr * (m / (1 - 0.9**number)) / ((v / (1 - 0.999**number)).sqrt() + 1e-8)


def far(values, expected):
    """The largest difference of two state dicts with the same keys."""
    assert values.keys() == expected.keys()
    return max(float((values[k].double() - expected[k]).abs().max()) for k in values)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


HAND = {
    "sgd": (dict(lr=0.2), momentum_sgd(0.0)),
    "weight decay": (dict(lr=0.2, weight_decay=0.02), momentum_sgd(0.0)),
    "momentum": (dict(lr=0.05, momentum=0.9, weight_decay=0.01), momentum_sgd(0.9)),
    "nesterov": (
        dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
        momentum_sgd(0.9, True),
    ),
    "adam": (dict(optimizer="adam", lr=0.01, weight_decay=0.01), adam),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("case", HAND)
def test_forty_steps_equal_a_loop_by_hand(case, masked, make_bench, half_mask, request_of):
    fields, update = HAND[case]
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

    expected = by_hand(
        bench, request, rates, update, l2=recipe.weight_decay, smoothing=recipe.label_smoothing
    )
    assert trained.step == 40
    assert far(trained.values, expected) <= 1e-12
    assert far(trained.values, request.values) > 1e-2


def test_adamw_decays_weights_apart_from_the_gradient(make_bench, request_of):
    recipe = dataclasses.replace(DOUBLE, optimizer="adamw", lr=0.01, weight_decay=0.3)
    bench = make_bench(NET, recipe)
    request = request_of(bench)

    def decoupled(key, theta, gradient, lr, number, state):
        return adam(key, theta, gradient, lr, number, state) - lr * 0.3 * theta

    expected = by_hand(bench, request, lambda step: 0.01, decoupled)
    assert far(bench.fit(request).values, expected) <= 1e-12


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


def test_a_rerun_is_bit_identical(make_bench, half_mask, request_of, tmp_path):
    recipe = dataclasses.replace(SHORT, momentum=0.9, crop=1, flip=True)
    runs = []
    for name in ("a", "b"):
        torch.manual_seed(len(runs))  # whatever the global state is
        bench = make_bench(Tiny(), recipe, root=tmp_path / name)
        runs.append(bench.fit(request_of(bench, mask=half_mask(bench))))
    a, b = runs
    assert not b.reused
    assert same(a.values, b.values)
    assert same(a.best.values, b.best.values)
    assert a.curve == b.curve


def test_a_start_at_step_k_goes_on_where_the_dense_run_was(make_bench, request_of):
    recipe = dataclasses.replace(
        SHORT, schedule="cosine", warmup=5, crop=1, flip=True, weight_decay=0.01
    )
    bench = make_bench(Tiny(), recipe)
    whole = bench.fit(request_of(bench, checkpoints=frozenset({17})))
    middle = bench.checkpoint(whole.key, 17)
    assert middle is not None
    rest = bench.fit(request_of(bench, values=middle.values, start=17))
    # without momentum nothing but the values crosses step 17: same batches, same rates
    assert same(rest.values, whole.values)
    assert [p for p in rest.curve if p.step > 20] == [p for p in whole.curve if p.step > 20]
    elsewhere = bench.fit(request_of(bench, values=middle.values, start=16, end=39))
    assert not same(elsewhere.values, whole.values)


def test_beyond_the_schedule_the_last_rate_holds(make_bench, request_of):
    recipe = dataclasses.replace(DOUBLE, schedule="step", milestones=(30,), gamma=0.1)
    bench = make_bench(NET, recipe)
    request = request_of(bench, start=40, end=55)
    expected = by_hand(bench, request, lambda step: 0.02, momentum_sgd(0.0))
    assert far(bench.fit(request).values, expected) <= 1e-12


@pytest.mark.parametrize(
    ("losses", "best"),
    [((0.9, 0.5, 0.7, 0.5), 20), ((0.9, 0.8, 0.7, 0.6), 40), ((0.3, 0.3, 0.3, 0.4), 10)],
)
def test_early_stop_is_the_earliest_minimum(losses, best, make_bench, request_of, monkeypatch):
    bench = make_bench(NET, SHORT)
    answers = iter(losses)
    monkeypatch.setattr(Network, "evaluate", lambda *_: (next(answers), 0.5))
    wanted = frozenset({10, 20, 40})
    trained = bench.fit(request_of(bench, checkpoints=wanted))
    assert trained.early_stop_step == best
    assert [(p.step, p.val_loss) for p in trained.curve] == list(
        zip((10, 20, 30, 40), losses, strict=True)
    )
    at_best = bench.checkpoint(trained.key, best)
    assert same(trained.best.values, at_best.values)
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


# ---- on_step --------------------------------------------------------------------------------

OTHER = {10: 1, 25: 2}  # step → seed of the mask that comes in there


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("case", ["momentum", "nesterov", "adam"])
def test_rewiring_equals_a_loop_by_hand(case, skip, make_bench, half_mask, request_of):
    fields, update = HAND[case]
    fields = {**fields, "weight_decay": 0.0}
    bench = make_bench(NET, dataclasses.replace(DOUBLE, **fields))
    checked = []

    def on_step(view):
        if view.step not in OTHER:
            return None
        mask = half_mask(bench, OTHER[view.step])
        revived = {n: m & ~view.mask.kept[n] for n, m in mask.kept.items()}
        checked.append({n: g.clone() for n, g in view.gradients.items()})
        return Change(mask, reset_momentum=revived, replace_update=skip)

    request = request_of(bench, mask=half_mask(bench), on_step=on_step, every=5)
    trained = bench.fit(request, {"strategy": "test"})
    dense_seen = []

    def rewire(step, theta, dense, state, masks):
        if step not in OTHER:
            return None
        dense_seen.append(dense)
        new = {k: m.double() for k, m in half_mask(bench, OTHER[step]).items_by_key().items()}
        fresh = {k: (m == 1) & (masks[k] == 0) for k, m in new.items()}
        values = {}
        if not skip:  # the update comes before the change, under the mask before
            for k in theta:
                gradient = dense[k] * masks[k] if k in masks else dense[k]
                theta[k] = update(k, theta[k], gradient, fields["lr"], step + 1, state[k])
        for k, where in fresh.items():
            values[k] = theta[k].masked_fill(where, 0.0)
            for name, entry in state[k].items():
                state[k][name] = entry.masked_fill(where, 0.0)
        return {"masks": new, "values": values, "skip": True}

    if case == "adam" and skip:
        update = adam_that_counts_its_own_updates()
    expected = by_hand(bench, request, lambda step: fields["lr"], update, rewire=rewire)
    assert far(trained.values, expected) <= 1e-12
    # dense gradients, pruned weights included
    for got, dense in zip(checked, dense_seen, strict=True):
        assert max(float((got[n] - dense[f"{n}.weight"]).abs().max()) for n in got) <= 1e-12
    assert trained.mask == half_mask(bench, 2)


def adam_that_counts_its_own_updates():
    """A skipped update does not advance Adam's bias correction."""

    counts = Counter()

    def update(key, theta, gradient, lr, number, state):
        counts[key] += 1
        return adam(key, theta, gradient, lr, counts[key], state)

    return update


def test_a_skipped_update_leaves_everything_but_what_is_given(make_bench, request_of):
    bench = make_bench(NET, dataclasses.replace(SHORT, momentum=0.9))
    before, after = {}, {}

    def on_step(view):
        if view.step == 6:
            before.update({k: v.clone() for k, v in view.values.items()})
            before["momentum"] = view.optimizer_state["fc1.weight"]["momentum_buffer"].clone()
            given = torch.full_like(view.values["fc2.bias"], 0.25)
            return Change(values={"fc2.bias": given}, replace_update=True)
        if view.step == 7:
            after.update({k: v.clone() for k, v in view.values.items()})
            after["momentum"] = view.optimizer_state["fc1.weight"]["momentum_buffer"].clone()
        return None

    bench.fit(request_of(bench, on_step=on_step, end=8), {"strategy": "test"})
    assert torch.equal(after.pop("fc2.bias"), torch.full((3,), 0.25))
    before.pop("fc2.bias")
    assert same(before, after)


def test_momentum_is_zeroed_exactly_where_asked(make_bench, request_of):
    bench = make_bench(NET, dataclasses.replace(SHORT, optimizer="adam", lr=0.01))
    where = torch.zeros(7, 36, dtype=torch.bool)
    where[2, 5] = where[6, 35] = True
    seen = {}

    def on_step(view):
        entries = {
            f"{key} {name}": entry.clone()
            for key, state in view.optimizer_state.items()
            for name, entry in state.items()
        }
        seen[view.step] = entries
        return (
            Change(reset_momentum={"fc1": where}, replace_update=True) if view.step == 5 else None
        )

    bench.fit(request_of(bench, on_step=on_step, end=7), {"strategy": "test"})
    assert seen[0] == {}
    changed = set()
    for name, entry in seen[5].items():
        now = seen[6][name]
        if not torch.equal(entry, now):
            changed.add(name)
            assert torch.equal(now, entry.masked_fill(where, 0.0))
    assert changed == {"fc1.weight exp_avg", "fc1.weight exp_avg_sq"}


@pytest.mark.parametrize("skip", [True, False])
def test_revived_weights_start_at_zero_unless_given(skip, make_bench, half_mask, request_of):
    bench = make_bench(NET, SHORT)
    mask, everything = half_mask(bench), bench.dense_mask()
    seen = {}

    def on_step(view):
        if view.step == 4:
            given = torch.full_like(view.values["fc2.weight"], 0.5)
            return Change(everything, values={"fc2.weight": given}, replace_update=skip)
        if view.step == 5:
            seen.update({k: v.clone() for k, v in view.values.items()})
        return None

    bench.fit(request_of(bench, mask=mask, on_step=on_step, end=6), {"strategy": "test"})
    assert bool((seen["fc1.weight"][~mask.kept["fc1"]] == 0).all())
    assert bool((seen["fc2.weight"] == 0.5).all())


def test_memo_lasts_from_call_to_call_and_calls_come_every_n_steps(make_bench, request_of):
    bench = make_bench(NET, SHORT)
    steps = []

    def on_step(view):
        view.memo["calls"] = view.memo.get("calls", 0) + 1
        steps.append((view.step, view.memo["calls"], view.end))

    request = request_of(bench, on_step=on_step, every=7, start=5, end=30)
    bench.fit(request, {"strategy": "test"})
    assert steps == [(7, 1, 30), (14, 2, 30), (21, 3, 30), (28, 4, 30)]


def test_until_stops_before_the_step_it_is_asked_at(make_bench, request_of):
    bench = make_bench(NET, SHORT)
    stopped = bench.fit(request_of(bench, until=lambda view: view.step >= 18, every=6))
    assert (stopped.step, stopped.stopped) == (18, True)
    assert same(stopped.values, bench.fit(request_of(bench, end=18)).values)
    never = bench.fit(request_of(bench, until=lambda view: False))
    assert (never.step, never.stopped) == (40, False)


# ---- penalty, parametrize -------------------------------------------------------------------


def test_a_quadratic_penalty_is_weight_decay(make_bench, request_of):
    bench = make_bench(NET, DOUBLE)

    def half_squares(values):
        return 0.03 / 2 * sum((v**2).sum() for v in values.values())

    penalised = bench.fit(request_of(bench, penalty=half_squares), {"strategy": "test"})
    request = request_of(bench)
    expected = by_hand(bench, request, lambda step: 0.2, momentum_sgd(0.0), l2=0.03)
    assert far(penalised.values, expected) <= 1e-12
    # it is no part of the reported loss
    plain = bench.fit(request_of(bench, recipe=dataclasses.replace(DOUBLE, weight_decay=0.03)))
    assert penalised.curve[-1].train_loss == pytest.approx(plain.curve[-1].train_loss, abs=1e-12)


def test_parametrize_trains_what_stands_behind_the_weights(make_bench, half_mask, request_of):
    """With w = θ/2, a step of 4·lr on θ is a step of lr on w."""
    bench = make_bench(NET, DOUBLE)
    mask = half_mask(bench)
    double = {k: 2 * v for k, v in bench.initial(3).values.items()}
    halved = bench.fit(
        request_of(
            bench,
            values=double,
            mask=mask,
            recipe=dataclasses.replace(DOUBLE, lr=0.8),
            parametrize=lambda theta, _: {k: v / 2 for k, v in theta.items()},
        ),
        {"strategy": "test"},
    )
    expected = by_hand(bench, request_of(bench, mask=mask), lambda step: 0.2, momentum_sgd(0.0))
    assert far(halved.values, expected) <= 1e-12


class Sign(torch.autograd.Function):
    """sign(x) forwards, straight through backwards."""

    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def test_a_supermask_of_signed_constants_obeys_the_mask(make_bench, half_mask, request_of):
    bench = make_bench(NET, SHORT)
    mask = half_mask(bench)

    def signed(theta, mask):
        return {layer.key: 0.2 * Sign.apply(theta[layer.key]) for layer in bench.layers}

    trained = bench.fit(request_of(bench, mask=mask, parametrize=signed), {"strategy": "test"})
    for name, kept in mask.kept.items():
        weight = trained.values[f"{name}.weight"]
        assert bool((weight[~kept] == 0).all())
        assert bool((weight[kept].abs() == 0.2).all())
    # what is returned is what was evaluated, so it can be used without `parametrize`
    module = bench.network.twin(trained.values).eval()
    val = bench.data.val
    loss = F.cross_entropy(module(bench.data.normalise(val.x)), val.y)
    assert trained.curve[-1].val_loss == pytest.approx(loss.item(), abs=1e-6)
    initial = bench.initial(3).values
    assert bool(
        (trained.values["fc1.weight"].sign() != initial["fc1.weight"].sign())[
            mask.kept["fc1"]
        ].any()
    )
    assert not torch.equal(trained.values["fc1.bias"], initial["fc1.bias"])


# ---- dropout, dtype -------------------------------------------------------------------------


def test_dropout_is_a_function_of_seed_and_step(make_bench, request_of, tmp_path):
    recipe = dataclasses.replace(SHORT, steps=20)
    runs = []
    for i in range(2):
        bench = make_bench(MLP(hidden=(9,), dropout=0.4), recipe, root=tmp_path / str(i))
        torch.rand(i + 5)  # the global state differs from run to run
        runs.append(bench.fit(request_of(bench, checkpoints=frozenset({8}))))
    assert same(runs[0].values, runs[1].values)
    middle = bench.checkpoint(runs[1].key, 8)
    rest = bench.fit(request_of(bench, values=middle.values, start=8))
    assert same(rest.values, runs[0].values)
    without = make_bench(MLP(hidden=(9,)), recipe, root=tmp_path / "without")
    dry = without.fit(request_of(without, values=bench.initial(3).values | {}))  # same start
    assert not same(
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


def test_values_that_are_returned_are_copies(make_bench, request_of):
    bench = make_bench(NET, SHORT)
    first = bench.fit(request_of(bench, end=10))
    kept = {k: v.clone() for k, v in first.values.items()}
    bench.fit(request_of(bench, seed=5))
    assert same(first.values, kept)


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


def test_dense_gradients_count_only_where_the_network_is_rewired(make_bench, half_mask, request_of):
    bench = make_bench(NET, SHORT)
    before, after = half_mask(bench), half_mask(bench, 1)

    def on_step(view):
        return Change(after, replace_update=True) if view.step == 20 else None

    request = request_of(bench, mask=before, on_step=on_step, every=10)
    cost = bench.fit(request, {"strategy": "test"}).cost
    a, b = before.kept_per_layer(), after.kept_per_layer()

    def step(kept):
        return 2 * (2 * kept["fc1"] + 3 * kept["fc2"])

    rewiring = 2 * (a["fc1"] + 252 + 2 * a["fc2"] + 21)
    assert cost.flops_masked_theoretical == pytest.approx(
        20 * (20 * step(a) + rewiring + 19 * step(b)), rel=0.05
    )
