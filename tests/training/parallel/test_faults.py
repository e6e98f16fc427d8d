"""A rank that dies, or does not answer, ends the training with the reason; the next one works."""

from __future__ import annotations

import os
import signal

import pytest

from lth_bench.errors import TrainingError
from lth_bench.training.parallel.group import VARIABLE
from lth_bench.training.request import FitRequest


@pytest.fixture(scope="module")
def streamed(places):
    """A worker with two devices, whose ranks read only their images; they may take 10 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTH_BENCH_STREAM", "always")
        patch.setenv(VARIABLE, "10")
        places.leader(places.workers[2]).close()  # a process is in one group at a time
        yield places.worker(2)


def follower(places, worker):
    (found,) = places.leader(worker)._followers
    return found


@pytest.mark.slow
def test_a_rank_that_is_lost(places, streamed):
    places.run(1).require_equal(places.run_on(streamed, 2))
    bench = streamed._bench[1]

    def fit_with(number):
        def hit(view):
            if view.step == 20:
                os.kill(follower(places, streamed)._process.pid, number)

        values, mask = bench.initial(1).values, bench.dense_mask()
        request = FitRequest(
            values=values, mask=mask, start=0, end=40, seed=1, recipe=bench.recipe,
            on_step=hit if number else None, every=20,
        )  # fmt: skip
        return bench.fit(request, {"callback": number} if number else None)

    with pytest.raises(TrainingError, match=r"rank 1 of 2 \(cpu\) was killed by SIGKILL"):
        fit_with(signal.SIGKILL)
    assert not places.leader(streamed)._followers
    assert fit_with(0).step == 40  # another process follows
    lost = follower(places, streamed)
    with pytest.raises(TrainingError, match=rf"no answer for 10 s from rank 1 of 2.*{VARIABLE}"):
        fit_with(signal.SIGSTOP)
    assert lost.how() == "was killed by SIGKILL (out of memory?)"
