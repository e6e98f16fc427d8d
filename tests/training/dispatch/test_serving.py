"""Who waits together is trained together, once."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
import weakref

import pytest
import torch

from lth_bench.errors import TrainingError
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.checkpoints.cache import TrainingCache
from lth_bench.training.dispatch.serving import last_half
from lth_bench.training.engine.cohort_size import CohortSizes
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import Change

NET = MLP(hidden=(7,))
RECIPE = Recipe(lr=0.2, steps=20, batch_size=20, val_size=60, eval_every=8, momentum=0.9)
FALLING = dataclasses.replace(RECIPE, schedule="cosine")
CALLBACKS = {"strategy": "test"}


@pytest.fixture
def wide(make_bench):
    """`wide(cohort_size, recipe=RECIPE, net=NET, …)`: a workbench with cohorts of that size."""

    def make(cohort_size, recipe=RECIPE, net=NET, **how):
        bench = make_bench(net, recipe, **how)
        bench.cohort_sizes = CohortSizes(None, given=cohort_size)
        return bench

    return make


def serve_all(bench, waiting):
    while left := [one for one in waiting if not one.done]:
        bench.serve(left)
    for one in waiting:
        if one.error is not None:
            raise one.error
    return [one.outcome for one in waiting]


def equal(a, b, hand):
    return (
        hand.same(a.values, b.values)
        and hand.same(a.best, b.best)
        and (a.mask, a.step, a.curve, a.best_step, a.cohort_size, a.variant)
        == (b.mask, b.step, b.curve, b.best_step, b.cohort_size, b.variant)
        and dataclasses.replace(a.cost, seconds=0) == dataclasses.replace(b.cost, seconds=0)
    )


# ---- who stands together --------------------------------------------------------------------


def test_seeds_masks_ends_and_callbacks_stand_together(wide, half_mask, request_of, queue, cohorts):
    bench = wide(4)
    waiting = queue(
        bench,
        request_of(bench, seed=0),
        request_of(bench, seed=1, mask=half_mask(bench)),
        request_of(bench, seed=2, end=9),
    )
    waiting += queue(bench, request_of(bench, on_step=lambda view: None), callbacks=CALLBACKS)
    waiting += queue(bench, request_of(bench, seed=4, recipe=FALLING))
    serve_all(bench, waiting)
    # one of another recipe stands alone, in a cohort of full size
    assert cohorts == [(4, [1, 1, 1, 1]), (4, [1])]
    assert [one.outcome.step for one in waiting] == [20, 20, 9, 20, 20]


def test_the_fullest_cohort_goes_first_and_like_lengths_stand_together(
    wide, request_of, queue, cohorts, monkeypatch
):
    bench = wide(2)
    ends = [5, 20, 5, 20, 20]
    waiting = queue(bench, *(request_of(bench, seed=i, end=e) for i, e in enumerate(ends)))
    bench.serve(waiting)
    assert cohorts == [(2, [1, 1])]
    assert [one.done for one in waiting] == [False, True, False, True, False]
    serve_all(bench, waiting)
    assert cohorts == [(2, [1, 1])] * 2 + [(2, [1])]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        # at a constant rate trainings from any step have the same rates
        (RECIPE, [(4, [1, 1, 1, 1])]),
        # otherwise those from one step, where many start from it
        (FALLING, [(4, [1, 1]), (4, [1]), (1, [1])]),
        (dataclasses.replace(RECIPE, warmup=3), [(4, [1, 1]), (4, [1]), (1, [1])]),
    ],
)
def test_starts(recipe, expected, wide, request_of, queue, cohorts, hand):
    bench = wide(4, recipe)
    starts = [0, 0, 6, 11]
    requests = [request_of(bench, seed=i, start=s) for i, s in enumerate(starts)]
    outcomes = serve_all(bench, queue(bench, *requests, starts=[6]))
    assert sorted(cohorts) == sorted(expected)
    # whoever stands beside it
    again = wide(4, recipe, root=bench.cache.root / "again")
    for request, outcome in zip(requests, outcomes, strict=True):
        (one,) = serve_all(again, queue(again, request, starts=[6]))
        assert equal(one, outcome, hand)


def test_which_steps_are_common_is_said_with_the_fit_and_no_other_one_changes_it(
    wide, request_of, queue, cohorts
):
    """On one bench, an experiment that was told of a step and one that was not."""
    bench = wide(4, FALLING)
    told = queue(bench, *(request_of(bench, seed=i, start=6) for i in range(2)), starts=[6])
    untold = queue(bench, *(request_of(bench, seed=i, start=6) for i in range(2, 4)))
    serve_all(bench, [*untold, *told])
    assert sorted(cohorts) == [(1, [1]), (1, [1]), (4, [1, 1])]


def test_an_idle_worker_is_given_half_of_the_cohorts_and_no_part_of_one(wide, request_of, queue):
    """Three with one start and two with another fill no cohort of eight; they are two all the same.
    A single cohort takes as long with half of its members.
    """
    bench = wide(8, FALLING)
    waiting = queue(
        bench,
        *(request_of(bench, seed=i, start=s) for i, s in enumerate([0, 6, 0, 6, 0])),
        starts=[6],
    )
    assert last_half(bench, waiting) == [waiting[1], waiting[3]]
    assert last_half(bench, [waiting[0], waiting[2]]) == []
    narrow = wide(2)
    five = queue(narrow, *(request_of(narrow, seed=i, end=5 + i) for i in range(5)))
    assert last_half(narrow, five) == [five[0]]  # of three cohorts, the one that would run last


def test_parametrize_and_dropout_train_alone(wide, request_of, queue, cohorts):
    bench = wide(4)

    def parametrize(trainables, mask):
        return {k: 2 * v for k, v in trainables.items()}

    waiting = queue(bench, request_of(bench, seed=0), request_of(bench, seed=1))
    for call in range(2):
        waiting += queue(
            bench,
            request_of(bench, parametrize=parametrize),
            callbacks={**CALLBACKS, "call": call},
        )
    serve_all(bench, waiting)
    assert sorted(cohorts) == [(1, [1]), (1, [1]), (4, [1, 1])]
    cohorts.clear()
    dropping = wide(4, net=MLP(hidden=(7,), dropout=0.4))
    serve_all(dropping, queue(dropping, *(request_of(dropping, seed=i) for i in range(2))))
    assert cohorts == [(1, [1]), (1, [1])]


# ---- once -----------------------------------------------------------------------------------


def test_the_same_training_is_done_once_for_all_who_wait(
    wide, half_mask, request_of, queue, cohorts, hand, tmp_path
):
    bench = wide(2)
    whole = request_of(bench, mask=half_mask(bench))
    parts = [
        dataclasses.replace(whole, checkpoints=frozenset({5})),
        dataclasses.replace(whole, checkpoints=frozenset({3, 12})),
        dataclasses.replace(whole, end=12),
        dataclasses.replace(whole, until=lambda view: view.step == 6, every=2),
        dataclasses.replace(whole, until=lambda view: view.step >= 9, every=5),
    ]
    other = request_of(bench, seed=8)
    waiting = queue(bench, *parts, other)
    outcomes = serve_all(bench, waiting)
    assert cohorts == [(2, [5, 1])]
    assert [o.step for o in outcomes] == [20, 20, 12, 6, 10, 20]
    assert [o.stopped for o in outcomes] == [False, False, False, True, True, False]
    assert sum(not one.reused for one in waiting) == 2
    for i, (part, outcome) in enumerate(zip(parts, outcomes, strict=False)):
        apart = wide(2, root=tmp_path / str(i))
        (alone,) = serve_all(apart, queue(apart, part))
        assert equal(outcome, alone, hand)
        for step in part.checkpoints:
            assert hand.same(outcome.checkpoints[step], alone.checkpoints[step])
    # everything is found later, the wanted checkpoints united, stopped ones as prefixes
    later = wide(2)
    for request in (
        dataclasses.replace(whole, checkpoints=frozenset({3, 5, 12})),
        dataclasses.replace(whole, end=12),
        dataclasses.replace(whole, end=6),
        dataclasses.replace(whole, end=10),
        other,
    ):
        assert later.fit(request).reused
    assert len(cohorts) == 1 + len(parts)


def test_what_is_kept_already_is_served_before_anything_is_trained(
    wide, request_of, queue, cohorts
):
    bench = wide(2)
    waiting = queue(bench, *(request_of(bench, seed=i) for i in range(3)))
    elsewhere = wide(2)
    elsewhere.fit(request_of(bench, seed=1))
    cohorts.clear()
    bench.serve(waiting)
    assert [one.done for one in waiting] == [False, True, False]
    assert waiting[1].reused and cohorts == []


def test_a_watcher_that_shares_its_memo_with_on_step_is_not_joined(
    wide, request_of, queue, cohorts
):
    bench = wide(2)

    def on_step(view):
        view.memo["seen"] = view.step

    def until(view):
        return view.memo.get("seen") == 7

    request = request_of(bench, on_step=on_step, until=until)
    outcomes = serve_all(bench, queue(bench, request, request, callbacks=CALLBACKS))
    assert cohorts == [(2, [1, 1])]
    assert [(o.step, o.stopped) for o in outcomes] == [(8, True)] * 2


# ---- other processes ------------------------------------------------------------------------


def test_trainings_that_another_process_has_are_left_to_it(
    wide, request_of, queue, cohorts, tmp_path, hand
):
    bench = wide(2)
    requests = [request_of(bench, seed=i) for i in range(2)]
    waiting = queue(bench, *requests)
    apart = wide(2, root=tmp_path / "apart")
    (done,) = serve_all(apart, queue(apart, requests[0]))
    cohorts.clear()
    # a lock of another file descriptor is as good as another process's
    other = TrainingCache(bench.cache.root)
    lease = other.lease(waiting[0].key)
    bench.serve(waiting)
    assert [one.done for one in waiting] == [False, True]
    assert cohorts == [(2, [1])]

    def finish():
        time.sleep(0.1)
        other.put(waiting[0].key, done)

    thread = threading.Thread(target=finish)
    thread.start()
    serve_all(bench, waiting)
    thread.join()
    lease.release()
    assert waiting[0].reused
    assert len(cohorts) == 1
    assert equal(waiting[0].outcome, done, hand)
    # all leases are given back
    for one in waiting:
        lease = other.lease(one.key)
        assert lease is not None
        lease.release()


def test_a_process_that_gives_up_its_lease_leaves_the_training_to_us(
    wide, request_of, queue, cohorts
):
    bench = wide(2)
    (one,) = queue(bench, request_of(bench))
    lease = TrainingCache(bench.cache.root).lease(one.key)
    bench.serve([one])
    assert not one.done and cohorts == []
    lease.release()
    bench.serve([one])
    assert one.done and cohorts == [(2, [1])]


# ---- what goes wrong ------------------------------------------------------------------------


@pytest.fixture
def small_memory(monkeypatch):
    """`small_memory(widest)`: in the third step of a wider cohort the device's memory is full."""

    def make(widest):
        step = Layout.forward_backward

        def forward_backward(self, done):
            if self.cohort_size > widest and done == 2:
                raise torch.OutOfMemoryError("full")
            step(self, done)

        monkeypatch.setattr(Layout, "forward_backward", forward_backward)

    return make


@pytest.mark.slow
def test_where_memory_is_full_the_cohort_size_is_halved_for_good(
    wide, request_of, queue, cohorts, small_memory, tmp_path, hand
):
    narrow = wide(2, root=tmp_path / "narrow")
    requests = [request_of(narrow, seed=i) for i in range(5)]
    calls = []

    def until(view):
        view.memo["calls"] = view.memo.get("calls", 0) + 1
        calls.append(view.step)
        return view.memo["calls"] == 7

    requests.append(dataclasses.replace(request_of(narrow, seed=6), until=until))
    expected = serve_all(narrow, queue(narrow, *requests))
    small_memory(2)
    for given in (8, None):
        bench = wide(8, root=tmp_path / str(given))
        if given is None:
            bench.cohort_sizes = CohortSizes(tmp_path / "widths.json")
            key = bench._cohort_size_key(RECIPE)
            by = {"explicit": {"1": 100.0, "8": 900.0}}
            kept = {key: {"model_steps_per_second": by}}
            (tmp_path / "widths.json").write_text(json.dumps(kept))
        cohorts.clear()
        outcomes = serve_all(bench, queue(bench, *requests))
        assert cohorts[:3] == [(8, [1] * 6), (4, [1] * 4), (2, [1, 1])]
        assert [c for c in cohorts if c[0] == 2] == [(2, [1, 1])] * 3
        for outcome, wanted in zip(outcomes, expected, strict=True):
            assert equal(outcome, wanted, hand)
        assert bench.cohort_size(RECIPE) == 2
        cohorts.clear()
        serve_all(bench, queue(bench, *(request_of(bench, seed=i) for i in (11, 12, 13))))
        assert cohorts == [(2, [1, 1]), (2, [1])]
    # a later run knows
    later = CohortSizes(tmp_path / "widths.json").of(key, bench.network, bench.data, RECIPE)
    assert later.size == 2


def test_memory_too_small_for_one_is_an_error_of_that_training(
    wide, request_of, queue, small_memory
):
    bench = wide(2)
    small_memory(0)
    waiting = queue(bench, request_of(bench), request_of(bench, recipe=FALLING))
    bench.serve(waiting)
    assert sorted(type(one.error) for one in waiting if one.done) == [torch.OutOfMemoryError]
    bench.serve([one for one in waiting if not one.done])
    assert all(isinstance(one.error, torch.OutOfMemoryError) for one in waiting)


def test_an_error_concerns_only_those_who_were_trained(wide, request_of, queue, monkeypatch):
    bench = wide(2)
    waiting = queue(
        bench, request_of(bench), request_of(bench, seed=1), request_of(bench, recipe=FALLING)
    )

    def fails(self, x, y):
        raise RuntimeError("a kernel")

    with monkeypatch.context() as patch:
        patch.setattr("lth_bench.training.engine.layouts.stacked.Stacked.backward", fails)
        bench.serve(waiting)
    assert [type(one.error) for one in waiting] == [TrainingError, TrainingError, type(None)]
    assert "the training raised RuntimeError: a kernel (test_serving.py:" in str(waiting[0].error)
    bench.serve(waiting[2:])
    assert waiting[2].outcome is not None
    # nothing of it was kept, and its leases are free
    assert bench.fit(request_of(bench)).reused is False


def test_a_rewired_training_is_its_own(wide, half_mask, request_of, queue, cohorts, hand):
    bench = wide(4, net=ConvBN())
    first, second = half_mask(bench, 1), half_mask(bench, 2)

    def on_step(view):
        return Change(second, replace_update=True) if view.step == 5 else None

    plain = request_of(bench, mask=first)
    rewired = dataclasses.replace(plain, on_step=on_step)
    waiting = queue(bench, plain) + queue(bench, rewired, rewired, callbacks=CALLBACKS)
    a, b, c = serve_all(bench, waiting)
    # two experiments with the same parameters share it
    assert cohorts == [(4, [1, 2])] or cohorts == [(4, [2, 1])]
    assert a.mask == first and b.mask == c.mask == second
    assert hand.same(b.values, c.values) and not hand.same(a.values, b.values)


def test_what_on_step_sees_of_the_end_is_its_own(make_bench, request_of, queue):
    """Fits of other lengths are another training where a callback sees the end."""
    bench, ends = make_bench(NET, RECIPE), []
    fits = [request_of(bench, end=e, on_step=lambda v: ends.append(v.end)) for e in (4, 6)]
    waiting = queue(bench, *fits, callbacks=CALLBACKS)
    assert waiting[0].training != waiting[1].training
    for one in waiting:
        serve_all(bench, [one])
    assert ends == [4] * 4 + [6] * 6


def test_a_cohort_that_found_no_memory_is_gone_before_its_halves_run(
    wide, request_of, queue, monkeypatch
):
    """Otherwise its tensors would take the room that the halves need."""
    begin, made, alive = Layout.begin, [], []

    def begin_or_not(self, *given, **how):
        begin(self, *given, **how)
        alive.append(sum(layout() is not None for layout in made))
        made.append(weakref.ref(self))
        if self.cohort_size > 2:
            raise torch.OutOfMemoryError("full")

    bench = wide(4)
    _ = bench.cohort_size(RECIPE)
    monkeypatch.setattr(Layout, "begin", begin_or_not)
    serve_all(bench, queue(bench, *(request_of(bench, seed=i) for i in range(4))))
    assert [layout() is None for layout in made[:1]] == [True]
    assert alive == [0, 0, 1]  # the second half finds the layout of the first
