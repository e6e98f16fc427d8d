"""How long what is left of a measurement is expected to take."""

from __future__ import annotations

import time

import pytest

from lth_bench.interchange.watched import Doing, Watched


def test_a_slow_ticket_takes_no_time_from_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now, seen = [0.0], list[Doing]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watched = Watched([[1], [1], [1], [1]], seen.append)
    watched.begin("first")
    with watched.size(1) as say:
        now[0] = 10.0
        say("dense", 0.9)
    assert seen[-1].seconds_left is None
    watched.end()
    assert seen[-1].seconds_left == pytest.approx(30)
    watched.begin("second")
    with watched.size(1) as say:
        now[0] = 14.0
        say("dense", 0.5)
        assert seen[-1].seconds_left == pytest.approx(26)
        now[0] = 40.0  # three times as long as the first
        say("csr", 0.9)
        assert seen[-1].seconds_left == pytest.approx(20)
