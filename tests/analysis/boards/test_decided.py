from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.boards import metric
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.judging import Words
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.analysis.measures import ACCURACY
from lth_bench.analysis.samples import samples
from lth_bench.store import fold, reading
from lth_bench.store.rows_file import restored
from lth_bench.store.seed_rows import write_rows

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))

Chosen = Callable[..., Any]

BASE = [0.90, 0.91, 0.92, 0.90, 0.91, 0.92, 0.90, 0.91]
RULE = {"margin": None, "max_seeds": 10}


def plus(*points: float) -> list[float]:
    """The baseline, and so many points more."""
    return [base + point / 100 for base, point in zip(BASE, points, strict=False)]


CELLS = {
    ("dense", 1.0): BASE,
    ("imp", 0.5): plus(3.4, 3.5, 3.7),  # decided at three
    ("snip", 0.5): plus(0.4, 0.6, 0.8, 0.5, 0.7),  # at five
    ("rigl", 0.5): plus(2.0, -1.5, 1.0, -2.0, 1.5, -1.0, 0.5, 0.1),  # open
}


@pytest.fixture(scope="module")
def con(chosen: Chosen) -> Any:
    return chosen(CELLS, decide=RULE)


def rows(con: Any, baseline: str | None = None, margin: float | None = None) -> dict[str, Any]:
    scope = resolve(con, Selection())
    found = metric.rows(con, scope, baselines(con, scope, baseline), margin)
    return {row["label"]: row for row in found}


def test_verdicts_are_those_of_all_pairs_at_their_look(con: Any) -> None:
    found = rows(con)
    assert found["imp"]["verdict_text"] == "better (decided at 3 of 10)"
    assert found["snip"]["verdict_text"] == "better (decided at 5 of 10)"
    assert found["snip"]["difference"] == pytest.approx(0.006)
    # the repeated interval, of level 1 − .0064
    assert found["snip"]["difference_low"] == pytest.approx(0.00230, abs=2e-5)
    assert found["snip"]["difference_high"] == pytest.approx(0.00970, abs=2e-5)
    stops = {label: (r["decided_at"], r["max_seeds"], r["stop"]) for label, r in found.items()}
    assert stops["imp"] == (3, 10, "decided") and stops["snip"] == (5, 10, "decided")
    assert stops["dense"] == (None, None, None)
    assert found["rigl"]["verdict"] == "open" and stops["rigl"][2] in ("futile", "to come")


def test_all_else_is_over_the_seeds_that_all_labels_have(con: Any) -> None:
    found = rows(con)
    assert {row["n"] for row in found.values()} == {3}
    assert found["rigl"]["mean"] == pytest.approx(sum(CELLS["rigl", 0.5][:3]) / 3)
    assert found["dense"]["mean"] == pytest.approx(sum(BASE[:3]) / 3)
    every = {s.label: s for s in samples(con, every_seed=True)}
    assert len(every["rigl"].values) == 8
    assert {len(s.values) for s in samples(con)} == {3}
    view = con.execute("SELECT DISTINCT n FROM leaderboard").fetchall()
    assert view == [(3,)]
    (count,) = con.execute("SELECT count(*) FROM tickets_flat WHERE status = 'ok'").fetchone()
    assert count == 3 + 5 + 8 + 8  # a row for each seed that ran


def test_a_fixed_number_of_seeds_is_judged_as_ever(chosen: Chosen) -> None:
    found = rows(chosen(CELLS))
    assert found["snip"]["n"] == 5 and found["snip"]["stop"] is None
    assert (
        found["snip"]["verdict_text"].startswith("better")
        and "decided" not in (found["snip"]["verdict_text"])
    )


def test_another_margin_or_baseline_is_judged_by_the_same_rule(con: Any) -> None:
    wide = rows(con, margin=0.05)
    assert wide["snip"]["verdict_text"] == "equivalent within ±5 points (decided at 3 of 10)"
    against = rows(con, baseline="snip")
    assert against["imp"]["decided_at"] == 3 and against["snip"]["stop"] is None


def test_a_suites_own_margin(chosen: Chosen) -> None:
    con = chosen(CELLS, decide={"margin": 0.05, "max_seeds": 10})
    assert rows(con)["snip"]["margin"] == pytest.approx(0.05)
    board = leaderboard(con, Question())
    assert "margin of 5 points" in board.legend


def test_cells_and_legend_say_how_a_row_was_decided(con: Any) -> None:
    found, words = rows(con), Words.of(ACCURACY, None, "dense")
    assert words.cell(found["snip"]).text == "better 5/10"
    assert words.in_words(found["snip"]).text == "better (5 of 10)"
    assert words.in_words(found["rigl"]).text.startswith("open (")
    legend = leaderboard(con, Question()).legend
    assert "5/30 is decided at 5 of at most 30" in legend and "of these 3, expect 0.2" in legend
    assert "estimate at the stop" in legend


def test_a_lost_seed_fails_unless_it_came_after_the_decision(chosen: Chosen) -> None:
    cells = {
        ("dense", 1.0): BASE[:5],
        ("imp", 0.5): [*plus(3.4, 3.5, 3.7), "failed"],
        ("snip", 0.5): [*plus(0.4, 0.6), "diverged", *plus(0.1, 0.1, 0.1, 0.5, 0.7)[3:]],
    }
    found = rows(chosen(cells, decide=RULE))
    assert found["imp"]["verdict_text"] == "better (decided at 3 of 10)"
    assert (found["snip"]["verdict"], found["snip"]["stop"]) == ("failed", "lost")


def test_a_seed_that_the_machine_owes_holds_a_look_or_is_left_out(chosen: Chosen) -> None:
    owed = {**CELLS, ("imp", 0.5): [CELLS["imp", 0.5][0], None, *CELLS["imp", 0.5][1:]]}
    held = rows(chosen(owed, decide=RULE))["imp"]
    assert (held["stop"], held["decided_at"]) == ("to come", 0)
    given_up = {**CELLS, ("imp", 0.5): [CELLS["imp", 0.5][0], "oom", *plus(0, 0, 3.5, 3.7)[2:]]}
    found = rows(chosen(given_up, decide=RULE))["imp"]
    assert found["verdict_text"] == "better (decided at 3 of 10)"


def test_ranks_are_tested_at_the_level_of_all_looks(con: Any, chosen: Chosen) -> None:
    whole = {key: values[:3] for key, values in CELLS.items()}
    fixed, added = rows(chosen(whole)), rows(con)
    for label in ("imp", "snip", "rigl"):
        assert fixed[label]["rank"] == added[label]["rank"]
        assert fixed[label]["rank_low"] >= added[label]["rank_low"]
        assert fixed[label]["rank_high"] <= added[label]["rank_high"]


def test_a_row_that_one_seed_decides_is_flagged(chosen: Chosen) -> None:
    """Seed 1 is out of memory, so that the place of the pair is not the seed."""
    cells = {("dense", 1.0): BASE[:4], ("imp", 0.5): [*plus(1.4), "oom", *plus(0, 0, 1.6, 1.8)[2:]],
             ("snip", 0.5): plus(1.4, 1.5, 1.7)}  # fmt: skip
    con = chosen(cells, decide=RULE)
    found = rows(con)
    assert (found["imp"]["decided_by_seed"], found["snip"]["decided_by_seed"]) == (2, None)
    assert found["imp"]["verdict_text"] == "better (decided at 3 of 10; open without seed 2)"
    words = Words.of(ACCURACY, None, "dense")
    assert words.cell(found["imp"]).text == "better 3/10!"
    assert words.in_words(found["imp"]).text == "better (3 of 10!)"
    assert words.cell(found["snip"]).text == "better 3/10"
    assert "!: one seed decides" in leaderboard(con, Question()).legend


def test_a_legend_without_such_rows_does_not_mention_them(con: Any) -> None:
    assert "one seed decides" not in leaderboard(con, Question()).legend


def test_a_file_of_rows_is_judged_as_the_database_is(chosen_class: Any, tmp_path: Path) -> None:
    """The rule travels with the rows, and so does the seed that was out of memory."""
    cells = {**CELLS, ("imp", 0.5): [CELLS["imp", 0.5][0], "oom", *plus(0, 0, 3.5, 3.7)[2:]]}
    made = chosen_class(cells=cells, strategies=["dense", "imp", "snip", "rigl"],
                        seeds=range(8), decide=RULE)  # fmt: skip
    paths = RECORDS["write"](tmp_path / "results.duckdb", made)
    fold(paths)
    write_rows(paths.results, "quickstart", tmp_path / "rows.parquet", "")
    with reading(paths.results) as con:
        there = rows(con)
    with restored(tmp_path / "rows.parquet") as database, reading(database) as con:
        found = rows(con)
    names = ("verdict_text", "n", "decided_at", "stop")
    assert {label: [row[name] for name in names] for label, row in found.items()} == {
        label: [row[name] for name in names] for label, row in there.items()
    }
    assert found["imp"]["verdict_text"] == "better (decided at 3 of 10)"
