from __future__ import annotations

from dataclasses import replace
from typing import Any

from lth_bench.analysis.evidence import Place, Task, TaskEvidence
from lth_bench.analysis.measures import ACCURACY
from lth_bench.output.pictures import FULL, detail_of

NONE = TaskEvidence(
    place=Place("s", Task("m", "d", "r")),
    measure=ACCURACY,
    density={},
    pareto=[],
    kept=[],
    learning=[],
    distances=[],
    weights=[],
    fates=[],
    maps=[],
    units=[],
    instability=[],
    boundaries=[],
    differences=[],
    failures=[],
)


def some(number: int) -> list[Any]:
    return [object()] * number


def test_small_results_are_shown_in_full() -> None:
    found = detail_of([replace(NONE, learning=some(100), weights=some(300), distances=some(4))])
    assert (found.points, found.bins, found.densities, found.moments) == (100, 64, 3, 64)
    assert detail_of([]) == found == FULL


def test_many_curves_share_the_limit_of_points() -> None:
    tasks = [replace(NONE, learning=some(40), weights=some(40), distances=some(4))] * 50
    found = detail_of(tasks)
    assert found.points == 20  # 40,000 for 2,000 curves
    assert found.bins == 16  # 4,000 outlines of 16 bins are 64,000 numbers
    assert found.densities == 3
    assert found.moments == 22  # 22 · 23 / 2 = 253 values of each of 200 matrices
    more = detail_of([replace(NONE, weights=some(6000))])
    assert (more.bins, more.densities) == (16, 1)


def test_every_figure_keeps_a_minimum_of_detail() -> None:
    found = detail_of(
        [replace(NONE, learning=some(10**6), weights=some(10**6), distances=some(10**6))]
    )
    assert (found.points, found.bins, found.densities, found.moments) == (12, 16, 1, 12)
