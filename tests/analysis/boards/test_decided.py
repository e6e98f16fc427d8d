from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.boards import cost, matching, metric
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.judging import IN_WORDS, Words
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.card import cards
from lth_bench.analysis.compare.lines import Options, compare
from lth_bench.analysis.compare.pairs import groups
from lth_bench.analysis.compare.sheet import sheet
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.analysis.measures import measure
from lth_bench.analysis.samples import samples
from lth_bench.store import fold, reading
from lth_bench.store.rows_file import restored
from lth_bench.store.seed_rows import write_rows

Chosen = Callable[..., Any]
RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))
Scenario: Any = RECORDS["Scenario"]

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


@pytest.fixture(scope="module")
def with_loss(chosen: Chosen) -> Any:
    losses = {at: [1 - x for x in values] for at, values in CELLS.items()}
    return chosen(CELLS, decide={"margin": 0.02, "max_seeds": 10}, metrics={"test_loss": losses})


def test_a_rule_for_accuracy_decides_no_row_by_loss(with_loss: Any) -> None:
    """test_loss is 1 − accuracy here, with the same differences; half a point is no margin of it.
    5% of the baseline's mean of the first three, .09, are .0045.
    """
    con = with_loss
    assert rows(con)["snip"]["margin"] == pytest.approx(0.02)
    board = leaderboard(con, Question(metric="test_loss"))
    found = {row["label"]: row for row in board.rows}
    for label in ("imp", "snip", "rigl"):
        assert found[label]["margin"] == pytest.approx(0.0045), label
        assert (found[label]["stop"], found[label]["max_seeds"]) == ("other metric", 10)
        assert found[label]["verdict_text"].endswith("(seeds were added by another metric)")
    assert found["imp"]["verdict"] == found["snip"]["verdict"] == "better"
    # all 8 pairs at the level of a look, and no forecast: more seeds follow the other metric
    assert (found["rigl"]["verdict"], found["rigl"]["difference_n"]) == ("open", 8)
    assert found["rigl"]["n80"] is None
    cells = [c.text for t in board.tables for block in t.blocks for row in block for c in row]
    assert "better" in cells and "open" in cells and not any("/10" in text for text in cells)
    assert "which is not test_loss: no such row was decided by that rule" in board.legend
    assert "5/30" not in board.legend and "5% of the dense run's mean" in board.legend
    asked = leaderboard(con, Question(metric="test_loss", margin=0.02)).rows
    assert [r["margin"] for r in asked if r["label"] == "imp"] == [pytest.approx(0.0018)]
    for by, margin in (("matching", "5% of"), ("cost", "5% of"), ("area", "5% of")):
        assert margin in leaderboard(con, Question(by=by, metric="test_loss")).legend, by


def test_a_comparison_by_another_metric_says_so(with_loss: Any) -> None:
    con = with_loss
    both = [
        [s for s in samples(con, metric="test_loss", every_seed=True) if s.label == label]
        for label in ("dense", "snip")
    ]
    known = measure("test_loss")
    a, b = (replace(side[0], target_density=0.5) for side in both)
    options = Options(known)
    found = [compare(group, options) for group in groups([a], [b], by_name=False)]
    verdict = found[0][0].verdict
    assert (verdict.kind, verdict.stop) == ("better", (5, 10, "other metric"))
    board = sheet("A", "B", comparisons=found, tasks={}, options=options)
    assert "no such line was decided by that rule" in board.legend and "of 30" not in board.legend
    assert "5% of A's mean" in board.legend


def test_cells_and_legend_say_how_a_row_was_decided(con: Any) -> None:
    found, words = rows(con), Words("0.5", " points")
    assert words.cell(found["snip"]).text == "better 5/10"
    assert words.in_words(found["snip"]).text == "better (5 of 10)"
    given_up = words.in_words(found["rigl"] | {"stop": "futile", "decided_at": 10, "max_seeds": 30})
    assert given_up.text == "stopped (10 of 30)" and len(given_up.text) <= IN_WORDS
    more = words.in_words(found["rigl"] | {"stop": "to come", "decided_at": 4, "max_seeds": 30})
    assert more.text == "open (4 of 30)"
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
    # seed 1 is to come, so that of three results one is a pair in order
    assert (held["stop"], held["decided_at"], held["verdict"]) == ("to come", 1, "insufficient")
    assert (held["n"], held["difference_n"], held["p"]) == (3, 1, None)
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


def test_before_the_first_look_there_is_no_verdict(chosen: Chosen) -> None:
    """Of imp seed 0 is to come: +3.4, +3.5, +3.7 points at seeds 1 to 3 are no pair in order. At a
    fixed number of seeds, t = 40 with 2 degrees of freedom, p < .001.
    """
    late = [None, *(x / 100 + b for x, b in zip((3.4, 3.5, 3.7), BASE[1:], strict=False))]
    cells = {("dense", 1.0): BASE[:4], ("imp", 0.5): late, ("snip", 0.5): plus(0.4, 0.6)}
    fixed = rows(chosen(cells))
    assert fixed["imp"]["verdict"] == "better" and fixed["imp"]["p"] < 0.001
    con = chosen(cells, decide=RULE)
    for scope in (None, 0.05):  # whatever margin is asked for
        found = rows(con, margin=scope)
        assert {found[label]["verdict"] for label in ("imp", "snip")} <= {"insufficient", None}
    assert (found["snip"]["verdict"], found["snip"]["decided_at"]) == ("insufficient", 2)
    assert found["snip"]["verdict_text"] == "needs 3+"
    assert Words("0.5", " points").in_words(found["snip"]).text == "needs 3+ seeds"
    (task,) = cards(con, Question(), leaderboard(con, Question()).rows)[0].tasks
    assert {row.verdict for row in task.rows} <= {"needs 3+ seeds", "1 to come"}


def test_each_suite_has_its_own_margin(chosen_class: Any, made: Any) -> None:
    """+0.4, +0.6, +0.8, +0.5, +0.7 points: better at five, where .6 + 4.138 · .158 / √5 = .893 is
    within 1 point and not within half a point. (Not before: 1.55 at three, 1.01 at four.)
    """
    cells = {("dense", 1.0): BASE[:5], ("snip", 0.5): plus(0.4, 0.6, 0.8, 0.5, 0.7)}
    kinds = {"half": None, "one": 0.01, "fixed": None}
    con = made(*(
        chosen_class(
            cells=cells, strategies=["dense", "snip"], seeds=range(5), suite=name,
            run_id=f"run-{name}",
            decide=None if name == "fixed" else {"margin": margin, "max_seeds": 10},
        )
        for name, margin in kinds.items()
    ))  # fmt: skip
    board = leaderboard(con, Question())
    found = {row["suite"]: row for row in board.rows if row["label"] == "snip"}
    assert {name: row["margin"] for name, row in found.items()} == {
        "half": 0.005, "one": 0.01, "fixed": 0.005,
    }  # fmt: skip
    assert found["one"]["within_margin"] and not found["half"]["within_margin"]
    cells_of = {t.group: t.blocks[-1][-1] for t in board.tables}
    shown = {name: " ".join(c.text for c in line) for name, line in cells_of.items()}
    assert "better <1 5/10" in shown["one"] and "better 5/10" in shown["half"]
    assert "<0.5 or <1: though by less than the margin of 0.5 points (fixed, half) or 1 points" in (
        board.legend
    )
    for by in ("area", "matching", "cost"):
        assert "0.5 points" in (text := leaderboard(con, Question(by=by)).legend), by
        assert "1 points" in text and "(one)" in text, by
    asked = leaderboard(con, Question(margin=0.02))
    assert {row["margin"] for row in asked.rows} == {0.02}
    assert "margin of 2 points)" in asked.legend


def test_matching_and_cost_take_each_suites_margin(chosen_class: Any, made: Any) -> None:
    """At −0.7, −0.8, −0.7 points on average: shown to match by a margin of 2 points, of −0.733 −
    8.243 · .0577 / √3 = −1.01, and not by half a point; and so it costs to reach 91.4 or 90.5%.
    """
    cells = {("dense", 1.0): [0.91, 0.92, 0.90], ("imp", 0.5): [0.903, 0.912, 0.893]}
    con = made(*(
        chosen_class(
            cells=cells, strategies=["dense", "imp"], seeds=range(3), suite=name,
            run_id=f"run-{name}", decide={"margin": margin, "max_seeds": 10},
        )
        for name, margin in (("wide", 0.02), ("half", None))
    ))  # fmt: skip
    scope = resolve(con, Selection())
    against = baselines(con, scope)
    by_suite = {row["suite"]: row for row in matching.rows(con, scope, against)}
    assert {name: row["shown_density"] for name, row in by_suite.items()} == {
        "wide": 0.5, "half": None,
    }  # fmt: skip
    assert {name: row["margin"] for name, row in by_suite.items()} == {"wide": 0.02, "half": 0.005}
    reach = {row["suite"]: row["reach"] for row in cost.rows(con, scope, against=against)}
    assert reach == pytest.approx({"wide": 0.89, "half": 0.905})
    at = {row["suite"]: row["reach"] for row in cost.rows(con, scope, against=against, margin=0.01)}
    assert at == pytest.approx(dict.fromkeys(at, 0.90))


def test_nothing_says_that_one_seed_decides(con: Any) -> None:
    """Leaving a pair out marked 38% of decided rows, and mostly the middle pair."""
    assert "decided_by_seed" not in rows(con)["imp"]
    assert "one seed decides" not in leaderboard(con, Question()).legend


@dataclass
class TwoMetrics(Scenario):  # type: ignore[misc]
    """A task judged by accuracy and one by RMSE."""

    tasks: Any = (("mlp", "digits", "mlp"), ("mlp", "diabetes", "mlp"))
    judged: Any = field(default_factory=lambda: {"diabetes": ("rmse", "", False)})
    decide: Any = None

    def run(self) -> dict[str, Any]:
        return super().run() | ({} if self.decide is None else {"decide": self.decide})


def test_the_footer_of_several_metrics_has_each_margin(made: Any) -> None:
    con = made(
        TwoMetrics(run_id="run-a"),
        TwoMetrics(suite="wide", run_id="run-b", decide={"margin": 0.2, "max_seeds": 10}),
    )
    legend = leaderboard(con, Question()).legend
    assert (
        "test_rmse: lower is better; a difference below 5% of the baseline's mean (quickstart) or "
        "20% of the baseline's mean (wide) does not matter."
    ) in legend
    asked = leaderboard(con, Question(margin=0.1)).legend
    assert "a difference below 10% of the baseline's mean does not matter." in asked


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
