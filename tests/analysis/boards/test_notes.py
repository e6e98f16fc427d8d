from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lth_bench.analysis.boards.notes import prunable_share
from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.analysis.page.gather import suite_facts


@pytest.mark.parametrize(
    ("prunable", "all_"), [(95, 100), (100, 100), (5, None), (None, 5), (0, 0)]
)
def test_no_note_if_nearly_all_is_prunable_or_unknown(prunable, all_):
    assert prunable_share(prunable, all_) == ""


def test_the_prunable_share_in_words():
    says = "1,234 of 12,340 parameters (10.0%) are prunable, and densities count these alone"
    assert prunable_share(1234, 12340) == says
    assert prunable_share(94, 100)
    assert prunable_share(1234, 12340, ["a.weight"]) == f"{says}; the rest stays dense (a.weight)"
    four = ["a", "b", "c", "d"]
    assert prunable_share(1234, 12340, four).endswith("the rest stays dense (a, b, c, …)")
    assert ", as declared; the rest" in prunable_share(99, 100, four, declared=True)
    assert prunable_share(99, 100, always=True) and not prunable_share(99, 100)


RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))


def scenario(lr, strategies, **options):
    class Tuned(RECORDS["Scenario"]):
        def experiments(self):
            return [{**e, "config": {"recipe": {"lr": lr}}} for e in super().experiments()]

    return Tuned(strategies=strategies, config=str(lr), **options)


def made(tmp_path, *scenarios):
    from lth_bench.store import fold
    from lth_bench.store.database import open_safe

    paths = RECORDS["write"](tmp_path / "r.duckdb", *scenarios)
    fold(paths)
    return open_safe(paths)


def test_recipes_that_differ_between_labels_are_noted(tmp_path) -> None:
    con = made(
        tmp_path,
        scenario(0.1, ("dense", "imp", "snip")),
        scenario(0.3, ("dense", "imp"), run_id="run-2"),
    )
    said = "not like for like: lr 0.3: dense, imp; lr 0.1: snip."
    for by in ("accuracy", "matching", "area", "cost", "speed"):
        for table in leaderboard(con, Question(by=by)).tables:
            assert any(note.startswith(said) for note in table.notes), by
    assert suite_facts(con)[0].tasks[0].notes["unlike"].startswith(said)


def test_equal_recipes_and_other_tasks_are_not_noted(tmp_path) -> None:
    other = (("mlp", "digits", "other"),)
    con = made(
        tmp_path,
        scenario(0.1, ("dense", "imp")),
        scenario(0.3, ("dense", "imp"), run_id="run-2", tasks=other),
        scenario(0.3, ("dense", "imp"), run_id="run-3", suite="another"),
    )
    board = leaderboard(con, Question(selection=Selection()))
    assert len(board.tables) == 3
    notes = [note for table in board.tables for note in table.notes]
    assert not any(note.startswith("not like for like") for note in notes)
