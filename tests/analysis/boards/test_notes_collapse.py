"""Tickets of which a layer, or every path, is gone: marked and told wherever their accuracy is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.boards.notes import collapses
from lth_bench.analysis.boards.scope import resolve
from lth_bench.analysis.leaderboard import KINDS, Question, leaderboard
from lth_bench.analysis.page.gather import suite_facts
from lth_bench.output.formats import as_csv
from lth_bench.output.page.sections.ranking import ranking
from lth_bench.output.terminal import as_text

Chosen = Callable[..., Any]

CELLS = {
    ("dense", 1.0): [0.9, 0.91, 0.92],
    ("imp", 0.5): [0.9, 0.9, 0.91],
    ("imp/reinit", 0.5): [0.8, 0.8, 0.81],
    ("snip", 0.5): [0.1, 0.11, 0.12],
    ("snip/reinit", 0.5): [0.1, 0.11, 0.12],
    ("random", 0.5): [0.1, 0.1, 0.11],
}
EMPTY = {
    # a residual network may have a path around an empty layer
    ("imp/reinit", 0.5): [(["fc1"], 0.2), ([], 0.5), ([], 0.5)],
    ("snip", 0.5): [(["fc2", "conv1"], 0.0), (["fc1"], 0.0), ([], 0.4)],
    # every layer keeps a weight, and none of them is connected
    ("random", 0.5): [([], 0.0), ([], 0.0), ([], 0.0)],
}
SAID = (
    "† layer collapse: imp/reinit at 50.00% (1 seed: no weight is left in fc1), random at 50.00% "
    "(3 seeds: no path from input to output), snip at 50.00% (2 seeds: no weight is left in conv1, "
    "fc1, fc2; no path from input to output)"
)
COUNTS = {("imp", "reinit"): 1, ("snip", "none"): 2, ("random", "none"): 3}


def test_collapsed_seeds_are_counted_in_python_and_sql(chosen: Chosen) -> None:
    con = chosen(CELLS, empty=EMPTY)
    rows = {(r["label"], r["control"]): r["collapsed"] for r in leaderboard(con).rows}
    view = con.execute("SELECT label, control, collapsed FROM leaderboard").fetchall()
    assert rows == {(label, control): n for label, control, n in view}
    assert {who: n for who, n in rows.items() if n} == COUNTS
    layers = "SELECT label, control, sum(empty_layers) FROM tickets_flat GROUP BY ALL"
    found = {(label, control): n for label, control, n in con.execute(layers).fetchall() if n}
    assert found == {("imp", "reinit"): 1, ("snip", "none"): 3}


def test_frozen_weights_leave_no_layer_empty(chosen: Chosen) -> None:
    gone = (["fc1"], 0.4), (["fc1", "fc2"], 0.4), ([], 0.5)
    con = chosen(CELLS, empty={("snip", 0.5): gone}, frozen={"snip": ["fc1"]})
    view = "SELECT collapsed FROM leaderboard WHERE label = 'snip' AND control = 'none'"
    assert con.execute(view).fetchall() == [(1,)]
    *_, last = leaderboard(con).tables
    assert "† layer collapse: snip at 50.00% (1 seed: no weight is left in fc2)" in last.notes


# `transfer` is grids over tasks, `budget` is of one ablation, whose tickets CELLS has none of
@pytest.mark.parametrize("by", [by for by in KINDS if by not in ("transfer", "budget")])
def test_every_leaderboard_notes_collapsed_seeds(chosen: Chosen, by: str) -> None:
    *_, last = leaderboard(chosen(CELLS, empty=EMPTY), Question(by=by)).tables
    assert SAID in last.notes


def test_a_card_of_ingredients_marks_them(chosen: Chosen) -> None:
    imp, snip = leaderboard(chosen(CELLS, empty=EMPTY), Question(by="ingredients")).tables
    by = [line[1].text for table in (imp, snip) for line in table.lines()]
    assert by == ["reinit †", "reinit"]
    assert imp.notes == imp.notes[:1], "what is said of the task is said once"
    assert not imp.title.endswith("†")
    assert snip.title.endswith("†"), "a ticket that is no network itself"


def test_grids_note_collapsed_seeds_below_the_last_one(chosen: Chosen) -> None:
    con = chosen(CELLS, empty=EMPTY, sources={"snip": ("mlp", "mnist", "mlp")})
    *others, last = leaderboard(con, Question(by="transfer")).tables
    assert all(table.notes == () for table in others)
    (note,) = [text for text in last.notes if "layer collapse" in text]
    assert note.startswith("mlp · digits · mlp: † layer collapse: imp/reinit at 50.00%")
    assert "snip from mnist at 50.00% (2 seeds: no weight is left in conv1, fc1, fc2;" in note


def test_collapsed_rows_are_marked_on_the_terminal_and_in_files(chosen: Chosen) -> None:
    board = leaderboard(chosen(CELLS, empty=EMPTY))
    for width in (60, 100, 200):
        lines = as_text(board, width).splitlines()
        marks = [line for line in lines if "†" in line and "layer collapse" not in line]
        assert len(marks) == 3 and not any("imp " in line for line in marks)
    assert "collapsed" in as_csv(board).splitlines()[0]


def test_collapsed_rows_are_marked_on_the_page(chosen: Chosen) -> None:
    (suite,) = suite_facts(chosen(CELLS, empty=EMPTY))
    (grid,) = ranking(suite.tasks[0]).parts
    marked = {row.cells[2].text for row in grid.rows if "†" in row.cells[3].text}
    assert marked == {"imp/reinit", "snip", "random"}
    assert list(grid.notes) == [f"{SAID}."]


def test_without_collapsed_seeds_there_is_no_note(chosen: Chosen) -> None:
    con = chosen(CELLS)
    assert collapses(con, resolve(con)) == {}
    assert "†" not in as_text(leaderboard(con))
    (suite,) = suite_facts(con)
    assert not ranking(suite.tasks[0]).parts[0].notes
