"""The engine's own cost is measured on the real loop, with nothing computed beneath it."""

from __future__ import annotations

import pytest

from training import host, table


def test_every_size_is_measured_with_and_without_batches() -> None:
    found = host.measure(sizes=(1, 3), steps=600, rounds=2, size=200)
    assert [(c.size, c.what.split()[0]) for c in found] == [
        (1, "the"), (1, "with"), (1, "with"), (3, "the"), (3, "with"), (3, "with"),
    ]  # fmt: skip
    assert all(len(c.micros) == 2 for c in found)
    assert len(table.aligned(host.HEADINGS, [c.cells() for c in found]).splitlines()) == 8


def test_the_layout_computes_nothing() -> None:
    with pytest.raises(AssertionError, match="computes nothing"):
        host.Idle.backward(None, None, None)  # type: ignore[arg-type]


def test_a_cost_below_the_clock_has_no_rate() -> None:
    assert host.Cost(1, "the loop", [-0.5]).cells() == [
        "1",
        "the loop",
        "-0.5",
        "-0.5–-0.5",
        "–",
        "1",
    ]
