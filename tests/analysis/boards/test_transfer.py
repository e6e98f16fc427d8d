"""The grids of sources and targets, against numbers worked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.boards.transfer import linked, source, target
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.output.terminal import as_text

T_2 = 4.302652729911275
"""Of a 95% t-interval with 2 degrees of freedom."""

CELLS = {
    ("a", "imp", 0.5): [0.90, 0.91, 0.92],
    ("b", "imp", 0.5): [0.80, 0.81, 0.82],
    ("b", "a", "imp", 0.5): [0.89, 0.88, 0.91],  # found on b, trained on a
    ("a", "b", "imp", 0.5): [0.80, "failed", 0.80],
    ("a", "snip", 0.5): [0.5, 0.5, 0.5],  # has tickets of its own tasks only
    ("b", "snip", 0.5): [0.5, 0.5, 0.5],
}


def board(con: Any) -> Any:
    return leaderboard(con, Question(by="transfer"))


def test_differences_are_to_the_targets_own_tickets(chosen: Callable[..., Any]) -> None:
    found = {(row["source_model"], row["model"]): row for row in board(chosen(CELLS)).rows}
    assert {row["label"] for row in found.values()} == {"imp"} and len(found) == 4
    moved = found["b", "a"]
    # −.01, −.03, −.01: mean −.05/3, s = .02/√3
    assert moved["difference"] == pytest.approx(-0.05 / 3)
    half = T_2 * (0.02 / math.sqrt(3)) / math.sqrt(3)
    assert moved["difference_high"] - moved["difference"] == pytest.approx(half)
    lost = found["a", "b"]
    assert (lost["n"], lost["difference_n"], lost["lost"]) == (2, 2, 1)
    assert lost["difference"] == pytest.approx((0.0 - 0.02) / 2)
    assert found["a", "a"]["difference"] == pytest.approx(0)


def test_a_deviation_counts_as_half_of_the_distance_of_two_accuracies(
    chosen: Callable[..., Any],
) -> None:
    """Otherwise equal differences would have intervals of width 0, here alone of all boards."""
    equal = CELLS | {("b", "a", "imp", 0.5): [0.89, 0.90, 0.91]}
    (row,) = (
        row
        for row in board(chosen(equal, test_examples=100)).rows
        if (row["source_model"], row["model"]) == ("b", "a")
    )
    half = T_2 * (0.5 / 100) / math.sqrt(3)
    assert row["difference_high"] - row["difference"] == pytest.approx(half)


def test_lost_and_collapsed_seeds_are_marked_in_their_cells(chosen: Callable[..., Any]) -> None:
    con = chosen(CELLS, empty={("b", "a", "imp", 0.5): [((), 0.4), (("fc1",), 0.0), ((), 0.4)]})
    (table,) = board(con).tables
    texts = [[cell.text for cell in line] for line in table.lines()]
    assert [line[0] for line in texts] == ["a", "b"]
    assert (texts[0][1], texts[1][2]) == ("91.00", "81.00")
    assert texts[1][1].startswith("89.33† (−1.67")
    assert texts[0][2].startswith("80.00‡ (−1.00")
    said = " ".join(as_text(board(con), 120).split())
    assert "‡: seeds that failed" in said and "†: seeds with layer collapse" in said


def test_tasks_that_no_ticket_links_are_in_grids_of_their_own(chosen: Callable[..., Any]) -> None:
    more = CELLS | {
        ("c", "imp", 0.5): [0.7, 0.7, 0.7],
        ("d", "imp", 0.5): [0.6, 0.6, 0.6],
        ("c", "d", "imp", 0.5): [0.6, 0.5, 0.6],
        ("alone", "imp", 0.5): [0.6, 0.6, 0.6],
    }
    tables = board(chosen(more)).tables
    assert [table.header for table in tables] == [("found on", "a", "b"), ("found on", "c", "d")]
    assert [len(list(table.lines())) for table in tables] == [2, 2]


def test_links_reach_over_several_tasks() -> None:
    rows = [row_of(*pair) for pair in ("ab", "cd", "ee", "ff", "bc", "gf")]
    assert [[(source(r)[0], target(r)[0]) for r in part] for part in linked(rows)] == [
        [("a", "b"), ("c", "d"), ("b", "c")], [("f", "f"), ("g", "f")],
    ]  # fmt: skip


def row_of(start: str, end: str) -> dict[str, str]:
    rest = {"dataset": "d", "recipe": "r", "source_dataset": "d", "source_recipe": "r"}
    return {"source_model": start, "model": end, **rest}
