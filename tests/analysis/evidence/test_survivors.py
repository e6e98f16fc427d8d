"""Kept and pruned weights by initial and final value, read from the database."""

from __future__ import annotations

import numpy as np
import pytest

from lth_bench.analysis.evidence import fate_counts, origin_series
from lth_bench.analysis.evidence.survivors import GRID, joined

MIDDLE = GRID // 2


def cell(i: int, j: int) -> int:
    """The bin that is i and j bins away from 0."""
    return GRID * (MIDDLE + i) + MIDDLE + j


def test_bins_of_different_reaches_are_added_exactly() -> None:
    # over [−1, 1] a bin holds four of those over [−½, ½]; −1 is the first bin below 0
    found = joined([(0.5, cell(3, -1), 5), (0.5, cell(2, -2), 1), (1.0, cell(1, -1), 2)], 1.0)
    assert found[cell(1, -1)] == 8
    assert sum(found) == 8


def test_merged_histograms_equal_numpys() -> None:
    values = np.random.default_rng(0).normal(size=(5000, 2)) * 0.05
    bins = lambda reach: np.linspace(-reach, reach, GRID + 1)  # noqa: E731
    narrow = np.histogram2d(*values.T, [bins(0.5)] * 2)[0].ravel()
    filled = [(0.5, int(at), int(narrow[at])) for at in np.flatnonzero(narrow)]
    wide = np.histogram2d(*values.T, [bins(2.0)] * 2)[0].ravel()
    assert np.array_equal(joined(filled, 2.0), wide)


def test_counts_are_summed_over_seeds(by_hand) -> None:
    def row(ticket: str, fate: str, reach: float | None, cells: list[int], counts: list[int]):
        return ticket, "fc", fate, sum(counts), 1, 1, 0.5, 1.0, reach, cells, counts

    con = by_hand(
        [{"label": "imp", "density": 0.5, "seed": seed} for seed in (0, 1)],
        layers=[(f"imp-{i}", 0, "fc", "linear", 10, 5) for i in (0, 1)],
        fates=[
            row("imp-0", "kept", 1.0, [cell(0, 0), cell(4, 4)], [1, 2]),
            row("imp-0", "pruned", 1.0, [cell(1, 0)], [3]),
            row("imp-1", "kept", 2.0, [cell(0, 0)], [10]),
            row("imp-1", "pruned", 2.0, [cell(1, 0)], [20]),
            ("imp-1", "far", "kept", 5, 1, 1, 0.5, 1.0, None, [], []),
        ],
    )
    ((one,),) = fate_counts(con).values()
    assert (one.name, one.layer, one.reach, one.n) == ("imp", "fc", 2.0, 2)
    assert {at: n for at, n in enumerate(one.kept) if n} == {cell(0, 0): 11, cell(2, 2): 2}
    assert {at: n for at, n in enumerate(one.pruned) if n} == {cell(0, 0): 3, cell(1, 0): 20}


def test_metrics_that_are_there_are_series(by_hand) -> None:
    con = by_hand(
        [{"label": "imp", "density": 0.5, "seed": seed} for seed in (0, 1)],
        metrics=[("imp-0", "moved_ratio", 1.5), ("imp-1", "moved_ratio", 2.5)],
    )
    found = origin_series(con)
    assert list(found) == ["moved_ratio"]
    ((one,),) = found["moved_ratio"].values()
    assert (one.mean, one.n) == (pytest.approx((2.0,)), (2,))


def test_nothing_in_results_that_do_not_have_them(by_hand) -> None:
    con = by_hand([{"label": "imp", "density": 0.5, "seed": 0}])
    assert fate_counts(con) == origin_series(con) == {}


def test_bins_that_there_are_not_and_a_reach_without_end_are_left_out(by_hand) -> None:
    con = by_hand(
        [{"label": "imp", "density": 0.5, "seed": 0}],
        layers=[("imp-0", 0, "fc", "linear", 10, 5), ("imp-0", 1, "far", "linear", 10, 5)],
        fates=[
            ("imp-0", "fc", "kept", 5, 1, 1, 0.5, 1.0, 1.0, [-1, 3, GRID * GRID], [1, 1, 1]),
            ("imp-0", "far", "kept", 5, 1, 1, 0.5, 1.0, float("inf"), [3], [1]),
        ],
    )
    ((one,),) = fate_counts(con).values()
    assert (one.layer, sum(one.kept)) == ("fc", 1)
