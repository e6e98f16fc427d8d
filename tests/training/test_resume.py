"""Trainings that were stopped in mid-way go on from their checkpoint, with the same bits."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import deque
from dataclasses import dataclass

import pytest
import torch
from thoroughness import some
from torch import nn

from lth_bench.errors import Diverged, Unwinding, UserError
from lth_bench.masks import Mask
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.checkpoints.policy import CheckpointPolicy, Preempted, checkpoint_seconds
from lth_bench.training.engine import sparse_sequential
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.cohort_size import CohortSizes
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.recipe import Recipe, ResizedCrop
from lth_bench.training.request import Change

NET = MLP(hidden=(7,))
RECIPE = Recipe(
    lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=8, momentum=0.9, crop=1, flip=True
)
ADAM = dataclasses.replace(
    RECIPE, optimizer="adam", lr=0.01, schedule="cosine", momentum=0.0, crop=0,
    resized_crop=ResizedCrop(),
)  # fmt: skip
CALLBACKS = {"strategy": "test"}


class Killed(Unwinding):
    """As SIGKILL, but for the test's own process."""


@dataclass(frozen=True)
class Dropping:
    def build(self, input_shape, classes):
        size = input_shape[0] * input_shape[1] * input_shape[2]
        return nn.Sequential(nn.Flatten(), nn.Linear(size, 9), nn.Dropout(), nn.Linear(9, classes))


@dataclass(frozen=True)
class Odd:
    """Its layers cannot be stacked one by one."""

    def build(self, input_shape, classes):
        class Module(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(input_shape[0] * input_shape[1] * input_shape[2], 8)
                self.fc2 = nn.Linear(8, classes)

            def forward(self, x):
                return self.fc2(torch.tanh(self.fc1(x.reshape(-1, self.fc1.in_features))))

        return Module()


@pytest.fixture
def bench_at(make_bench, tmp_path):
    """`bench_at(place, net, recipe, cohort_size)`: as a process of its own would have it."""

    def make(place, net=NET, recipe=RECIPE, cohort_size=1, **arrays):
        bench = make_bench(net, recipe, root=tmp_path / place, **arrays)
        bench.cohort_sizes = CohortSizes(None, given=cohort_size)
        bench.checkpoint_policy = CheckpointPolicy(0.0)  # after every step
        return bench

    return make


@pytest.fixture
def steps(monkeypatch):
    """`steps.kill_at(n)`: the process dies in the n-th step from now; `steps.done`: their count."""

    class Steps:
        done, fatal = 0, None

        def kill_at(self, n):
            self.done, self.fatal = 0, n

    steps, advance = Steps(), Cohort._advance

    def counted(self, live):  # one step where the training saves itself after every one
        if steps.done + 1 == steps.fatal:
            raise Killed
        before = self.done
        advance(self, live)
        steps.done += self.done - before

    monkeypatch.setattr(Cohort, "_advance", counted)
    return steps


def answers(bench, waiting):
    while left := [one for one in waiting if not one.done]:
        bench.serve(left)
    return [one.error or one.outcome for one in waiting]


def equal(a, b, hand):
    return (
        all(hand.same(x, y) for x, y in [(a.values, b.values), (a.best, b.best)])
        and a.checkpoints.keys() == b.checkpoints.keys()
        and all(hand.same(a.checkpoints[s], b.checkpoints[s]) for s in a.checkpoints)
        and (a.mask, a.step, a.curve, a.best_step, a.cohort_size, a.variant, a.stopped)
        == (b.mask, b.step, b.curve, b.best_step, b.cohort_size, b.variant, b.stopped)
        and dataclasses.replace(a.cost, seconds=0) == dataclasses.replace(b.cost, seconds=0)
    )


def partials(bench):
    return sorted(bench.cache.root.glob("*.partial"))


@pytest.mark.parametrize(
    ("net", "recipe", "cohort_size", "variant", "at"),
    some(
        [
            (NET, RECIPE, 1, "plain", 1),
            (ConvBN((3,)), RECIPE, 4, "stacked", 9),
            (Odd(), ADAM, 4, "vmap", 1),
            (NET, ADAM, 1, "plain", 9),
            (Dropping(), ADAM, 1, "plain", 9),
            (ConvBN((3,)), RECIPE, 1, "plain", 17),
            (NET, ADAM, 4, "stacked", 17),
        ],
        3,
    ),
)
def test_killed_and_resumed_is_as_undisturbed(
    net, recipe, cohort_size, variant, at, bench_at, half_mask, request_of, queue, steps, hand
):
    def ask(bench):
        # seeds, masks, ends, and checkpoints before and after where it is killed
        masks = [half_mask(bench, i) for i in range(2)]
        wanted = frozenset({3, 12})
        return queue(
            bench,
            request_of(bench, seed=0, checkpoints=wanted),
            *([request_of(bench, seed=1, mask=masks[1], end=19)] if cohort_size > 1 else []),
        )

    bench = bench_at("undisturbed", net, recipe, cohort_size)
    expected = answers(bench, ask(bench))
    assert {e.variant for e in expected} == {variant}
    bench = bench_at("killed", net, recipe, cohort_size)
    steps.kill_at(at + 1)
    with pytest.raises(Killed):
        answers(bench, ask(bench))
    assert len(partials(bench)) == len(expected)
    # twice: what went on is stopped again
    steps.kill_at(2)
    with pytest.raises(Killed):
        answers(bench_at("killed", net, recipe, cohort_size), ask(bench))
    steps.kill_at(None)
    bench = bench_at("killed", net, recipe, cohort_size)
    found = answers(bench, ask(bench))
    assert steps.done == 20 - at - 1
    assert all(equal(a, b, hand) for a, b in zip(found, expected, strict=True))
    assert partials(bench) == []


def test_only_kept_weights_go_on_as_well(
    bench_at, request_of, queue, steps, hand, half_mask, monkeypatch
):
    monkeypatch.setattr(sparse_sequential, "SMALLEST", 400)
    monkeypatch.setattr(sparse_sequential, "LARGEST", 1000)
    net = MLP(hidden=(40, 12))

    def ask(bench):
        draws = torch.Generator().manual_seed(4)
        kept = {x.name: torch.rand(x.shape, generator=draws) < 0.17 for x in bench.layers}
        return queue(bench, request_of(bench, mask=Mask(kept, layers=bench.layers)))

    bench = bench_at("undisturbed", net, ADAM)
    (expected,) = answers(bench, ask(bench))
    assert expected.variant == "kept_only"
    bench = bench_at("killed", net, ADAM)
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, ask(bench))
    steps.kill_at(None)
    (found,) = answers(bench_at("killed", net, ADAM), ask(bench))
    assert steps.done == 9 and equal(found, expected, hand)


def test_without_the_background_as_well(
    bench_at, request_of, queue, steps, hand, half_mask, dark, any_size
):
    net, recipe = MLP(hidden=(40, 12)), dataclasses.replace(ADAM, resized_crop=None, flip=False)

    def ask(bench):
        return queue(bench, request_of(bench, mask=half_mask(bench)))

    bench = bench_at("undisturbed", net, recipe, arrays=dark)
    (expected,) = answers(bench, ask(bench))
    assert expected.variant == "sparse_input"
    bench = bench_at("killed", net, recipe, arrays=dark)
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, ask(bench))
    steps.kill_at(None)
    (found,) = answers(bench_at("killed", net, recipe, arrays=dark), ask(bench))
    assert steps.done == 9 and equal(found, expected, hand)


@pytest.mark.parametrize("cohort_size", [1, 2])
def test_a_callback_finds_its_memory_its_mask_and_its_draws(
    cohort_size, bench_at, half_mask, request_of, queue, steps, hand
):
    """It moves weights about, by what it keeps and by torch's global generator."""

    def on_step(view):
        memo = view.memo
        memo.setdefault("seen", []).append((view.step, {"mean": 0.1 * view.step, 7: None}))
        before = memo.get("mask", view.mask)
        memo["mask"], memo["scores"] = view.mask, abs(view.gradients)
        total = sum(t.abs().sum() for t in memo["scores"].values()) + len(memo["seen"])
        new = half_mask(bench, int(1000 * total) % 97 + before.count)
        noise = torch.rand(()) * 1e-3
        key = bench.layers[0].key
        return Change(new, values={key: view.values[key] + noise}, replace_update=view.step % 2)

    def ask():
        request = request_of(bench, mask=half_mask(bench), on_step=on_step, every=3)
        return queue(bench, request, callbacks=CALLBACKS)

    bench = bench_at("undisturbed", NET, ADAM, cohort_size)
    (expected,) = answers(bench, ask())
    assert expected.mask != half_mask(bench)
    bench = bench_at("killed", NET, ADAM, cohort_size)
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, ask())
    steps.kill_at(None)
    bench = bench_at("killed", NET, ADAM, cohort_size)
    (found,) = answers(bench, ask())
    assert steps.done == 9 and equal(found, expected, hand)


def undisturbed_and_resumed(bench_at, steps, ask):
    """The outcomes of `ask(bench)`, a training of 20 steps: without and with a death in the 12th.

    Both begin in another state of the global generator.
    """
    (undisturbed,) = answers(bench := bench_at("undisturbed", NET, ADAM), ask(bench))
    bench = bench_at("killed", NET, ADAM)
    torch.rand(5)
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, ask(bench))
    steps.kill_at(None)
    torch.rand(5)
    bench = bench_at("killed", NET, ADAM)
    (resumed,) = answers(bench, ask(bench))
    assert steps.done == 9
    return undisturbed, resumed


def test_penalty_and_parametrize_go_on(bench_at, half_mask, request_of, queue, steps, hand):
    def parametrize(trainables, mask):
        kept = mask.items_by_key()
        return {k: torch.tanh(v) * kept[k] if k in kept else v for k, v in trainables.items()}

    def ask(bench):
        how = dict(penalty=lambda v: sum((p**2).sum() for p in v.values()), parametrize=parametrize)
        request = request_of(bench, mask=half_mask(bench), **how)
        return queue(bench, request, callbacks=CALLBACKS)

    assert equal(*undisturbed_and_resumed(bench_at, steps, ask), hand)


def test_what_parametrize_draws_is_of_the_step(bench_at, half_mask, request_of, queue, steps, hand):
    """And of the data's order: not of the process, nor of what evaluations draw."""

    def noisy(trainables, _):
        noise = torch.rand(())
        return {k: v * (0.5 + noise) for k, v in trainables.items() if torch.is_grad_enabled()}

    def ask(bench, recipe=ADAM, **order):
        request = request_of(
            bench, mask=half_mask(bench), parametrize=noisy, recipe=recipe, **order
        )
        return queue(bench, request, callbacks=CALLBACKS)

    found = undisturbed_and_resumed(bench_at, steps, ask)
    assert equal(*found, hand)
    bench = bench_at("others", NET, ADAM)
    (often,) = answers(bench, ask(bench, dataclasses.replace(ADAM, eval_every=3)))
    (other,) = answers(bench, ask(bench, order=99))
    assert hand.same(often.values, found[0].values)
    assert not hand.same(other.values, found[0].values)


def test_frozen_weights_go_on(bench_at, half_mask, request_of, queue, steps, hand):
    def ask(bench):
        mask = half_mask(bench).freezing(bench.initial(7).weights)
        return queue(bench, request_of(bench, mask=mask))

    assert equal(*undisturbed_and_resumed(bench_at, steps, ask), hand)


def test_members_that_have_come_as_far_go_on_together_and_no_others(
    bench_at, half_mask, request_of, queue, steps, hand, cohorts
):
    def ask(bench, n):
        return queue(bench, *(request_of(bench, seed=0, mask=half_mask(bench, i)) for i in n))

    bench = bench_at("undisturbed", NET, RECIPE, 4)
    expected = answers(bench, ask(bench, range(4)))
    for at, members in ((5, range(2)), (11, range(2, 3))):
        bench = bench_at("killed", NET, RECIPE, 4)
        steps.kill_at(at)
        with pytest.raises(Killed):
            answers(bench, ask(bench, members))
    steps.kill_at(None)
    cohorts.clear()
    bench = bench_at("killed", NET, RECIPE, 4)
    found = answers(bench, ask(bench, range(4)))
    assert sorted(len(m) for _, m in cohorts) == [1, 1, 2]
    assert steps.done == 16 + 10 + 20
    assert all(equal(a, b, hand) for a, b in zip(found, expected, strict=True))


def test_parts_of_one_training_go_on_where_they_can(bench_at, request_of, queue, steps, hand):
    """A search begins anew, and so does who wants a step that was not kept."""

    def requests(bench):
        return [
            request_of(bench, seed=0),
            request_of(bench, seed=0, end=16),
            request_of(bench, seed=0, end=9),
            request_of(bench, seed=0, end=18, checkpoints=frozenset({4})),
            request_of(bench, seed=0, until=lambda watch: watch.step == 7),
        ]

    bench = bench_at("undisturbed")
    expected = answers(bench, queue(bench, *requests(bench)))
    bench = bench_at("killed")
    steps.kill_at(12)
    with pytest.raises(Killed):  # nobody asked for step 4
        answers(bench, queue(bench, *requests(bench)[:2]))
    steps.kill_at(None)
    bench = bench_at("killed")
    found = answers(bench, queue(bench, *requests(bench)))
    assert steps.done == 9 + 18
    for a, b in zip(found, expected, strict=True):
        assert hand.same(a.values, b.values) and (a.curve, a.step) == (b.curve, b.step)
    assert partials(bench) == []


def watcher(stop, calls=None, keeps=tuple):
    """Ends a search at step `stop`, by what it has seen."""

    def until(view):
        seen = view.memo.setdefault("seen", [])
        seen.append((view.step, view.values["fc1.bias"].clone()))
        view.memo["odd"] = keeps(range(2))
        if calls is not None:
            calls.append(view.step)
        return len(seen) * 3 > stop

    return until


@pytest.mark.parametrize("cohort_size", [1, 3])
@pytest.mark.parametrize("penalised", some([False, True]))
def test_searches_go_on_with_what_they_have_seen(
    cohort_size, penalised, bench_at, request_of, queue, steps, hand
):
    """Two that watch the same training, of which the first ends before the kill."""
    callbacks = {"strategy": "test"} if penalised else None
    how = dict(penalty=lambda v: (v["fc2.weight"] ** 2).sum()) if penalised else {}
    calls = []

    def ask(bench):
        return queue(
            bench,
            *(
                request_of(bench, until=watcher(stop, calls), every=3, search={"t": stop}, **how)
                for stop in (6, 15)
            ),
            callbacks=callbacks,
        )

    bench = bench_at("undisturbed", NET, ADAM, cohort_size)
    waiting = ask(bench)
    expected = answers(bench, waiting)
    assert [e.step for e in expected] == [6, 15] and all(e.stopped for e in expected)
    whole = sorted(calls)
    calls.clear()
    bench = bench_at("killed", NET, ADAM, cohort_size)
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, ask(bench))
    steps.kill_at(None)
    bench = bench_at("killed", NET, ADAM, cohort_size)
    found = answers(bench, ask(bench))
    assert all(equal(a, b, hand) for a, b in zip(found, expected, strict=True))
    # the first had no step left to do, and only looks once more
    assert steps.done == 15 - 11
    assert sorted(calls) == sorted([*whole, 6])
    assert partials(bench) == []
    # and what is finished is found, with its memory, as often as it is asked for
    for _ in range(2):
        bench, calls[:] = bench_at("killed", NET, ADAM, cohort_size), []
        request = request_of(bench, until=watcher(15, calls), every=3, search={"t": 15}, **how)
        trained = bench.fit(request, callbacks)
        assert (trained.step, trained.stopped, trained.reused, calls) == (15, True, True, [])
        assert [step for step, _ in trained.memo["seen"]] == [0, 3, 6, 9, 12, 15]
        assert trained.memo["odd"] == (0, 1)
        trained.memo["seen"].clear()  # its own copy
    # a training up to there has the address that the search's answer has
    end = request_of(bench, end=15, **how)
    assert trained.key == bench.key(end, callbacks)
    assert bench.fit(end, callbacks).reused is not penalised


def test_a_search_that_cannot_be_written_or_has_no_name_is_done_again(
    bench_at, request_of, hand, steps
):
    class Mine:
        def __init__(self, _):
            pass

    bench = bench_at("here")
    for again in range(2):
        for search, keeps in (({"t": 6}, Mine), (None, tuple)):
            steps.done = 0
            until = watcher(6, keeps=keeps)
            trained = bench.fit(request_of(bench, until=until, every=3, search=search))
            assert (steps.done, trained.step, trained.stopped) == (6, 6, True), again
            assert [step for step, _ in trained.memo["seen"]] == [0, 3, 6]


def test_another_cohort_size_or_variant_begins_again(bench_at, request_of, queue, steps, hand):
    bench = bench_at("killed", cohort_size=3)
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, queue(bench, request_of(bench)))
    (folder,) = partials(bench)
    key = folder.name.removesuffix(".partial")
    was = bench.checkpoint_store.get(key, bench.layers, bench.shapes, bench.device)
    steps.kill_at(12)
    bench = bench_at("killed", cohort_size=1)
    with pytest.raises(Killed):
        answers(bench, queue(bench, request_of(bench)))
    assert bench.checkpoint_store.head(key).cohort_size == 1
    other = dataclasses.replace(
        was, head=dataclasses.replace(was.head, cohort_size=1, variant="vmap")
    )
    bench.checkpoint_store.put(key, other)
    steps.kill_at(None)
    (found,) = answers(bench, queue(bench, request_of(bench)))
    assert steps.done == 20 and found.variant == "plain"


def test_nothing_is_written_before_the_interval(bench_at, request_of, queue, monkeypatch):
    bench = bench_at("here")
    bench.checkpoint_policy = CheckpointPolicy()
    monkeypatch.setattr(bench.checkpoint_store, "put", lambda *_: pytest.fail("it was written"))
    answers(bench, queue(bench, request_of(bench)))


def test_checkpoints_that_take_long_are_few(bench_at, request_of, queue, monkeypatch):
    """After one that took a second, the next may come after a hundred."""
    from lth_bench.training.checkpoints import writer as saver

    now, written = 0.0, []

    class Time:
        @staticmethod
        def perf_counter():
            return now

    def put(key, partial):
        nonlocal now
        written.append(partial.head.done)
        now += 1.0

    update = Layout.update

    def slow(self, lr):
        nonlocal now
        now += 20.0
        update(self, lr)

    monkeypatch.setattr(saver, "time", Time)
    monkeypatch.setattr(Layout, "update", slow)
    bench = bench_at("here")
    bench.checkpoint_policy = CheckpointPolicy(30.0)
    monkeypatch.setattr(bench.checkpoint_store, "put", put)
    answers(bench, queue(bench, request_of(bench)))
    assert written == [2, 7, 12, 17]


def damage(folder, how):
    facts = json.loads((folder / "partial.json").read_text())
    file = folder / facts["facts"]["file"]
    content = bytearray(file.read_bytes())
    if how == "flipped":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif how == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif how == "facts cut":
        (folder / "partial.json").write_text((folder / "partial.json").read_text()[:-9])
    elif how == "facts changed":
        facts["facts"]["done"] += 1
        (folder / "partial.json").write_text(json.dumps(facts))
    elif how == "gone":
        file.unlink()
    elif how == "elsewhere":
        shutil.move(file, folder.parent / "state.safetensors")
        facts["facts"]["file"] = "../state.safetensors"
        from lth_bench.training.keys import digest

        facts["digest"] = digest(facts["facts"])
        (folder / "partial.json").write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("how", "cohort_size"),
    [
        ("flipped", 2),
        ("cut", 1),
        ("facts cut", 1),
        ("facts changed", 2),
        ("gone", 1),
        ("elsewhere", 1),
    ],
)
def test_a_damaged_one_is_ignored(how, cohort_size, bench_at, request_of, queue, steps, hand):
    def ask(bench):
        return queue(bench, *(request_of(bench, seed=i) for i in range(cohort_size)))

    bench = bench_at("undisturbed", cohort_size=cohort_size)
    expected = answers(bench, ask(bench))
    bench = bench_at("killed", cohort_size=cohort_size)
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, ask(bench))
    damage(partials(bench)[0], how)
    steps.kill_at(None)
    bench = bench_at("killed", cohort_size=cohort_size)
    found = answers(bench, ask(bench))
    assert steps.done == 20 + (cohort_size - 1) * 9
    assert all(equal(a, b, hand) for a, b in zip(found, expected, strict=True))


def test_one_of_another_network_is_ignored(bench_at, request_of, queue, steps):
    """Digests that are right are no proof: a stranger's folder may hold anything."""
    bench = bench_at("killed")
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, queue(bench, request_of(bench)))
    key = partials(bench)[0].name.removesuffix(".partial")
    was = bench.checkpoint_store.get(key, bench.layers, bench.shapes, bench.device)
    first = next(iter(was.layout))
    for layout in (
        {**was.layout, first: torch.zeros(2)},
        {},
        {**was.layout, "more": was.random + 0},
    ):
        steps.kill_at(None)
        steps.done = 0
        bench.forget()
        bench.checkpoint_store.put(key, dataclasses.replace(was, layout=layout))
        shutil.rmtree(bench.cache.folder(key), ignore_errors=True)
        answers(bench, queue(bench, request_of(bench)))
        assert steps.done == 20


def test_a_link_in_its_place_is_not_followed(bench_at, request_of, queue, steps, tmp_path):
    bench = bench_at("killed")
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, queue(bench, request_of(bench)))
    (folder,) = partials(bench)
    outside = tmp_path / "outside"
    shutil.move(folder, outside)
    before = {p: p.read_bytes() for p in outside.iterdir()}
    folder.symlink_to(outside)
    steps.kill_at(None)
    answers(bench, queue(bench, request_of(bench)))
    assert {p: p.read_bytes() for p in outside.iterdir()} == before


def test_what_cannot_be_written_safely_is_not(bench_at, request_of, queue, steps):
    def on_step(view):
        view.memo["queue"] = deque()

    bench = bench_at("here")
    steps.kill_at(12)
    with pytest.raises(Killed):
        answers(bench, queue(bench, request_of(bench, on_step=on_step), callbacks=CALLBACKS))
    assert not any(p.is_file() for folder in partials(bench) for p in folder.iterdir())
    steps.kill_at(None)
    answers(bench, queue(bench, request_of(bench, on_step=on_step), callbacks=CALLBACKS))
    assert steps.done == 20


def test_a_disk_that_refuses_ends_no_training(bench_at, request_of, queue, monkeypatch):
    bench, tried = bench_at("here"), []

    def put(key, partial):
        tried.append(partial.head.done)
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(bench.checkpoint_store, "put", put)
    (found,) = answers(bench, queue(bench, request_of(bench)))
    assert found.step == 20 and tried == [1]


def test_a_training_that_diverges_leaves_none(bench_at, request_of, queue):
    recipe = dataclasses.replace(RECIPE, lr=1e30)
    bench = bench_at("here", NET, recipe, 2)
    (error,) = answers(bench, queue(bench, request_of(bench)))
    assert isinstance(error, Diverged) and partials(bench) == []


def test_listeners_hear_of_the_evaluations_before(bench_at, request_of, steps):
    heard = []
    bench = bench_at("killed")
    steps.kill_at(12)
    with pytest.raises(Killed):
        bench.fit(request_of(bench), on_eval=lambda p: heard.append(p.step))
    steps.kill_at(None)
    bench_at("killed").fit(request_of(bench), on_eval=lambda p: heard.append(p.step))
    assert heard == [8, 8, 16, 20]


def test_a_process_that_is_to_end_saves_first(bench_at, request_of, queue, steps, hand):
    bench = bench_at("undisturbed")
    (expected,) = answers(bench, queue(bench, request_of(bench)))
    bench = bench_at("here")
    bench.checkpoint_policy = saving = CheckpointPolicy()
    assert not saving.preempt() and not saving.preempted  # nothing is under way: end at once
    asked = []

    def on_eval(point):
        if point.step == 8:
            asked.append(saving.preempt())

    steps.kill_at(None)
    with pytest.raises(Preempted):
        bench.fit(request_of(bench), on_eval=on_eval)
    assert steps.done == 8 and asked == [True]
    steps.done = 0
    (found,) = answers(bench_at("here"), queue(bench, request_of(bench)))
    assert steps.done == 12 and equal(found, expected, hand)


def test_what_is_finished_is_kept_before_the_process_ends(bench_at, request_of, queue, monkeypatch):
    bench = bench_at("here")
    bench.checkpoint_policy = saving = CheckpointPolicy()
    put = bench.cache.put

    def slow(key, outcome):
        assert saving.preempt()
        put(key, outcome)

    monkeypatch.setattr(bench.cache, "put", slow)
    with pytest.raises(Preempted):
        answers(bench, queue(bench, request_of(bench)))
    (one,) = queue(bench, request_of(bench, seed=4))
    assert len(list(bench.cache.root.glob("*/training.json"))) == 1
    assert not one.done


def test_the_interval_is_checked(monkeypatch):
    monkeypatch.delenv("LTH_BENCH_CHECKPOINT_SECONDS", raising=False)
    assert checkpoint_seconds() == 60
    monkeypatch.setenv("LTH_BENCH_CHECKPOINT_SECONDS", "0.5")
    assert checkpoint_seconds() == 0.5
    for bad in ("-1", "soon", "nan"):
        monkeypatch.setenv("LTH_BENCH_CHECKPOINT_SECONDS", bad)
        with pytest.raises(UserError, match=bad):
            checkpoint_seconds()
