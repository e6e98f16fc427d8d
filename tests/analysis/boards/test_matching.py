from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.boards import matching
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.table import Table
from lth_bench.errors import NothingSelected
from lth_bench.stats import Summary, forecast, not_worse_p
from lth_bench.stats.predictive import beyond

Chosen = Callable[..., Any]
DENSE = {("dense", 1.0): [0.90, 0.91, 0.92]}


def rows(
    con: Any, baseline: str | None = None, margin: float = 0.005, **filters: Any
) -> list[BoardRow]:
    scope = resolve(con, Selection(**filters))
    return matching.rows(con, scope, baselines(con, scope, baseline), margin)


def table(con: Any, baseline: str | None = None) -> Table:
    scope = resolve(con)
    (found,) = matching.board(con, scope, baselines(con, scope, baseline), 0.005).tables
    return found


def densities(row: BoardRow) -> tuple[float | None, ...]:
    return row["shown_density"], row["even_density"], row["possible_density"]


def test_three_ways_to_match_by_hand(chosen: Chosen) -> None:
    (row,) = rows(chosen({
        **DENSE,
        ("imp", 0.8): [0.901, 0.912, 0.921],  # +0.1, +0.2, +0.1 points: shown
        ("imp", 0.4): [0.92, 0.90, 0.92],  # +2, −1, 0: even, and nothing is shown
        ("imp", 0.2): [0.88, 0.91, 0.91],  # −2, 0, −1: below on average, the interval reaches 0
        ("imp", 0.1): [0.80, 0.81, 0.82],  # −10 at each
    }))  # fmt: skip
    assert densities(row) == (0.8, 0.4, 0.2)
    assert (row["at_density"], row["sparsest_density"], row["difference_n"]) == (0.8, 0.1, 3)
    assert row["difference"] == pytest.approx(0.004 / 3)
    assert row["undecided"]
    ahead = forecast(Summary.of([0.02, -0.01, 0]), beyond(-0.005))
    assert (row["n50"], row["n80"], row["even_n"]) == (*ahead, 3)
    assert row["rank"] == 1


def test_matching_agrees_with_the_paired_tests(chosen: Chosen) -> None:
    """At 60 random cells of 3 to 6 seeds, against the stats module."""
    chance = random.Random(3)
    n = {f"l{i}": chance.randint(3, 6) for i in range(30)}
    cells: dict[tuple[Any, ...], list[Any]] = {
        (label, density): [
            0.9 + chance.gauss(0.001, 0.004) if seed < n[label] else None for seed in range(6)
        ]
        for label in n for density in (0.5, 0.2)
    }  # fmt: skip
    con = chosen({("dense", 1.0): [0.9] * 6, **cells})
    found = {row["label"]: row for row in rows(con, margin=0.004)}
    assert len({row["shown_density"] for row in found.values()}) == 3
    for label, row in found.items():
        passed = [
            density for density in (0.5, 0.2)
            if not_worse_p(
                Summary.of(x - 0.9 for x in cells[label, density] if x is not None), 0.004
            ) < 0.05
        ]  # fmt: skip
        assert row["shown_density"] == min(passed, default=None)


def test_ordered_by_sparsest_match_then_by_likely_match(chosen: Chosen) -> None:
    shown, even, below = [0.9, 0.91, 0.92], [0.92, 0.89, 0.93], [0.8, 0.81, 0.82]
    con = chosen({
        **DENSE, ("a", 0.5): shown, ("a", 0.2): below, ("b", 0.5): shown, ("b", 0.2): even,
        ("c", 0.5): even, ("c", 0.2): even, ("d", 0.5): shown, ("d", 0.2): shown,
        ("e", 0.5): below, ("e", 0.2): below, ("d/reinit", 0.5): below, ("d/reinit", 0.2): below,
    })  # fmt: skip
    found = rows(con)
    assert [(r["label"], r["rank"]) for r in found if r["control"] == "none"] == [
        ("d", 1), ("b", 2), ("a", 3), ("c", 4), ("e", None)
    ]  # fmt: skip
    lines = table(con).lines()
    assert [line[1].text for line in lines] == ["d", "└ reinit", "b", "a", "c", "e"]
    assert [line[2].text for line in lines] == ["≤20.00", "–", "50.00", "50.00", "–", "–"]


@pytest.mark.parametrize(
    ("status", "density"),
    [("failed", 0.5), ("diverged", 0.5), ("skipped", 0.5), ("oom", 0.2), ("interrupted", 0.2)],
)
def test_a_lost_or_skipped_seed_does_not_match(chosen: Chosen, status: str, density: float) -> None:
    """What the machine owes is left out."""
    con = chosen({
        ("dense", 1.0): [0.9] * 4, ("imp", 0.5): [0.9] * 4, ("imp", 0.2): [0.9, 0.9, 0.9, status],
    })  # fmt: skip
    (row,) = rows(con)
    assert densities(row) == (density, density, density)


def test_two_seeds_show_nothing(chosen: Chosen) -> None:
    (row,) = rows(chosen({("dense", 1.0): [0.9, 0.9], ("imp", 0.5): [0.9, 0.9]}))
    assert densities(row) == (None, 0.5, 0.5)
    (row,) = rows(chosen({("dense", 1.0): [0.9], ("imp", 0.5): [0.9]}))
    assert densities(row) == (None, 0.5, 0.5)
    assert (row["undecided"], row["even_n"], row["n50"]) == (True, 1, None)


def test_against_a_label(chosen: Chosen) -> None:
    con = chosen({
        **DENSE, ("imp", 0.5): [0.8, 0.81, 0.82], ("imp", 0.2): [0.7, 0.71, 0.72],
        ("snip", 0.5): [0.8, 0.81, 0.82], ("snip", 0.2): [0.6, 0.61, 0.62],
    })  # fmt: skip
    found = {row["label"]: row for row in rows(con, "imp")}
    assert densities(found["snip"]) == (0.5, 0.5, 0.5)
    assert found["snip"]["rank"] == 1
    assert (densities(found["imp"]), found["imp"]["rank"]) == ((None,) * 3, None)
    assert "Δ imp" in table(con, "imp").header


def test_costs_are_those_of_the_matching_ticket(chosen: Chosen) -> None:
    con = chosen(
        {**DENSE, ("imp", 0.5): DENSE["dense", 1.0], ("imp", 0.2): [0.1, 0.1, 0.1]},
        searches={"imp": 2000},
    )
    (row,) = rows(con)
    assert (row["flops_ratio"], row["flops_masked_ratio"]) == (3.0, 2.5)


def test_no_results_yet(chosen: Chosen) -> None:
    con = chosen({**DENSE, ("imp", 0.5): [None, None, None]})
    (row,) = rows(con)
    assert (densities(row), row["rank"], row["pending"]) == ((None,) * 3, None, 3)
    assert "3 rows are still to come" in table(con).notes[0]
    with pytest.raises(NothingSelected, match="no ticket yet that could match"):
        rows(chosen(DENSE))


def test_where_seeds_were_added_the_level_is_that_of_a_look(chosen: Chosen) -> None:
    """+0.1, +0.2, −0.1 points: by 95% not worse by half a point (t = 6.4), by a look (8.2) it is
    not shown."""
    cells = {**DENSE, ("imp", 0.8): [0.901, 0.912, 0.919]}
    for decide, shown, level in (
        (None, 0.8, "t-test at 95%,"), ({"margin": None, "max_seeds": 10}, None, "at 99.28%,"),
    ):  # fmt: skip
        con = chosen(cells, decide=decide)
        (row,) = rows(con)
        assert row["shown_density"] == shown
        scope = resolve(con)
        legend = matching.board(con, scope, baselines(con, scope), 0.005).legend
        assert level in legend
        interval = "95%" if decide is None else "99.36%"
        assert f"sparsest at which the {interval} interval" in legend
        assert ("levels are those of one look" in legend) == (decide is not None)
