"""Time left, and the steps that it is told by."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lth_bench.output.meter import Meter


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(at=0.0)
    monkeypatch.setattr("lth_bench.output.meter.time", SimpleNamespace(monotonic=lambda: now.at))
    return now


def meter(expected, elapsed=0.0):
    made = Meter()
    made.start({"a": 100, "b": 100}, expected, elapsed)
    return made


def ended(name):
    return {"record": "experiment", "experiment_id": name, "status": "ok"}


def test_what_earlier_runs_took_is_told_at_once_and_counts_down(clock):
    made = meter(60.0)
    assert made.remaining() == pytest.approx(60)
    clock.at = 10.0
    assert made.remaining() == pytest.approx(50)


def test_the_rate_of_this_run_counts_the_more_the_more_is_done(clock):
    made = meter(60.0)
    clock.at = 90.0  # three times as slow as expected
    made.finished(ended("a"))
    # half of the pace of earlier runs, half of this one's: 0.5 · (0.5 · 60 + 90)
    assert made.remaining() == pytest.approx(60)
    clock.at = 100.0
    assert made.remaining() == pytest.approx(50)


def test_an_expectation_that_was_exceeded_gives_way_to_the_rate(clock):
    made = meter(60.0)
    clock.at = 61.0
    assert made.remaining() is None
    made.finished(ended("a"))
    clock.at = 200.0
    assert made.remaining() == pytest.approx(200)


def test_without_an_expectation_it_is_told_when_it_is_no_guess(clock):
    made = meter(None)
    clock.at = 2.0
    made.finished(ended("a"))
    assert made.remaining() is None
    clock.at = 4.0
    assert made.remaining() == pytest.approx(4)


def test_a_follower_counts_from_the_runs_start(clock):
    clock.at = 1000.0
    made = meter(60.0, elapsed=20.0)
    assert made.remaining() == pytest.approx(40)
