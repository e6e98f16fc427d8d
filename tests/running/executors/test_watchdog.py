"""What a coordinator sees of whose code runs."""

from __future__ import annotations

import math
from multiprocessing.sharedctypes import RawValue

import pytest

from lth_bench.running.executors import watchdog as turn
from lth_bench.running.executors.watchdog import Watchdog


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(turn.time, "monotonic", lambda: now[0])
    return now


def test_a_turn_is_overdue_after_its_deadline_and_grace(clock):
    mine = RawValue(Watchdog)
    assert (mine.name, mine.overdue, mine.used) == ("", False, False)  # before anything runs
    mine.begin("abc", 5.0)
    clock[0] += 5.0 + turn.GRACE
    assert (mine.name, mine.overdue) == ("abc", False)
    clock[0] += 0.1
    assert (mine.name, mine.overdue) == ("abc", True)
    mine.begin("", 5.0)
    assert (mine.name, mine.overdue) == ("", False)
    mine.begin("other", math.inf)
    clock[0] += 1e9
    assert (mine.name, mine.overdue) == ("other", False)
    # with nothing left it is over at once, but for the moment
    mine.begin("late", -3.0)
    assert mine.overdue is (turn.GRACE < 3.0)
    assert mine.used
