"""Trainings stacked into one computation: the same as alone, and nothing to each other."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import UNCHECKED, some
from torch import nn

from lth_bench.errors import Diverged
from lth_bench.masks import Mask
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts import make_layout
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.layouts.stacked import Explicit, Vmapped
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import Change

NET = MLP(hidden=(7,))
LONG = Recipe(
    lr=0.05,
    steps=100,
    batch_size=20,
    val_size=60,
    eval_every=30,
    dtype="float64",
    crop=1,
    flip=True,
    label_smoothing=0.1,
)
SHORT = Recipe(lr=0.05, steps=12, batch_size=20, val_size=60, eval_every=5, momentum=0.9)
KINDS = {"stacked": Explicit, "vmap": Vmapped}
CALLBACKS = {"strategy": "test"}


@dataclass(frozen=True)
class Small:
    """Batch norm, a stride, groups, odd numbers of channels."""

    def build(self, input_shape, classes):
        return nn.Sequential(
            nn.Conv2d(input_shape[0], 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6, momentum=0.3),
            nn.ReLU(),
            nn.Conv2d(6, 9, 3, stride=2, padding=1, groups=3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(81, classes),
        )


def rectified(h):
    """ReLU, whose derivative at 0 is 0. A filter whose weights are all removed has exactly 0 as its
    output, and what torch's clamp has there as its derivative depends on its version.
    """
    return torch.where(h > 0, h, 0.0)


def small_by_hand(x, used, buffers):
    """`Small` in training mode, its batch norm written out."""

    h = F.conv2d(x, used["0.weight"], padding=1)
    mean, var = h.mean((0, 2, 3)), h.var((0, 2, 3), correction=0)
    n = h.numel() / 6  # a channel
    for name, now in (("mean", mean), ("var", var * n / (n - 1))):
        buffers[f"1.running_{name}"] = 0.7 * buffers[f"1.running_{name}"] + 0.3 * now.detach()
    buffers["1.num_batches_tracked"] = buffers["1.num_batches_tracked"] + 1
    h = (h - mean.view(1, -1, 1, 1)) / (var.view(1, -1, 1, 1) + 1e-5).sqrt()
    h = rectified(h * used["1.weight"].view(1, -1, 1, 1) + used["1.bias"].view(1, -1, 1, 1))
    parts = zip(h.chunk(3, 1), used["3.weight"].chunk(3), used["3.bias"].chunk(3), strict=True)
    h = rectified(torch.cat([F.conv2d(p, w, b, stride=2, padding=1) for p, w, b in parts], 1))
    return h.flatten(1) @ used["6.weight"].T + used["6.bias"]


# ---- the same as alone, and as a loop by hand -----------------------------------------------


OPTIMIZERS = {
    "sgd": (dict(momentum=0.9, nesterov=True, weight_decay=1e-3), 1e-3),
    "adam": (dict(optimizer="adam", lr=0.005, weight_decay=1e-3), 1e-3),
    "adamw": (dict(optimizer="adamw", lr=0.005, weight_decay=0.1), 0.0),
}


@pytest.mark.parametrize(
    ("net", "forward", "steps"), some([(NET, None, 100), (Small(), small_by_hand, 40)])
)
@pytest.mark.parametrize("case", sorted(OPTIMIZERS))
def test_many_steps_equal_those_alone_and_by_hand(
    case, net, forward, steps, make_bench, half_mask, request_of, hand, stack
):
    fields, l2 = OPTIMIZERS[case]
    bench = make_bench(net, dataclasses.replace(LONG, steps=steps, **fields))
    lr = bench.recipe.lr
    update = {
        "sgd": hand.momentum_sgd(0.9, True),
        "adam": hand.adam,
        "adamw": hand.decoupled(0.1),
    }[case]
    on_step, by_hand = hand.rewiring(bench, half_mask)
    key = bench.layers[0].key

    def penalty(values):
        return sum(0.01 * (p**2).sum() for p in values.values())

    requests = [
        request_of(bench, seed=0),
        request_of(bench, seed=1, mask=half_mask(bench, 1), end=37),
        request_of(bench, seed=2, mask=half_mask(bench, 2), on_step=on_step, every=7),
        request_of(bench, seed=3, mask=half_mask(bench, 3), start=17, penalty=penalty),
    ]
    how = {} if forward is None else {"forward": forward}
    expected = [
        hand.train(
            bench,
            request,
            lambda step: lr,
            update,
            l2=l2 + (0.02 if request.penalty else 0.0),
            smoothing=0.1,
            rewire=by_hand if request.on_step else None,
            **how,
        )
        for request in requests
    ]
    alone = [stack(bench, [request])[0].outcome for request in requests]
    for variant, kind in KINDS.items():
        together = [one.outcome for one in stack(bench, requests, kind=kind)]
        for one, other, by_loop, request in zip(together, alone, expected, requests, strict=True):
            assert (one.variant, one.cohort_size) == (variant, 4)
            assert (one.step, other.step) == (request.end, request.end)
            assert hand.far(one.values, other.values) <= 1e-12
            assert hand.far(one.values, by_loop) <= 1e-12
            assert hand.far(one.best, other.best) <= 1e-12
            assert one.best_step == other.best_step
            assert one.mask == other.mask
            assert [p.step for p in one.curve] == [p.step for p in other.curve]
            for p, q in zip(one.curve, other.curve, strict=True):
                assert dataclasses.astuple(p) == pytest.approx(dataclasses.astuple(q), abs=1e-11)
            cost = dataclasses.replace(other.cost, seconds=one.cost.seconds)
            assert one.cost == cost
    assert (
        min(
            hand.far({key: e[key]}, {key: r.values[key]})
            for e, r in zip(expected, requests, strict=True)
        )
        > 1e-2
    )


# ---- nothing to each other ------------------------------------------------------------------


@dataclass(frozen=True)
class Uneven:
    """Nothing in it fills whole vectors, and the linear layers' rows are interleaved."""

    def build(self, input_shape, classes):
        return nn.Sequential(
            nn.Conv2d(input_shape[0], 7, 5, padding=1),
            nn.BatchNorm2d(7),
            nn.ReLU(),
            nn.Conv2d(7, 5, 3),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(5, 11),
            nn.ReLU(),
            nn.Linear(11, classes),
        )


def begun(kind, bench, cohort_size, requests):
    """A layout with these members in its slots, in turn."""
    layout = kind(bench.network, bench.data, bench.recipe, cohort_size)
    members = [requests[i % len(requests)] for i in range(cohort_size)]
    layout.begin(
        [r.seed for r in members],
        [r.start for r in members],
        [r.values for r in members],
        [r.mask for r in members],
        penalties={},
    )
    return layout


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("net", some([Uneven(), NET, MLP(hidden=(30,))]), ids=["uneven", "7", "30"])
def test_every_slot_gives_the_same_bits(net, optimizer, dtype, make_bench, half_mask, request_of):
    fields = dict(momentum=0.9, nesterov=True) if optimizer == "sgd" else dict(lr=0.01)
    fields |= dict(optimizer=optimizer, weight_decay=0.01, dtype=dtype, label_smoothing=0.1)
    recipe = dataclasses.replace(SHORT, **{"momentum": 0.0, **fields})
    bench = make_bench(net, recipe)
    request = request_of(bench, mask=half_mask(bench))
    for kind in KINDS.values():
        for cohort_size in (2, 3, 5, 8, 16):
            layout = begun(kind, bench, cohort_size, [request])
            for step in range(3):
                layout.forward_backward(step)
                for key in layout.parameters:
                    gradients = [layout.gradients(slot)[key] for slot in range(cohort_size)]
                    assert all(torch.equal(g, gradients[0]) for g in gradients), (cohort_size, key)
                layout.update(recipe.lr)
            for key, tensor in layout.tensors().items():
                assert all(torch.equal(part, tensor[0]) for part in tensor), (cohort_size, key)
            assert len(set(layout.losses.tolist())) == 1
            assert len(set(layout.evaluate(range(cohort_size)).values())) == 1


def outcomes_equal(a, b, hand):
    return (
        hand.same(a.values, b.values)
        and hand.same(a.best, b.best)
        and a.checkpoints.keys() == b.checkpoints.keys()
        and all(hand.same(v, b.checkpoints[s]) for s, v in a.checkpoints.items())
        and (a.mask, a.step, a.curve, a.best_step) == (b.mask, b.step, b.curve, b.best_step)
        and dataclasses.replace(a.cost, seconds=0) == dataclasses.replace(b.cost, seconds=0)
        and (a.stopped, a.cohort_size, a.variant) == (b.stopped, b.cohort_size, b.variant)
    )


@pytest.mark.parametrize("cohort_size", [4, 5])
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("net", [NET, Small()], ids=["mlp", "conv"])
def test_places_and_neighbours_change_no_bit(
    net, kind, cohort_size, make_bench, request_of, hand, stack
):
    recipe = dataclasses.replace(SHORT, crop=1, flip=True, optimizer="sgd", weight_decay=0.01)
    bench = make_bench(net, recipe)
    layout = KINDS[kind](bench.network, bench.data, recipe, cohort_size)

    def member(i, density):
        rng = torch.Generator().manual_seed(i)
        kept = {x.name: torch.rand(x.shape, generator=rng) < density for x in bench.layers}
        mask = Mask(kept, layers=bench.layers)
        return request_of(bench, seed=i, mask=mask, checkpoints=frozenset({3}))

    watched = [member(0, 1.0), member(1, 0.5), member(2, 0.1)]
    neighbours = [member(3, 0.0), member(4, 0.01), member(5, 1.0), member(6, 0.5)]
    spoilt = {k: v.clone() for k, v in neighbours[2].values.items()}
    next(iter(spoilt.values())).view(-1)[0] = float("nan")
    neighbours.append(dataclasses.replace(neighbours[2], values=spoilt))
    neighbours.append(dataclasses.replace(neighbours[3], end=7))
    # fewer members than slots: the rest is padding
    expected = [one.outcome for one in stack(bench, watched, layout=layout)]

    @settings(max_examples=8, suppress_health_check=UNCHECKED)
    @given(
        st.permutations(range(3)),
        st.lists(st.sampled_from(range(6)), max_size=cohort_size - 1),
        st.integers(0, cohort_size),
    )
    def check(order, others, at):
        order = order[: cohort_size - len(others)] or order[:1]
        requests = [watched[i] for i in order]
        requests[at:at] = [neighbours[i] for i in others]
        asked = stack(bench, requests[:cohort_size], layout=layout)
        for one in asked:
            if one.request is neighbours[4]:
                assert isinstance(one.error, Diverged)
        for i in order:
            found = [one for one in asked if one.request is watched[i]]
            if found:
                assert outcomes_equal(found[0].outcome, expected[i], hand)

    check()


def test_a_layout_that_has_trained_others_is_as_good_as_new(
    make_bench, half_mask, request_of, hand, stack
):
    for recipe in (SHORT, dataclasses.replace(SHORT, optimizer="adam", momentum=0.0)):
        bench = make_bench(Small(), recipe)
        layout = make_layout(bench.network, bench.data, recipe, 2)
        requests = [request_of(bench), request_of(bench, seed=1, mask=half_mask(bench, 1))]
        held = Mask(
            half_mask(bench, 6).kept,
            {"1.weight": torch.tensor([False, True, True, True, True, True])},
            bench.layers,
        )
        swapped = half_mask(bench, 7)
        other = [
            request_of(bench, seed=8, mask=held, start=5, end=9),
            request_of(bench, seed=9, mask=swapped),
        ]
        # both masks, and a bias that is held at zero, must be gone
        stack(bench, other, layout=layout)
        again = stack(bench, requests, layout=layout)
        fresh = stack(bench, requests)
        for a, b in zip(again, fresh, strict=True):
            assert outcomes_equal(a.outcome, b.outcome, hand)


# ---- what goes wrong is one member's --------------------------------------------------------


def boom(*_):
    raise ZeroDivisionError("a callback")


def changes(change):
    return dict(on_step=lambda view: change if view.step == 4 else None)


WRONG = {
    "on_step raises": (dict(on_step=boom), ZeroDivisionError, "a callback"),
    "until raises": (dict(until=boom), ZeroDivisionError, "a callback"),
    "penalty raises": (dict(penalty=boom), ZeroDivisionError, "a callback"),
    "penalty of two numbers": (
        dict(penalty=lambda values: values["fc2.bias"][:2]),
        ValueError,
        r"return a scalar, but got a tensor of \(2,\)",
    ),
    "an unknown layer": (
        changes(Change(reset_momentum={"fc9": torch.ones(3, 7, dtype=torch.bool)})),
        ValueError,
        "'fc9'; known: fc1, fc2",
    ),
    "an unknown parameter": (
        changes(Change(values={"fc9.bias": torch.ones(3)})),
        ValueError,
        "'fc9.bias'; known: fc1.weight",
    ),
    "a wrong shape": (
        changes(Change(values={"fc2.bias": torch.ones(1)})),
        ValueError,
        r"\(3,\), but got \(1,\)",
    ),
    "a wrong shape of reset_momentum": (
        changes(Change(reset_momentum={"fc2": torch.ones(7, 3, dtype=torch.bool)})),
        ValueError,
        r"\(3, 7\), but got \(7, 3\)",
    ),
    "a mask of another network": (
        changes(Change(Mask({"fc1": torch.ones(7, 36, dtype=torch.bool)}))),
        ValueError,
        "fc2",
    ),
    "no Change": (changes("no change"), AttributeError, "replace_update"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_what_a_callback_does_wrong_is_its_own_member_s(
    case, make_bench, half_mask, request_of, hand, stack
):
    wrong, kind, message = WRONG[case]
    bench = make_bench(NET, SHORT)
    requests = [request_of(bench, seed=i, mask=half_mask(bench, i)) for i in range(3)]
    expected = stack(bench, requests)
    spoilt = dataclasses.replace(requests[1], **wrong)
    asked = stack(bench, [requests[0], spoilt, requests[2]])
    assert asked[1].outcome is None
    with pytest.raises(kind, match=message):
        raise asked[1].error
    for i in (0, 2):
        assert outcomes_equal(asked[i].outcome, expected[i].outcome, hand)


@pytest.mark.parametrize("net", [NET, Small()], ids=["mlp", "conv"])
def test_a_member_that_diverges_leaves_its_neighbours_alone(
    net, make_bench, half_mask, request_of, hand, stack
):
    bench = make_bench(net, SHORT)
    requests = [request_of(bench, seed=i, mask=half_mask(bench, i)) for i in range(4)]
    expected = stack(bench, requests)
    key = bench.layers[0].key
    huge = {k: v.clone() for k, v in requests[1].values.items()}
    huge[bench.layers[-1].key] *= 1e38

    def blow_up(view):
        if view.step == 6:
            return Change(values={key: torch.full_like(view.values[key], float("inf"))})
        return None

    spoilt = [
        requests[0],
        dataclasses.replace(requests[1], values=huge),
        dataclasses.replace(requests[2], on_step=blow_up),
        requests[3],
    ]
    asked = stack(bench, spoilt)
    assert isinstance(asked[1].error, Diverged) and "step 5" in str(asked[1].error)
    assert isinstance(asked[2].error, Diverged) and "step 10" in str(asked[2].error)
    for i in (0, 3):
        assert outcomes_equal(asked[i].outcome, expected[i].outcome, hand)


def test_who_is_out_of_time_stops_and_callbacks_cost_their_own_member(
    make_bench, request_of, hand, stack, monkeypatch
):
    now = [0.0]

    def look():  # the test's own clock: a busy machine may take a step for longer than a callback
        now[0] += 1e-5
        return now[0]

    monkeypatch.setattr(time, "perf_counter", look)
    bench = make_bench(NET, SHORT)
    requests = [request_of(bench, seed=i) for i in range(3)]
    expected = stack(bench, requests)

    def dawdle(view):
        now[0] += 0.02

    spoilt = dataclasses.replace(requests[1], on_step=dawdle)
    asked = [
        [PendingFit(requests[0])],
        [PendingFit(spoilt), PendingFit(spoilt)],
        [PendingFit(requests[2])],
    ]
    for one in (asked[0][0], *asked[1]):
        one.seconds_left = one.time_limit = 0.1
    told = []
    asked[1][0].on_callback = told.append
    asked[0][0].seconds_left = 60.0
    cohort = Cohort(make_layout(bench.network, bench.data, SHORT, 3), asked)
    cohort.run()
    for i in (0, 2):
        assert outcomes_equal(asked[i][0].outcome, expected[i].outcome, hand)
    # it joined two fits, which share what it took; each had 0.1 s
    for one in asked[1]:
        assert str(one.error) == "took longer than 0.1 s (--timeout)"
    steps = cohort.members[1].step
    assert steps < SHORT.steps
    assert told == [True, False] * steps
    assert cohort.members[1].seconds > 0.02 * steps
    assert cohort.members[0].seconds < cohort.members[1].seconds


@pytest.mark.parametrize("end", [10, 12])  # with an evaluation of all, and with one of its own
def test_seconds_include_what_was_queued_on_the_device(end, make_bench, request_of, monkeypatch):
    """A device computes after the host has said what: reading a loss waits for all of it."""
    bench = make_bench(NET, SHORT)
    now, layout = [0.0], make_layout(bench.network, bench.data, SHORT, 2)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    evaluate = layout.evaluate

    def waits(live):
        now[0] += 3.0
        return evaluate(live)

    layout.evaluate = waits
    asked = [[PendingFit(request_of(bench, seed=seed, end=end))] for seed in range(2)]
    Cohort(layout, asked).run()
    evaluations = {10: 2, 12: 3}[end]  # after steps 5 and 10, and at the end
    for (one,) in asked:
        assert one.outcome.cost.seconds == pytest.approx(3.0 * evaluations / 2)


def test_an_interrupt_and_the_device_s_memory_concern_everybody(make_bench, request_of, stack):
    bench = make_bench(NET, SHORT)
    for error in (KeyboardInterrupt, torch.OutOfMemoryError):

        def raises(view, error=error):
            raise error

        with pytest.raises(error):
            stack(bench, [request_of(bench), request_of(bench, seed=1, on_step=raises)])


def test_on_eval_that_raises_fails_the_fit_that_gave_it(make_bench, request_of):
    bench = make_bench(NET, SHORT)
    seen = []
    asked = [
        PendingFit(request_of(bench), boom),
        PendingFit(request_of(bench), seen.append),
        PendingFit(request_of(bench, end=8), boom),
    ]
    Cohort(make_layout(bench.network, bench.data, SHORT, 1), [asked]).run()
    assert [type(one.error) for one in asked] == [ZeroDivisionError, type(None), ZeroDivisionError]
    assert tuple(seen) == asked[1].outcome.curve


# ---- ends -----------------------------------------------------------------------------------


def test_a_member_that_stops_early_changes_nothing_for_the_others(
    make_bench, half_mask, request_of, hand, stack
):
    bench = make_bench(Small(), SHORT)
    requests = [request_of(bench, seed=i, mask=half_mask(bench, i)) for i in range(3)]
    expected = stack(bench, requests)
    stops = dataclasses.replace(requests[1], until=lambda view: view.step == 6, every=3)
    asked = stack(bench, [requests[0], stops, requests[2]])
    assert (asked[1].outcome.step, asked[1].outcome.stopped) == (6, True)
    prefix = stack(bench, [requests[0], dataclasses.replace(requests[1], end=6), requests[2]])
    assert hand.same(asked[1].outcome.values, prefix[1].outcome.values)
    assert asked[1].outcome.curve == prefix[1].outcome.curve
    for i in (0, 2):
        assert outcomes_equal(asked[i].outcome, expected[i].outcome, hand)


def test_parts_of_one_training_are_as_if_each_had_been_alone(
    make_bench, half_mask, request_of, hand
):
    bench = make_bench(Small(), SHORT)
    request = request_of(bench, mask=half_mask(bench))

    def watcher(step, every):
        def until(view):
            view.memo["calls"] = view.memo.get("calls", 0) + 1
            return view.step >= step and view.memo["calls"] == view.step // every + 1

        return dataclasses.replace(request, until=until, every=every)

    parts = [
        dataclasses.replace(request, checkpoints=frozenset({2, 11})),
        watcher(4, 2),
        watcher(9, 3),
        dataclasses.replace(request, end=9, checkpoints=frozenset({7})),
        dataclasses.replace(watcher(99, 1), end=10),
        dataclasses.replace(request, until=boom),
    ]
    layout = make_layout(bench.network, bench.data, SHORT, 2)
    joined = [PendingFit(part) for part in parts]
    neighbour = [PendingFit(request_of(bench, seed=5))]
    Cohort(layout, [joined, neighbour]).run()
    assert isinstance(joined.pop().error, ZeroDivisionError)
    assert [one.outcome.step for one in joined] == [12, 4, 9, 9, 10]
    assert [one.outcome.stopped for one in joined] == [False, True, True, False, False]
    for one in joined:
        single = PendingFit(one.request)
        Cohort(layout, [[single], [PendingFit(request_of(bench, seed=5))]]).run()
        wanted = {s: one.outcome.checkpoints[s] for s in single.outcome.checkpoints}
        assert outcomes_equal(
            dataclasses.replace(one.outcome, checkpoints=wanted), single.outcome, hand
        )


# ---- rules ----------------------------------------------------------------------------------


def test_a_cohort_has_one_member_to_its_size(make_bench, request_of):
    bench = make_bench(NET, SHORT)
    layout = make_layout(bench.network, bench.data, SHORT, 2)
    for members in (0, 3):
        with pytest.raises(ValueError, match=f"1 to 2 members, but got {members}"):
            Cohort(layout, [[PendingFit(request_of(bench))]] * members)


@dataclass(frozen=True)
class Scaled:
    """A parameter that is a single number, as temperatures are."""

    def build(self, input_shape, classes):
        return ScaledNet(input_shape[0] * input_shape[1] * input_shape[2], classes)


class ScaledNet(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.fc = nn.Linear(inputs, classes)
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        return self.fc(x.flatten(1)) * self.scale


def test_a_skipped_update_leaves_adam_s_count_of_steps_to_the_others(
    make_bench, request_of, hand, stack
):
    recipe = dataclasses.replace(SHORT, optimizer="adam", momentum=0.0, dtype="float64")
    bench = make_bench(Scaled(), recipe)
    skips = request_of(bench, seed=1, on_step=lambda view: Change(replace_update=True), every=2)
    requests = [request_of(bench, seed=0), skips]
    alone = [stack(bench, [r])[0].outcome for r in requests]
    for one, other in zip(stack(bench, requests), alone, strict=True):
        assert hand.far(one.outcome.values, other.values) <= 1e-12


def test_the_layout_and_the_cohort_size_are_recorded(make_bench, request_of, stack):
    bench = make_bench(NET, SHORT)
    for cohort_size, variant in ((1, "plain"), (3, "stacked")):
        outcome = stack(bench, [request_of(bench)], cohort_size=cohort_size)[0].outcome
        assert (outcome.cohort_size, outcome.variant) == (cohort_size, variant)
    assert issubclass(Explicit, Layout)


def test_a_callback_that_draws_at_random_draws_the_same_in_company(make_bench, request_of, stack):
    bench, drawn = make_bench(NET, SHORT), {}

    def drawing(seed, every):
        def on_step(view):
            drawn.setdefault(seed, []).append(float(torch.rand(())))

        return request_of(bench, seed=seed, on_step=on_step, every=every)

    stack(bench, [drawing(0, 3)], cohort_size=2)
    alone = drawn.pop(0)
    stack(bench, [drawing(1, 2), drawing(0, 3)], cohort_size=2)
    assert drawn[0] == alone and len(set(alone)) == 4
    assert not set(alone) & set(drawn[1])
