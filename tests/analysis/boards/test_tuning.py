"""The column `tuning`: what the search for a label's parameters cost."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.leaderboard import Question, leaderboard

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))
Scenario, Search = RECORDS["Scenario"], RECORDS["Search"]
TUNED = {"strategies": ("dense", "imp", "imp-tuned", "snip"), "tuned": {"imp-tuned": "imp"}}


@pytest.mark.parametrize("by", ["accuracy", "matching", "cost"])
def test_boards_with_cost_show_the_cost_of_tuning(made: Callable[..., Any], by: str) -> None:
    con = made(Scenario(**TUNED, controls=("reinit",)), Search())
    board = leaderboard(con, Question(by=by))
    (table,) = board.tables
    assert table.header[-1] == "tuning"
    name = table.header.index("strategy")
    shown = {(line[name].text, line[-1].text) for line in table.lines() if line[-1].text}
    assert shown == {("imp-tuned", "42.0k")}  # ten trials of 4,000 steps, two pruned at 1,000
    assert {r["tuning_steps"] for r in board.rows} == {None, Search().steps}
    assert "tuning: training steps that the search" in board.legend


@pytest.mark.parametrize("by", ["accuracy", "matching", "cost", "area", "speed"])
def test_without_tuning_there_is_no_tuning_column(made: Callable[..., Any], by: str) -> None:
    board = leaderboard(made(Scenario(), Search()), Question(by=by))
    assert all("tuning" not in table.header for table in board.tables)
    assert "tuning:" not in board.legend


def test_rows_with_seeds_of_the_search_are_noted(made: Callable[..., Any]) -> None:
    def notes(seeds: tuple[int, ...]) -> list[str]:
        (table,) = leaderboard(made(Scenario(**TUNED), Search(seeds=seeds))).tables
        return [note for note in table.notes if "favours them" in note]

    assert notes((100, 101)) == []
    (note,) = notes((1, 2, 100))
    assert note.endswith(": imp-tuned (seeds 1, 2)")
