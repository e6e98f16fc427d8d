"""Every board takes any metric: direction, unit, margin and worst value follow from its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas
import pytest
from close import close
from hypothesis import given
from hypothesis import strategies as st

import lth_bench
from lth_bench.analysis.evidence import density_series, pareto_points
from lth_bench.analysis.leaderboard import ACROSS, KINDS, WITHIN, Question, leaderboard
from lth_bench.analysis.measures import ACCURACY, measure
from lth_bench.analysis.samples import samples
from lth_bench.errors import UnknownName, UserError
from lth_bench.stats import Summary, judge
from lth_bench.store.metric import COLUMNS, DERIVED, RULES, rule_of, split_of

CELLS = {
    ("dense", 1.0): [0.98, 0.98, 0.98],
    ("imp", 0.5): [0.95, 0.96, 0.97],
    ("snip", 0.5): [0.97, 0.96, "failed"],
    ("one_shot", 0.5): [0.90, 0.91, 0.92],
    ("imp", 0.2): [0.90, 0.90, 0.91],
    ("snip", 0.2): [0.80, 0.81, 0.82],
    ("one_shot", 0.2): [0.70, 0.71, 0.75],
}
LOSSES = {
    ("dense", 1.0): [0.10, 0.11, 0.12],
    ("imp", 0.5): [0.20, 0.21, 0.24],
    ("snip", 0.5): [0.09, 0.09, 0.09],
    ("one_shot", 0.5): [0.10, 0.10, 0.13],
    ("imp", 0.2): [0.30, 0.31, 0.35],
    ("snip", 0.2): [0.11, 0.12, 0.13],
    ("one_shot", 0.2): [0.25, 0.26, 0.27],
}
SPARSE_SIGNS = {key: [10.0 * x for x in values] for key, values in LOSSES.items() if key[1] < 1}
"""A plugin's metric, which the dense run has not."""


def alike(one: float | None, other: float | None) -> bool:
    """But for roundoff; NaN, NA and None are what is not there."""
    if pandas.isna(one) or pandas.isna(other):
        return bool(pandas.isna(one) and pandas.isna(other))
    return math.isclose(one or 0, other or 0, rel_tol=1e-12)


@pytest.fixture(scope="module")
def con(chosen: Callable[..., Any]) -> Any:
    return chosen(CELLS, test_examples=100, metrics={"test_loss": LOSSES, "signs": SPARSE_SIGNS})


def ranks(con: Any, metric: str, density: float) -> dict[str, int]:
    rows = leaderboard(con, Question(metric=metric)).rows
    return {r["label"]: r["rank"] for r in rows if r["target_density"] == density}


def test_the_lowest_loss_ranks_first_and_lost_seeds_last(con: Any) -> None:
    assert ranks(con, "test_loss", 0.2) == {"snip": 1, "one_shot": 2, "imp": 3}
    # snip's loss at 0.5 is the lowest of all, and of the two seeds that it did not lose
    assert ranks(con, "test_loss", 0.5) == {"one_shot": 1, "imp": 2, "snip": 3}


def test_higher_is_better_for_a_plugins_metric(con: Any) -> None:
    assert ranks(con, "signs", 0.2) == {"imp": 1, "one_shot": 2, "snip": 3}
    board = leaderboard(con, Question(metric="signs"))
    assert "higher is better (assumed)" in board.legend
    assert "in points" not in board.legend


def test_verdicts_use_the_metric(con: Any) -> None:
    rows = leaderboard(con, Question(metric="test_loss")).rows
    (row,) = [r for r in rows if r["label"] == "imp" and r["target_density"] == 0.2]
    dense, own = LOSSES["dense", 1.0], LOSSES["imp", 0.2]
    differences = [x - d for x, d in zip(own, dense, strict=True)]
    margin = 0.05 * sum(dense) / 3
    expected = judge(Summary.of(differences), margin, planned=3, higher=False, unit="")
    assert math.isclose(row["margin"], margin)
    assert (row["verdict"], row["metric"]) == (expected.kind, "test_loss") == ("worse", "test_loss")
    assert math.isclose(row["p"], expected.p or -1)
    assert math.isclose(row["difference"], 0.21)


def test_the_table_names_the_metric_and_its_unit(con: Any) -> None:
    (table,) = leaderboard(con, Question(metric="test_loss")).tables
    assert table.header[3] == "test_loss"
    assert table.lines()[0][3].text.startswith("0.11 ± ")
    (table,) = leaderboard(con, Question(metric="val_accuracy")).tables
    assert table.header[3] == "val_accuracy %"


def test_accuracy_is_the_default_and_not_named(con: Any) -> None:
    named = leaderboard(con, Question(metric="test_accuracy"))
    board = leaderboard(con)
    assert (close(named.rows), named.legend) == (board.rows, board.legend)
    assert [table.lines() for table in named.tables] == [table.lines() for table in board.tables]
    assert board.tables[0].header[3] == "accuracy %"
    assert {(row["metric"], row["higher_is_better"]) for row in board.rows} == {
        ("test_accuracy", True)
    }


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss", "signs", "early_stop_step"])
def test_sql_macros_and_figures_equal_the_leaderboard(con: Any, metric: str) -> None:
    board = {
        (r["label"], r["target_density"]): r for r in leaderboard(con, Question(metric=metric)).rows
    }
    macro = con.sql(f"FROM leaderboard_of('{metric}')").df().to_dict("records")
    assert len(macro) == len(board)
    for row in macro:
        mine = board[row["label"], row["target_density"]]
        for column in ("n", "mean", "low", "high", "rank", "delta_dense", "failed"):
            assert alike(row[column], mine[column]), (row["label"], column)
    ((_, found),) = density_series(con, metric).items()
    for series in found:
        for x, mean, low, n in zip(series.x, series.mean, series.low, series.n, strict=True):
            mine = board[series.label, x]
            assert n == mine["n"]
            assert alike(mean, mine["mean"]) and alike(low, mine["low"])


def test_data_frames_rank_by_any_metric(con: Any) -> None:
    (path,) = con.execute("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL").fetchone()
    results = lth_bench.results(path)
    frame = results.leaderboard(metric="test_loss", target_density=0.2)
    assert dict(zip(frame["label"], frame["rank"], strict=True)) == ranks(con, "test_loss", 0.2)
    named = results.leaderboard(metric="test_accuracy")
    pandas.testing.assert_frame_equal(named, results.leaderboard())
    with pytest.raises(UnknownName, match="unknown metric 'test_los'"):
        results.leaderboard(metric="test_los")


def test_the_pareto_front_uses_the_metric(con: Any) -> None:
    ((_, points),) = pareto_points(con, metric="test_loss").items()
    on_front = {(p.label, p.target_density) for p in points if p.on_front}
    whole = [p for p in points if (p.label, p.target_density) != ("snip", 0.5)]  # it lost a seed
    for point in points:
        loss, cost = round(point.mean, 12), round(point.x, 12)
        as_good = [q for q in whole if round(q.mean, 12) <= loss and round(q.x, 12) <= cost]
        beaten = any(round(q.mean, 12) < loss or round(q.x, 12) < cost for q in as_good)
        lost = (point.label, point.target_density) == ("snip", 0.5)
        assert ((point.label, point.target_density) in on_front) == (not lost and not beaten)


def test_matching_uses_the_metrics_direction(con: Any) -> None:
    rows = leaderboard(con, Question(by="matching", metric="test_loss", margin=0.5)).rows
    found = {r["label"]: r for r in rows}
    assert found["imp"]["even_density"] is None
    assert found["snip"]["shown_density"] == 0.2  # 0.12 against 0.11, within half of it
    # at 0.5 it lost a seed, which does not count there
    assert math.isclose(found["snip"]["margin"], 0.5 * 0.11)


def test_area_of_a_loss_by_hand(con: Any) -> None:
    rows = leaderboard(con, Question(by="area", metric="test_loss")).rows
    found = {r["label"]: r for r in rows}
    assert [found[x]["rank"] for x in ("one_shot", "imp", "snip")] == [1, 2, 3]
    # snip lost seed 2, and a loss has no worst value: its area is of the other two, and it is last
    assert (found["snip"]["n"], found["snip"]["lost"], found["snip"]["pending"]) == (2, 1, 0)
    assert found["snip"]["verdict"] == "failed"


def test_cost_of_reaching_a_loss_by_hand(con: Any) -> None:
    question = Question(by="cost", metric="test_loss", reach=0.15)
    found = {r["label"]: r for r in leaderboard(con, question).rows}
    assert [found[x]["n"] for x in ("dense", "imp", "one_shot", "snip")] == [3, 0, 3, 3]
    assert "≤ 0.15" in leaderboard(con, question).tables[0].title


@pytest.mark.parametrize(
    ("by", "across"),
    # `budget` is of an ablation that these results lack
    [
        *((by, False) for by in KINDS if by not in {*WITHIN, "budget"}),
        *((by, True) for by in ACROSS),
    ],
)
def test_every_board_has_rows_for_every_metric(
    chosen: Callable[..., Any], by: str, across: bool
) -> None:
    cells = {(m, *key): values for m in ("m0", "m1") for key, values in CELLS.items()}
    losses = {(m, *key): values for m in ("m0", "m1") for key, values in LOSSES.items()}
    elsewhere = {"snip": ("mlp", "mnist", "short")} if by == "transfer" else {}
    con = chosen(cells, test_examples=100, metrics={"test_loss": losses}, sources=elsewhere)
    metrics = [ACCURACY.name] if by == "speed" else [ACCURACY.name, "test_loss", "early_stop_step"]
    for metric in metrics:
        question = Question(by=by, across=across, metric=metric)
        board = leaderboard(con, question)
        assert board.tables and board.legend
        if by != "speed" and metric != ACCURACY.name:
            assert metric in board.legend or metric.replace("_", " ") in board.legend


def test_across_tasks_a_lower_loss_wins(chosen: Callable[..., Any]) -> None:
    models = [f"m{i}" for i in range(8)]
    cells = {(m, *key): values for m in models for key, values in CELLS.items()}
    losses = {(m, *key): values for m in models for key, values in LOSSES.items()}
    con = chosen(cells, metrics={"test_loss": losses})
    rows = leaderboard(con, Question(across=True, metric="test_loss")).rows
    found = {r["label"]: r for r in rows if r["target_density"] < 0.3}
    assert [found[x]["mean_rank"] for x in ("snip", "one_shot", "imp")] == [1, 2, 3]
    assert found["imp"]["verdict"] == "worse"
    assert math.isclose(found["imp"]["difference"], 0.21)
    # at 0.5 it lost a seed of every task, and so every task
    (lost,) = [r for r in rows if r["label"] == "snip" and r["target_density"] > 0.3]
    assert (lost["mean_rank"], lost["verdict"], lost["difference"]) == (3, "worse", None)


def test_an_unknown_metric_is_one_error_with_the_known_names(con: Any) -> None:
    with pytest.raises(UnknownName, match=r"unknown metric 'test_los'.*test_loss"):
        leaderboard(con, Question(metric="test_los"))
    with pytest.raises(UnknownName, match="unknown metric"):
        density_series(con, "accurracy")
    with pytest.raises(UserError, match="--metric test_loss has no meaning with --by speed"):
        Question(by="speed", metric="test_loss")


def test_only_fractions_have_a_range_to_reach(con: Any) -> None:
    with pytest.raises(UserError, match=r"--reach must be an accuracy in \(0, 1\]"):
        Question(by="cost", metric="val_accuracy", reach=97)
    assert Question(by="cost", metric="early_stop_step", reach=100).reach == 100


def test_known_metrics_are_the_numeric_columns(con: Any) -> None:
    numeric = con.execute(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = 'flat' "
        "AND data_type IN ('DOUBLE', 'BIGINT') AND column_name NOT IN ('seed', 'round')"
    ).fetchall()
    assert sorted(COLUMNS) == sorted(name for (name,) in numeric)


@pytest.mark.parametrize("cost", ["steps", "examples", "seconds", "flops_dense"])
def test_totals_are_of_training_and_search(con: Any, cost: str) -> None:
    sql = f"SELECT label, {cost}, search_{cost} FROM tickets_flat WHERE status = 'ok'"
    rows = con.execute(sql).fetchall()
    assert any(own and search for _, own, search in rows)
    expected: dict[str, set[float]] = {}
    for label, own, search in rows:
        expected.setdefault(label, set()).add(round(own + search, 6))
    found: dict[str, set[float]] = {}
    for sample in samples(con, metric=f"total_{cost}"):
        found.setdefault(sample.label, set()).update(round(v, 6) for v in sample.values.values())
    assert found == expected


@given(
    st.one_of(
        st.sampled_from([*COLUMNS, *DERIVED]),
        st.sampled_from([rule.pattern.strip("*") for rule in RULES]),
        st.text(st.characters(codec="ascii", categories=["L", "N", "Pc"]), max_size=12),
    )
)
def test_unit_and_direction_agree_in_sql_and_python(con: Any, name: str) -> None:
    unit, higher, worst = con.execute(
        "SELECT metric_unit(m), higher_is_better(m), worst_value(m) FROM (SELECT ? AS m)", [name]
    ).fetchone()
    found = measure(name)
    assert (unit, higher, worst) == (found.unit, found.higher, found.worst)
    assert found.known == (rule_of(name) is not None)


def test_the_split_of_a_metric() -> None:
    assert [split_of(x) for x in ("test_loss", "early_stop_accuracy", "val_accuracy")] == [
        "test", "test", "val",
    ]  # fmt: skip
    assert (split_of("train_accuracy"), split_of("steps"), split_of("testing")) == ("train", "", "")
