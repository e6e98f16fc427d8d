"""A control that was skipped says nothing of the method, and is told below the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lth_bench.analysis.boards import area
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.notes import ablations
from lth_bench.analysis.boards.scope import resolve
from lth_bench.analysis.leaderboard import leaderboard
from lth_bench.analysis.page.gather import suite_facts
from lth_bench.output.page.sections.summary import summary

Chosen = Callable[..., Any]

CELLS = {
    ("dense", 1.0): [0.9, 0.91, 0.92],
    ("imp", 0.5): [0.9, 0.9, 0.9],
    ("imp/reinit", 0.5): ["skipped"] * 3,
    ("imp", 0.2): ["skipped"] * 3,
    ("imp/reinit", 0.2): ["skipped"] * 3,
    ("snip", 0.5): [0.8, 0.8, 0.8],
    ("snip/reinit", 0.5): [0.7, 0.7, 0.7],
    ("snip", 0.2): [0.6, 0.6, 0.6],
    ("snip/reinit", 0.2): [0.5, 0.5, 0.5],
}
SAID = "imp/reinit at 50.00%: skipped: chosen"


def test_a_skipped_control_is_noted(chosen: Chosen) -> None:
    con = chosen(CELLS)
    # the density that the ticket itself cannot reach is not the control's business
    assert list(ablations(con, resolve(con)).values()) == [SAID]
    (table,) = leaderboard(con).tables
    assert SAID in table.notes
    (suite,) = suite_facts(con)
    parts = summary(suite.tasks[0]).parts
    assert any(SAID in str(getattr(part, "pieces", "")) for part in parts)


def test_a_skipped_control_does_not_count_as_accuracy_0(chosen: Chosen) -> None:
    con = chosen(CELLS)
    scope = resolve(con)
    rows = {(r["label"], r["control"]): r for r in area.rows(con, scope, baselines(con, scope))}
    assert rows["imp", "reinit"]["mean"] is None
    assert rows["imp", "reinit"]["pending"] == 0
    assert rows["imp", "none"]["mean"] is not None, "a density out of reach counts as 0"
    assert rows["snip", "reinit"]["mean"] is not None
    notes = area.board(con, scope, baselines(con, scope), 0.005).tables[0].notes
    assert "imp/reinit was skipped at 50.00%, 20.00%: left out" in notes
