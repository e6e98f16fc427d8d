"""A rank that dies, or does not answer, ends the training with the reason; the next one works."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import wait

import pytest

from lth_bench.errors import TrainingError
from lth_bench.training.engine.network import Network
from lth_bench.training.parallel import leader
from lth_bench.training.parallel.group import VARIABLE, Ranks
from lth_bench.training.request import FitRequest


@pytest.fixture(scope="module")
def streamed(places):
    """A worker with two devices, whose ranks read only their images; they may take 10 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTH_BENCH_STREAM", "always")
        patch.setenv(VARIABLE, "10")
        places.leader(places.workers[2]).close()  # a process is in one group at a time
        made = places.worker(2)
        places.run_on(made, 2)
        yield made


def follower(places, worker):
    (found,) = places.leader(worker)._followers
    return found


def fit_with(streamed, on_step=None, name=None, seed=1):
    """A training of 40 steps, in whose step 20 something happens; without, at a seed's address."""
    bench = streamed._bench[1]
    request = FitRequest(
        values=bench.initial(1).values, mask=bench.dense_mask(), start=0, end=40, seed=seed,
        recipe=bench.recipe, on_step=on_step, every=20,
    )  # fmt: skip
    return bench.fit(request, {"callback": name} if on_step else None)


@pytest.mark.slow
def test_a_rank_that_is_lost(places, streamed):
    places.run(1).require_equal(places.run_on(streamed, 2))

    def hit(number):
        def on_step(view):
            if view.step == 20:
                os.kill(follower(places, streamed)._process.pid, number)

        return fit_with(streamed, on_step, number)

    with pytest.raises(TrainingError, match=r"rank 1 of 2 \(cpu\) was killed by SIGKILL"):
        hit(signal.SIGKILL)
    assert not places.leader(streamed)._followers
    assert fit_with(streamed).step == 40  # another process follows
    lost = follower(places, streamed)
    with pytest.raises(TrainingError, match=rf"no answer for 10 s from rank 1 of 2.*{VARIABLE}"):
        hit(signal.SIGSTOP)
    assert lost.how() == "was killed by SIGKILL (out of memory?)"


def end(process):
    """Kill a follower, and wait until it has ended."""
    os.kill(process._process.pid, signal.SIGKILL)
    assert wait([process.sentinel], 100)


def about_ranks(result):
    """The notes that are not of plugins which this machine happens to have."""
    return [note for note in result.notes if not note.startswith("observer")]


@pytest.mark.slow
def test_a_rank_that_dies_between_two_experiments_is_replaced(places, streamed):
    first = places.run_on(streamed, 2, "suite.seeds=[31]", "recipes.short.steps=20")
    assert (first.status, about_ranks(first)) == ("ok", [])
    lost = follower(places, streamed)
    end(lost)
    second = places.run_on(streamed, 2, "suite.seeds=[32]", "recipes.short.steps=20")
    assert second.status == "ok"
    (note,) = about_ranks(second)
    assert note.startswith("between two trainings rank 1 of 2 (cpu) was killed by SIGKILL")
    assert follower(places, streamed) is not lost and follower(places, streamed).how() is None
    third = places.run_on(streamed, 2, "suite.seeds=[33]", "recipes.short.steps=20")
    assert (third.status, about_ranks(third)) == ("ok", [])


@pytest.mark.slow
def test_a_result_is_scored_without_a_rank_that_died_after_the_training(places, streamed):
    evaluate = Network.evaluate

    def killed_before(network, *given, **named):
        if lost := places.leader(streamed)._followers:
            end(lost[0])
        return evaluate(network, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "evaluate", killed_before)
        assert (
            places.run_on(streamed, 2, "suite.seeds=[34]", "recipes.short.steps=20").status == "ok"
        )
    assert not places.leader(streamed).whole
    after = places.run_on(streamed, 2, "suite.seeds=[35]", "recipes.short.steps=20")
    (note,) = about_ranks(after)
    assert "killed" in note


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_rank_that_is_lost_where_no_collective_says_so(places, streamed, number, monkeypatch):
    """As on GPUs, where NCCL waits on: the leader's watch ends the wait, and all knows why."""
    monkeypatch.setattr(Ranks, "notices_loss", False)  # in this process, which leads
    monkeypatch.setattr(leader, "LOOK", 0.05)
    leading = places.leader(streamed)
    leading.close()
    fit_with(streamed, seed=200 + number)
    folder = leading._folder

    def on_step(view):
        if view.step == 20:
            os.kill(follower(places, streamed)._process.pid, number)
            if number == signal.SIGSTOP:  # no step before it is late
                monkeypatch.setattr(leading, "_seconds", 2.0)
            with leading.together():  # as a collective of NCCL's, whose wait ends without an error
                assert leading._group._lost.wait(60)

    why = {
        signal.SIGKILL: r"^rank 1 of 2 \(cpu\) was killed by SIGKILL",
        signal.SIGSTOP: r"^no answer for 2 s from rank 1 of 2 \(cpu\)",
    }
    with pytest.raises(TrainingError, match=why[number]):
        fit_with(streamed, on_step, f"{number} unnoticed")
    assert not leading._followers and leading._group is None and not folder.exists()
    monkeypatch.undo()
    assert fit_with(streamed, seed=100 + number).step == 40  # another process follows
