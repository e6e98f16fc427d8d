from __future__ import annotations

import pytest

from lth_bench.output.page.figure import Mark
from lth_bench.output.page.sections.scales import ALL, ERROR, NEAR, scales


def mark(*values: float) -> Mark:
    return Mark("imp", "none", "line", range(len(values)), values)


def test_near_dense_reaches_four_times_as_far_as_the_worst_quarter_begins() -> None:
    # sorted: .4 .9 .96 .97 .97 .98 .98 .98; the third begins the second quarter, .02 below dense
    choice, axes = scales([mark(0.98, 0.4, 0.97, 0.9), mark(0.98, 0.97, 0.96, 0.98)], 0.98)
    assert choice.values == [NEAR, ALL, ERROR]
    assert axes[0].low == pytest.approx(0.98 - 4 * 0.02)
    assert axes[1].low is None
    assert (axes[2].scale, axes[2].complement, axes[2].reverse) == ("log", True, True)


def test_not_where_all_lie_near_dense() -> None:
    choice, _ = scales([mark(0.98, 0.97, 0.965)], 0.98)
    assert choice.values == [ALL, ERROR]


def test_without_dense_or_without_errors() -> None:
    assert scales([mark(0.98, 0.1)], None)[0].values == [ALL, ERROR]
    assert scales([mark(1.0, 1.0)], 1.0)[0].values == [ALL]
    assert scales([], 0.9)[0].values == [ALL]
