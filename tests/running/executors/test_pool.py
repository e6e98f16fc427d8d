"""Experiments side by side on threads, one at a time."""

from __future__ import annotations

import contextlib
import math
import random
import threading
import time
import traceback
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import cases

from lth_bench.errors import OutOfTime
from lth_bench.running.executors import pool as module
from lth_bench.running.executors.pool import MovedAway, Pool
from lth_bench.training.pending_fit import PendingFit


class Bench:
    """Answers one or several of those that wait, as `choose` says, with their number."""

    def __init__(self, choose=lambda waiting: waiting):
        self.choose, self.seen = choose, []

    def serve(self, waiting):
        self.seen.append([one.request for one in waiting])
        for one in self.choose(waiting):
            one.outcome = one.request


def fit(pool, number):
    one = PendingFit(number)
    pool.wait(one)
    if one.error is not None:
        raise one.error
    return one.outcome


def play_out(pool, bench):
    while len(pool):
        pool.serve(bench)


@settings(max_examples=cases(40))
@given(st.lists(st.integers(0, 4), max_size=8), st.randoms(use_true_random=False))
def test_one_experiment_runs_at_a_time_and_gets_its_own_results(lengths, draws):
    """Experiments of 0 to 4 fits, of which any that wait are answered in any order."""
    pool, running, got = Pool(), [], {}

    def run(name, fits):
        got[name] = []
        for i in range(fits):
            running.append(name)
            time.sleep(0)  # whoever else could run would run now
            assert running == [name]
            running.clear()
            got[name].append(fit(pool, (name, i)))

    def some(waiting):
        assert running == []
        return draws.sample(waiting, draws.randint(1, len(waiting)))

    bench = Bench(some)
    for name, fits in enumerate(lengths):
        pool.start(lambda name=name, fits=fits: run(name, fits))
    # who never waits has ended at once
    assert len(pool) == sum(n > 0 for n in lengths)
    play_out(pool, bench)
    assert got == {name: [(name, i) for i in range(n)] for name, n in enumerate(lengths)}
    if any(lengths):
        assert sorted(bench.seen[0]) == [(name, 0) for name, n in enumerate(lengths) if n]


def test_exceptions_of_an_experiment_are_raised_to_the_caller():
    pool, ended = Pool(), []

    def fails(fits):
        for i in range(fits):
            fit(pool, i)
        raise LookupError(f"after {fits}")

    def goes_on():
        ended.append(fit(pool, 7))

    with pytest.raises(LookupError, match="after 0") as caught:
        pool.start(lambda: fails(0))
    frames = [f.name for f in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[-1] == "fails"
    pool.start(lambda: fails(1))
    pool.start(goes_on)
    bench = Bench()
    with pytest.raises(LookupError, match="after 1"):
        pool.serve(bench)
    # the other has its answer, was not let run yet, and must not be trained again
    assert len(pool) == 1
    assert ended == []
    play_out(pool, bench)
    assert ended == [7]
    assert bench.seen == [[0, 7]]


def test_fit_from_another_thread_is_refused():
    pool, complaints = Pool(), []

    def elsewhere():
        with pytest.raises(ValueError, match="only in the thread that called the hook"):
            pool.wait(PendingFit(0))
        complaints.append(threading.current_thread().name)

    def experiment():
        thread = threading.Thread(target=elsewhere, name="mine")
        thread.start()
        thread.join()

    pool.start(experiment)
    assert complaints == ["mine"]
    assert len(pool) == 0


def everything_global():
    return SimpleNamespace(
        torch=torch.get_rng_state().tolist(),
        numpy=np.random.get_state()[1].tolist(),
        python=random.getstate(),
        dtype=torch.get_default_dtype(),
        matmul=torch.get_float32_matmul_precision(),
        grad=torch.is_grad_enabled(),
        tf32=torch.backends.cudnn.allow_tf32,
        reduced=torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )


def test_experiments_and_trainings_have_separate_global_state():
    pool, before, seen = Pool(), everything_global(), {}

    def meddles(number):
        torch.manual_seed(number)
        np.random.seed(number)  # what a strategy may well do
        random.seed(number)
        torch.set_default_dtype(torch.float64)
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.allow_tf32 = not before.tf32
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = not before.reduced
        torch.use_deterministic_algorithms(True)
        with torch.no_grad():
            left = everything_global()
            fit(pool, number)
            assert everything_global() == left
        torch.rand(3)
        left = everything_global()
        fit(pool, number)
        assert everything_global() == left
        assert torch.is_grad_enabled()
        seen[number] = left

    class Looks(Bench):
        def serve(self, waiting):
            assert everything_global() == before
            super().serve(waiting)

    for number in (1, 2):
        pool.start(lambda number=number: meddles(number))
        assert everything_global() == before
    play_out(pool, Looks(lambda waiting: waiting[:1]))
    assert everything_global() == before
    assert seen.keys() == {1, 2}
    assert seen[1] != seen[2]


def test_ctrl_c_waits_for_the_running_experiment(monkeypatch):
    """A signal comes between two instructions of the thread that waits for the baton."""
    pool, story = Pool(), []
    acquire = pool._back.acquire
    calls = iter([KeyboardInterrupt])

    def interrupted(*arguments):
        error = next(calls, None)
        if error is not None:
            raise error
        return acquire(*arguments)

    def experiment():
        story.append("begins")
        story.append(fit(pool, 5))

    monkeypatch.setattr(pool._back, "acquire", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.start(experiment)
    # the baton is back: the experiment waits in its fit, and whoever wants to may go on
    assert story == ["begins"]
    assert len(pool) == 1
    play_out(pool, Bench())
    assert story == ["begins", 5]


class Told:
    """Keeps what a pool tells of whose turn it is."""

    def __init__(self):
        self.turns = []

    def __call__(self, name, left):
        self.turns.append((name, left))


def test_the_watchdog_is_told_who_runs():
    told = Told()
    pool = Pool(told, 60.0)

    def experiment():
        one = PendingFit(1)
        pool.wait(one)
        pool.wait(PendingFit(2))

    class Trains(Bench):
        def serve(self, waiting):
            (one,) = waiting
            one.on_callback(True)
            one.on_callback(False)
            one.spend(10.0)
            super().serve(waiting)

    pool.start(experiment, "mine")
    play_out(pool, Trains())
    names = [name for name, _ in told.turns]
    assert names == [
        "mine", "",
        "", "mine", "", "",  # a training, a callback in it, the training, its end
        "mine", "",
        "", "mine", "", "",
        "mine", "",
    ]  # fmt: skip
    lefts = [round(left) for name, left in told.turns if name]
    assert lefts == [60, 60, 50, 50, 40]  # callbacks too have what is left
    assert [left for name, left in told.turns if not name][:2] == [math.inf, 60.0]


def test_an_experiment_s_time_excludes_that_of_others(monkeypatch):
    pool, ended, now = Pool(limit=0.2), {}, [0.0]
    # the test's own: on a busy machine, who only waits may be kept waiting longer than the limit
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def run(name, thinks, trainings):
        try:
            for _ in range(trainings):
                now[0] += thinks
                fit(pool, name)
            ended[name] = "ok"
        except OutOfTime as error:
            ended[name] = str(error)

    class Trains(Bench):
        def serve(self, waiting):
            for one in waiting:
                one.spend(0.06 if one.request == "trains" else 0.0)
            super().serve([one for one in waiting if not one.done])

    pool.start(lambda: run("trains", 0.0, 9))
    pool.start(lambda: run("thinks", 0.07, 9))
    pool.start(lambda: run("patient", 0.0, 9))
    play_out(pool, Trains())
    over = "took longer than 0.2 s (--timeout)"
    assert ended == {"trains": over, "thinks": over, "patient": "ok"}


def test_two_hundred_experiments_leave_no_threads():
    pool = Pool()
    before = set(threading.enumerate())  # those of earlier tests may end meanwhile

    def threads():
        return {t for t in threading.enumerate() if t.name == "experiment"} - before

    def experiment():
        for i in range(3):
            fit(pool, i)

    for _ in range(200):
        pool.start(experiment)
    assert len(threads()) == 200
    bench = Bench()
    play_out(pool, bench)
    assert len(bench.seen) == 3
    assert not threads()


def keyed_fit(pool, number, key="somewhere", until=None):
    one = PendingFit(SimpleNamespace(number=number, until=until), key=key)
    pool.wait(one)
    return one.outcome


def test_the_longest_waiting_fit_is_served_first():
    """One training at a time: all get on alike."""
    pool, order = Pool(), []

    def run(name):
        for i in range(3):
            fit(pool, (name, i))
            order.append((name, i))

    for name in "abc":
        pool.start(lambda name=name: run(name), name)
    play_out(pool, Bench(lambda waiting: waiting[:1]))
    assert order == [(name, i) for i in range(3) for name in "abc"]


def test_level_serves_experiments_with_fewest_fits_first():
    pool, order = Pool(), []

    def run(name):
        for i in range(4):
            fit(pool, (name, i))
            order.append(name)

    one = Bench(lambda waiting: waiting[:1])
    pool.start(lambda: run("a"), "a")
    pool.serve(one, level=True)
    pool.serve(one, level=True)
    pool.start(lambda: run("b"), "b")
    while len(pool):
        pool.serve(one, level=True)
    assert "".join(order) == "aa" + "bb" + "abab"


def test_an_experiment_given_back_unwinds_and_the_others_continue():
    pool, story = Pool(), []

    def run(name):
        try:
            with torch.no_grad():
                for i in range(3):
                    keyed_fit(pool, (name, i))
                    story.append((name, i))
        except MovedAway:
            story.append((name, "given"))
            raise

    def goes(name):
        with contextlib.suppress(MovedAway):
            run(name)

    for name in "abc":
        pool.start(lambda name=name: goes(name), name)
    bench = Bench(lambda waiting: waiting[:1])
    pool.serve(bench)  # a goes to the end of the line
    assert pool.give_back(1) == ["a"]
    assert story == [("a", 0), ("a", "given")]
    assert len(pool) == 2
    assert pool.give_back(0) == pool.give_back(-1) == []
    play_out(pool, bench)
    assert [x for x in story if x[0] != "a"] == [(n, i) for i in range(3) for n in "bc"]


def test_experiments_with_unshareable_trainings_are_not_given_back():
    pool, ended = Pool(), []

    def run(name, keys, until=None):
        for key in keys:
            keyed_fit(pool, name, key, until)
        ended.append(name)

    pool.start(lambda: run("no address", ["", "x"]), "no address")
    pool.start(lambda: run("search", ["u", "v"], until=bool), "search")
    pool.start(lambda: run("ladder", ["x", "y"]), "ladder")
    pool.serve(Bench())
    with pytest.raises(MovedAway):  # no worker catches it here
        pool.give_back(3)
    assert len(pool) == 2
    play_out(pool, Bench())
    assert ended == ["no address", "search"]


def test_a_strategy_that_catches_every_exception_is_given_back():
    pool, tries = Pool(), []

    def stubborn():
        for _ in range(5):
            try:
                keyed_fit(pool, 0)
            except BaseException as error:
                tries.append(type(error))

    pool.start(stubborn, "stubborn")
    pool.give_back(1)
    assert tries == [MovedAway] * 5
    assert len(pool) == 0
