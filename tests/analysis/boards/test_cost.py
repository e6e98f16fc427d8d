from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.boards import cost
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.table import Board
from lth_bench.errors import UserError

Chosen = Callable[..., Any]

# A training takes 1e9 FLOPs, or, masked, the density of that; a search 1e6 a step.
CELLS = {
    ("dense", 1.0): [0.90, 0.90], ("one_shot", 0.5): [0.91, 0.91], ("one_shot", 0.25): [0.90, 0.8],
    ("snip", 0.5): [0.90, 0.80], ("snip", 0.25): [0.80, 0.80],
}  # fmt: skip
SEARCHES = {"one_shot": 1000, "snip": 0, "dense": 0}


def rows(
    con: Any, baseline: str | None = None, margin: float = 0.005, reach: float | None = None,
    **filters: Any,
) -> dict[str, BoardRow]:  # fmt: skip
    scope = resolve(con, Selection(**filters))
    against = baselines(con, scope, baseline)
    return {
        row["label"]: row
        for row in cost.rows(con, scope, against=against, margin=margin, reach=reach)
    }


def board(con: Any, baseline: str | None = None, reach: float | None = None) -> Board:
    scope = resolve(con)
    return cost.board(
        con, scope, against=baselines(con, scope, baseline), margin=0.005, reach=reach
    )


def test_each_seed_uses_its_cheapest_ticket(chosen: Chosen) -> None:
    """one_shot: 1 + 0.25 at seed 0, 1 + 0.5 at seed 1."""
    found = rows(chosen(CELLS, searches=SEARCHES))
    one_shot = found["one_shot"]
    assert one_shot["reach"] == pytest.approx(0.895)
    assert (one_shot["n"], one_shot["planned"]) == (2, 2)
    assert one_shot["flops_masked_ratio"] == pytest.approx(1.375)
    assert one_shot["flops_ratio"] == pytest.approx(2.0)
    assert one_shot["steps"] == 2000
    assert one_shot["accuracy"] == pytest.approx(0.905)
    assert (one_shot["sparsest_density"], one_shot["densest_density"]) == (0.25, 0.5)
    half = 12.706204736 * math.sqrt(2) / 8 / math.sqrt(2)
    assert one_shot["high"] - one_shot["flops_masked_ratio"] == pytest.approx(half)


@pytest.mark.parametrize("tie", [309 / 360, math.nextafter(309 / 360, 0)])
def test_a_seed_at_the_accuracy_to_reach_is_there_whatever_the_last_bits(
    chosen: Chosen, tie: float
) -> None:
    cells = {("dense", 1.0): [322 / 360, 332 / 360], ("snip", 0.5): [tie, 308 / 360]}
    assert rows(chosen(cells, searches=SEARCHES), margin=0.05)["snip"]["n"] == 1


def test_reaching_the_accuracy_at_every_seed_ranks_before_cost(chosen: Chosen) -> None:
    found = rows(chosen(CELLS, searches=SEARCHES))
    assert (found["snip"]["n"], found["snip"]["flops_masked_ratio"]) == (1, 0.5)
    assert [(label, row["rank"]) for label, row in found.items()] == [
        ("dense", None), ("one_shot", 1), ("snip", 2)
    ]  # fmt: skip


def test_the_accuracy_to_reach_can_be_named(chosen: Chosen) -> None:
    con = chosen(CELLS, searches=SEARCHES)
    found = rows(con, reach=0.8)
    assert found["snip"]["flops_masked_ratio"] == 0.25
    assert found["snip"]["rank"] == 1
    found = rows(con, reach=0.91)
    assert (found["dense"]["n"], found["one_shot"]["n"], found["snip"]["n"]) == (0, 2, 0)
    assert found["snip"]["rank"] is None
    assert rows(con, margin=0.2)["snip"]["reach"] == pytest.approx(0.7)


def test_unfinished_seeds_are_pending_and_not_lost(chosen: Chosen) -> None:
    con = chosen({
        ("dense", 1.0): [0.9, 0.9, 0.9],
        ("owed", 0.5): [0.9, 0.9, 0.8], ("owed", 0.25): [0.9, 0.8, None],
        ("lost", 0.5): [0.9, 0.9, "failed"], ("lost", 0.25): [0.9, 0.9, "diverged"],
    }, searches={"owed": 0, "lost": 0})  # fmt: skip
    found = rows(con)
    assert (found["owed"]["n"], found["owed"]["pending"], found["owed"]["rank"]) == (2, 1, 1)
    assert (found["lost"]["n"], found["lost"]["lost"], found["lost"]["rank"]) == (2, 1, 2)
    (table,) = board(con).tables
    assert [line[2].text for line in table.lines()] == ["3/3", "2/3", "2/3"]
    assert any("1 seeds are still to come" in note for note in table.notes)


def test_ratios_use_seeds_at_which_both_reach_the_accuracy(chosen: Chosen) -> None:
    con = chosen(CELLS, searches=SEARCHES)
    found = rows(con, "snip")
    assert found["one_shot"]["ratio_n"] == 1
    assert found["one_shot"]["ratio"] == pytest.approx(1.25 / 0.5)
    assert found["one_shot"]["ratio_low"] is None
    assert found["snip"]["ratio"] is None
    (table,) = board(con, "snip").tables
    assert "× snip" in table.header
    assert "× snip" in board(con, "snip").legend
    assert "× dense" not in board(con).tables[0].header


def test_without_a_dense_run_the_accuracy_must_be_named(chosen: Chosen) -> None:
    con = chosen({("a", 0.5): [0.9, 0.9]}, searches={"a": 1000})
    with pytest.raises(UserError, match=r"no dense run, whose accuracy.*--reach 0\.97"):
        board(con)
    (table,) = board(con, reach=0.9).tables
    (line,) = table.lines()
    assert [cell.text for cell in line] == ["1", "a", "2/2", "–", "", "2,000", "50.00", "90.00"]


def test_no_label_reaches_the_accuracy(chosen: Chosen) -> None:
    (table,) = board(chosen(CELLS), reach=0.99).tables
    assert [line[2].text for line in table.lines()] == ["0/2"] * 3
    assert [line[3].text for line in table.lines()] == ["–"] * 3
    assert table.title.endswith("to reach 99.00%")


def test_everything_failed(chosen: Chosen) -> None:
    con = chosen({("dense", 1.0): ["failed"], ("a", 0.5): ["diverged"]})
    found = rows(con, reach=0.5)
    assert (found["a"]["n"], found["a"]["rank"]) == (0, None)


def test_a_baseline_that_never_reaches_the_accuracy_is_noted(chosen: Chosen) -> None:
    (table,) = board(chosen(CELLS, searches=SEARCHES), "snip", reach=0.91).tables
    assert table.notes == ("no other label reaches it at a seed at which snip does",)
