"""When a cohort's checkpoints are due."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lth_bench.training.checkpoints import writer as saver
from lth_bench.training.checkpoints.policy import CheckpointPolicy
from lth_bench.training.checkpoints.writer import COST, SLOWEST, CheckpointWriter


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test lets pass."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(saver, "time", SimpleNamespace(perf_counter=lambda: now.seconds))
    return now


def slow_disk(clock, seconds):
    """Keeps checkpoints, which takes some seconds each."""

    def put(key, partial):
        clock.seconds += seconds

    return SimpleNamespace(put=put)


WAITING = SimpleNamespace(key="a", done=False, request=SimpleNamespace(end=9))
MEMBER = SimpleNamespace(checkpoint=lambda done: None)


def test_checkpoints_take_a_hundredth_of_the_time_at_most_the_first_one_too(clock):
    every, size = 60.0, 134_000_000  # ResNet-18's, of which each takes 1.9 s
    one = CheckpointWriter(CheckpointPolicy(every), slow_disk(clock, 1.9), [[WAITING]], size)
    saves = 0
    for second in range(1, 3601):
        clock.seconds = max(clock.seconds, float(second))
        if one.due:
            assert clock.seconds >= 1.9 / COST
            one.save([MEMBER], done=second)
            saves += 1
            assert saves * 1.9 <= COST * clock.seconds * 1.02
    assert saves > 10


def test_small_networks_save_themselves_as_often_as_asked(clock):
    one = CheckpointWriter(
        CheckpointPolicy(60.0), slow_disk(clock, 0.015), [[WAITING]], size=4_000_000
    )
    assert not one.due
    clock.seconds = 59.9
    assert not one.due
    clock.seconds = 60.0
    assert one.due
    one.save([MEMBER], done=1)
    clock.seconds += 59.9
    assert not one.due
    clock.seconds += 0.2
    assert one.due


def test_zero_seconds_is_always_and_a_preemption_at_once(clock):
    assert CheckpointWriter(
        CheckpointPolicy(0.0), slow_disk(clock, 1.0), [[WAITING]], size=10**12
    ).due
    saving = CheckpointPolicy(60.0)
    one = CheckpointWriter(saving, slow_disk(clock, 1.0), [[WAITING]], size=10**12)
    assert not one.due
    saving.preempted = True
    assert one.due


def test_the_first_is_held_back_by_what_it_may_cost(clock):
    one = CheckpointWriter(
        CheckpointPolicy(1.0), slow_disk(clock, 1.0), [[WAITING]], size=int(SLOWEST)
    )
    clock.seconds = 1 / COST - 0.1
    assert not one.due
    clock.seconds += 0.2
    assert one.due
