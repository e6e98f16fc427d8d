"""The places that labels could truly have, where there are few enough to test all pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from operator import itemgetter

from lth_bench.analysis.boards.rows import Row

MOST_PAIRS = 10_000
"""Of labels tested; 17 µs each. Beyond that, rows have a rank and no interval of it."""


def add_places(
    rows: list[Row],
    block: Iterable[str],
    values: Mapping[int, Mapping[int, float | None]],
    step: Callable[[Row], float] = lambda _: 0.0,
) -> None:
    """Set `rank_low` and `rank_high` of the ranked rows, within the columns of `block`.

    `values` are each row's by seed, under the row's `key`; None is a seed that the method lost.
    `step` is the distance of two values of a row.
    """
    from lth_bench.stats import rank_intervals

    for _, group in groupby(_ranked(rows), key=itemgetter(*block)):
        members = list(group)
        by_row = {row["key"]: values[row["key"]] for row in members}
        found = rank_intervals(by_row, step=max(map(step, members)))
        for row in members:
            row["rank_low"], row["rank_high"] = found[row["key"]]


def few(rows: Iterable[Row], block: Iterable[str]) -> bool:
    """Whether there are few enough pairs to test."""
    sizes = (sum(1 for _ in group) for _, group in groupby(_ranked(rows), key=itemgetter(*block)))
    return sum(math.comb(size, 2) for size in sizes) <= MOST_PAIRS


def _ranked(rows: Iterable[Row]) -> list[Row]:
    return [r for r in rows if r["rank"] is not None and r["strategy"] != "dense"]
