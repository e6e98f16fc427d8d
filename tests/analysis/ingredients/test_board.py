from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.errors import NothingSelected, UserError
from lth_bench.output.formats import FORMATS, render_board
from lth_bench.output.terminal import as_text
from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))
Scenario: Any = RECORDS["Scenario"]


class Ablated(Scenario):
    """imp with a control, and an ablation of it."""

    def experiments(self) -> list[dict[str, Any]]:
        return [
            {**e, "config": {"ablation": {"name": "random_labels"}}}
            if e["label"] == "imp-random_labels"
            else {**e, "controls": ["shuffle"] if e["label"] == "imp" else []}
            for e in super().experiments()
        ]


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    RECORDS["LOSS"].setdefault("imp-random_labels", 0.3)
    scenario = Ablated(strategies=("dense", "imp", "imp-random_labels"))
    paths = RECORDS["write"](tmp_path_factory.mktemp("made") / "results.duckdb", scenario)
    fold(paths)
    with open_safe(paths) as found:
        yield found


def test_rows_are_labels_densities_and_what_was_ablated(con: Any) -> None:
    board = leaderboard(con, Question(by="ingredients"))
    assert [(r["label"], r["target_density"], r["ablated_by"], r["n"]) for r in board.rows] == [
        ("imp", 0.5, "shuffle", 3),
        ("imp", 0.5, "random_labels", 3),
        ("imp", 0.2, "shuffle", 3),
        ("imp", 0.2, "random_labels", 3),
    ]
    row = board.rows[1]
    assert row["difference"] == pytest.approx(row["ablated_mean"] - row["ticket_mean"])
    assert row["low"] < row["difference"] < row["high"]
    assert [table.title.split(":")[0] for table in board.tables] == [
        "imp at 50.00%",
        "imp at 20.00%",
    ]
    means = rf"; ticket {100 * row['ticket_mean']:.2f}, dense [\d.]+$"
    assert re.search(means, board.tables[0].title)
    for table in board.tables:
        (conclusion,) = table.notes
        assert conclusion.startswith(table.title.split(":")[0])
    for form in FORMATS:
        assert "mask structure" in render_board(board, form)
    json.loads(render_board(board, "json"))


def test_a_card_fits_a_narrow_terminal(con: Any) -> None:
    lines = as_text(leaderboard(con, Question(by="ingredients")), 80).splitlines()
    assert max(map(len, lines)) <= 80
    (shuffle, _) = [line for line in lines if line.startswith("mask structure")]
    assert re.search(r"shuffle .*[−+][\d.]+ ± [\d.]+ ", shuffle), "the interval is never left out"


def test_filters_narrow_it(con: Any) -> None:
    selection = Selection(densities=[0.2], controls=["none"])
    (row,) = leaderboard(con, Question(by="ingredients", selection=selection)).rows
    assert (row["target_density"], row["ablated_by"]) == (0.2, "random_labels")


def test_a_margin_decides_what_does_not_matter(con: Any) -> None:
    board = leaderboard(con, Question(by="ingredients", margin=0.9))
    assert {row["verdict"] for row in board.rows} == {"does not matter"}
    assert "90 points" in board.legend


def test_what_has_no_meaning_is_refused(con: Any) -> None:
    with pytest.raises(UserError, match="--baseline has no meaning with --by ingredients"):
        Question(by="ingredients", baseline="imp")
    with pytest.raises(UserError, match="--by ingredients compares within each task"):
        Question(by="ingredients", across=True)


def test_results_without_ablations_say_how_to_get_some(tmp_path: Path) -> None:
    paths = RECORDS["write"](tmp_path / "results.duckdb", Scenario())
    fold(paths)
    with open_safe(paths) as con, pytest.raises(NothingSelected, match="run sanity --add NAME"):
        leaderboard(con, Question(by="ingredients"))
