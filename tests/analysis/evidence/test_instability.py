"""Barriers read from the database."""

from __future__ import annotations

import math

import pytest

from lth_bench.analysis.evidence import barriers

DENSE = {"label": "dense", "density": 1.0, "seed": 0}


def test_mean_interval_and_rewind_step_by_hand(by_hand) -> None:
    rows = [
        {"label": "late", "density": 0.2, "seed": seed, "control": "reorder", "rewind_step": 100}
        for seed in range(3)
    ]
    ticket = {"label": "late", "density": 0.2, "seed": 0, "ticket_id": "own", "rewind_step": 7}
    values = (0.01, 0.02, 0.03)
    metrics = [(f"late-{i}", "barrier_test_error", x) for i, x in enumerate(values)]
    metrics.append(("own", "barriers_of_another_plugin", 9.0))
    con = by_hand([DENSE, ticket, *rows], metrics=metrics)
    ((one,),) = barriers(con).values()
    assert (one.name, one.metric, one.target_density) == ("late", "barrier_test_error", 0.2)
    assert (one.rewind_step, one.n) == (100, 3)
    assert one.mean == pytest.approx(0.02)
    half = 4.302652729911275 * 0.01 / math.sqrt(3)  # t with 2 degrees of freedom; s is .01
    assert one.high == pytest.approx(0.02 + half)


def test_nothing_where_no_ticket_has_a_copy(by_hand) -> None:
    con = by_hand([DENSE], metrics=[("dense-0", "barrier_test_error", 0.1)])
    assert barriers(con) == {}
