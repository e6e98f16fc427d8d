"""The views of tasks that are judged by other metrics than accuracy, beside one that is."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from close import close

from lth_bench.store import fold
from lth_bench.store.database import open_safe
from lth_bench.store.frames import Results

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))
JUDGED = {"houses": ("rmse", "", False), "tags": ("map", "fraction", True)}
ON = "strategy, label, control, seed, target_density"


class Database:
    """Three tasks of the same tickets, with the values of accuracy, or its error times 100."""

    def __init__(self, folder: Path) -> None:
        tasks = [("mlp", dataset, "short") for dataset in ("digits", *JUDGED)]
        scenario = RECORDS["Scenario"](
            tasks=tasks, judged=JUDGED, controls=("reinit",), seeds=(0, 1, 2, 3),
            densities=(0.9, 0.5, 0.2), outcomes={("snip", 1): ("failed", "ValueError: boom")},
            test_examples=400,
        )  # fmt: skip
        self.paths = RECORDS["write"](folder / "results.duckdb", scenario)
        fold(self.paths)
        self.con = open_safe(self.paths)

    def __call__(self, sql: str) -> list[dict[str, Any]]:
        result = self.con.execute(sql)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(tmp_path_factory.mktemp("any_metric"))
    yield database
    database.con.close()


VIEWS = ("tickets_flat", "experiments", "leaderboard", "dense_runs", "paired", "matching",
         "convergence", "pareto")  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
def test_every_row_says_its_metric_and_direction(db: Database, view: str) -> None:
    rows = db(f"SELECT DISTINCT dataset, metric, higher_is_better FROM {view} ORDER BY dataset")
    assert [tuple(row.values()) for row in rows] == [
        ("digits", "test_accuracy", True),
        ("houses", "test_rmse", False),
        ("tags", "test_map", True),
    ]


@pytest.mark.parametrize("view", ["tickets_flat", "dense_runs", "paired"])
def test_accuracies_are_of_tasks_that_have_them(db: Database, view: str) -> None:
    columns = [r["column_name"] for r in db(f"DESCRIBE {view}") if "accuracy" in r["column_name"]]
    assert columns
    for column in columns:
        known = db(f"SELECT DISTINCT dataset FROM {view} WHERE {column} IS NOT NULL")
        assert known == [{"dataset": "digits"}], column
    (row,) = db(f"SELECT count(*) AS n FROM {view} WHERE score IS NULL "
                + ("AND status = 'ok'" if view == "tickets_flat" else ""))  # fmt: skip
    assert row == {"n": 0}


def test_the_scores_are_those_of_the_metrics(db: Database) -> None:
    rows = db(
        "SELECT f.score, f.early_stop_score, m.value, e.value AS early FROM tickets_flat f "
        "JOIN metrics m ON m.ticket_id = f.ticket_id AND m.metric = f.metric "
        "JOIN metrics e ON e.ticket_id = f.ticket_id "
        "AND e.metric = replace(f.metric, 'test_', 'early_stop_')"
    )
    assert len(rows) == len(db("FROM tickets_flat WHERE status = 'ok'")) > 100
    assert all((r["score"], r["early_stop_score"]) == (r["value"], r["early"]) for r in rows)


def test_the_leaderboard_view_is_that_of_each_tasks_own_metric(db: Database) -> None:
    for dataset, metric in (("digits", "test_accuracy"), ("houses", "test_rmse")):
        own = db(f"FROM leaderboard WHERE dataset = '{dataset}'")
        named = db(f"FROM leaderboard_of('{metric}') WHERE dataset = '{dataset}'")
        assert close(own) == named
        assert any(row["mean"] is not None for row in own)
    # of what is not measured there is nothing, and no error
    rows = db("FROM leaderboard_of('test_accuracy') WHERE dataset = 'houses'")
    assert rows and all((r["n"], r["mean"], r["rank"]) == (0, None, None) for r in rows)


def test_smaller_values_rank_first_where_they_are_better(db: Database) -> None:
    for dataset, sign in (("digits", 1), ("tags", 1), ("houses", -1)):
        for density in (0.9, 0.5, 0.2):
            rows = db(
                f"FROM leaderboard WHERE dataset = '{dataset}' AND target_density = {density} "
                "AND control = 'none' AND failed = 0 ORDER BY rank"
            )
            means = [sign * row["mean"] for row in rows]
            assert means == sorted(means, reverse=True) and len(means) > 1
    lost = db("FROM leaderboard WHERE label = 'snip' AND control = 'none' AND dataset = 'houses'")
    # no RMSE is the worst: a label that lost a seed ranks behind those that lost none
    assert {row["rank"] for row in lost} == {3}


def test_matching_is_not_worse_in_the_metrics_direction(db: Database) -> None:
    for dataset, sign in (("digits", 1), ("tags", 1), ("houses", -1)):
        for row in db(f"FROM matching WHERE dataset = '{dataset}'"):
            cells = db(
                f"FROM leaderboard WHERE dataset = '{dataset}' AND label = '{row['label']}' "
                f"AND control = '{row['control']}' AND failed = 0"
            )
            even = [c["target_density"] for c in cells if sign * c["delta_dense"] >= 0]
            most = "delta_high" if sign > 0 else "delta_low"
            possible = [c["target_density"] for c in cells if sign * c[most] >= 0]
            assert row["matching_density"] == min(even, default=None)
            assert row["compatible_density"] == min(possible, default=None)
    assert any(row["compatible_density"] for row in db("FROM matching WHERE dataset = 'houses'"))


def test_nothing_on_a_front_is_beaten_in_the_metrics_direction(db: Database) -> None:
    for dataset, sign in (("digits", 1), ("houses", -1)):
        rows = db(f"FROM pareto WHERE dataset = '{dataset}'")
        whole = [row for row in rows if row["label"] != "snip"]
        assert any(row["on_density_front"] for row in rows)
        for row in whole:
            better = [
                other
                for other in whole
                if sign * other["mean"] >= sign * row["mean"]
                and other["density"] <= row["density"]
                and (other["mean"], other["density"]) != (row["mean"], row["density"])
            ]
            assert row["on_density_front"] == (not better)


def test_differences_are_of_the_score(db: Database) -> None:
    rows = db("FROM paired")
    assert {row["dataset"] for row in rows} == {"digits", *JUDGED}
    for row in rows:
        assert row["difference"] == row["score"] - row["versus_score"]
        if row["dataset"] == "digits":
            assert (row["score"], row["versus_score"]) == (
                row["test_accuracy"],
                row["versus_accuracy"],
            )


def test_a_label_of_an_earlier_objective_is_not_mixed_in(tmp_path: Path) -> None:
    """What was planned for another objective, and not again since, is judged by it no more."""
    older = RECORDS["Scenario"](strategies=("dense", "imp", "random"))
    newer = RECORDS["Scenario"](
        strategies=("dense", "imp"), config="new", judged={"digits": ("rmse", "", False)}
    )
    paths = RECORDS["write"](tmp_path / "results.duckdb", older, newer)
    fold(paths)
    with open_safe(paths) as con:
        rows = con.execute(
            "SELECT DISTINCT label, metric, n FROM leaderboard WHERE target_density = 0.5 "
            "ORDER BY label"
        ).fetchall()
        assert rows == [("imp", "test_rmse", 3), ("random", "test_rmse", 0)]
        pairs = con.execute("SELECT DISTINCT label FROM paired WHERE versus = 'dense'").fetchall()
        assert pairs == [("imp",)]


def test_the_frames_are_the_views(db: Database) -> None:
    results = Results(db.paths.results)
    board = results.leaderboard(dataset="houses", control="none")
    assert set(board["metric"]) == {"test_rmse"} and not board["higher_is_better"].any()
    named = results.leaderboard(metric="test_rmse", dataset="houses", control="none")
    pd.testing.assert_frame_equal(board, named)
    pd.testing.assert_frame_equal(results.leaderboard(metric="score"), results.leaderboard())
    assert results.tickets(dataset="houses")["test_accuracy"].isna().all()
