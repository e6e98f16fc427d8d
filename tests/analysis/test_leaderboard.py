from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.leaderboard import ACROSS, KINDS, WITHIN, Question, leaderboard
from lth_bench.errors import UserError
from lth_bench.output.formats import FORMATS, render_board

Results = Callable[..., Any]


RANKING = [by for by in KINDS if by not in (*WITHIN, "budget")]  # which takes an ablation


@pytest.fixture
def con(results: Results) -> Any:
    return results(
        strategies=("dense", "imp", "late_rewind", "early_bird"), controls=("reinit",),
        tasks=(("conv_bn(gamma_init=0.5)", "digits", "conv"), ("mlp", "digits", "mlp")),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "acuracy"}, "unknown kind of leaderboard 'acuracy'; did you mean 'accuracy'"),
        (
            {"by": "x"},
            "accuracy, flops, matching, area, cost, budget, speed, transfer, ingredients",
        ),
        ({"margin": -0.1}, r"--margin must lie in \(0, 1\), but got -0.1; 0.005 is half a point"),
        ({"margin": 0.0}, "--margin must lie in"),
        ({"margin": float("nan")}, "--margin must lie in"),
        ({"reach": 0.9}, "--reach goes with --by cost, not with --by accuracy"),
        ({"by": "cost", "reach": 0.9, "margin": 0.1}, "--reach names the accuracy itself"),
        ({"across": True, "margin": 0.1}, "--margin has no meaning with --by accuracy --across"),
        ({"by": "transfer", "margin": 0.1}, "--margin has no meaning with --by transfer"),
        ({"by": "transfer", "baseline": "imp"}, "--baseline has no meaning with --by transfer"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Question(**options)


@pytest.mark.parametrize("metric", [None, "score", "test_accuracy"])
@pytest.mark.parametrize(
    ("reach", "message"),
    [
        (97.0, r"an accuracy in \(0, 1\], but got 97; did you mean 0.97\?$"),
        (0.0, r"in \(0, 1\], but got 0$"),
        (math.nan, "but got nan$"),
        (math.inf, "but got inf$"),
    ],
)
def test_a_value_that_the_tasks_metric_cannot_have_is_refused(
    con: Any, metric: str | None, reach: float, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        leaderboard(con, Question(by="cost", metric=metric, reach=reach))


@pytest.mark.parametrize("reach", [math.nan, math.inf, -math.inf])
def test_no_metric_reaches_what_is_no_number(reach: float) -> None:
    with pytest.raises(UserError, match="--reach must be a finite number, but got"):
        Question(by="cost", metric="test_loss", reach=reach)


def test_every_kind_in_every_format_is_complete(con: Any) -> None:
    for by in RANKING:
        for across in (False, True)[: 1 + (by in ACROSS)]:
            board = leaderboard(con, Question(by=by, across=across))
            document = json.loads(render_board(board, "json"))
            assert list(document) == ["leaderboard"]
            assert len(document["leaderboard"]) == len(board.rows) > 2
            columns = {tuple(row) for row in document["leaderboard"]}
            assert len(columns) == 1
            table = list(csv.DictReader(io.StringIO(render_board(board, "csv"))))
            assert [tuple(row) for row in table] == [tuple(row) for row in board.rows]
            for format in FORMATS:
                text = render_board(board, format)
                assert text.endswith("\n")
                assert "late" in text
            for head in board.tables[0].header:
                word = head.removesuffix(" %").split()[0]
                assert word in board.legend or word in ("strategy", "tasks"), (by, head)


@pytest.mark.parametrize("by", RANKING)
@pytest.mark.parametrize("width", [100, 160])
def test_tables_fit_the_terminal(con: Any, by: str, width: int) -> None:
    for across in (False, True)[: 1 + (by in ACROSS)]:
        text = render_board(leaderboard(con, Question(by=by, across=across)), "table", width)
        assert max(map(len, text.splitlines())) <= width


def test_a_narrow_terminal_has_no_intervals_of_differences(con: Any) -> None:
    text = render_board(leaderboard(con), "table", 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("±") == 2 * (1 + 2 * 6) + 1  # those of the accuracies, and the legend's
    assert render_board(leaderboard(con), "table", 120).count("±") == 2 * (1 + 2 * 6) * 2 - 2 + 1


def test_the_legend_mentions_across_only_with_several_tasks(con: Any) -> None:
    assert leaderboard(con).legend.endswith("--across: all tasks of a suite together.")
    one = leaderboard(con, Question(selection=Selection(tasks=["mlp"])))
    assert "--across" not in one.legend
    assert "--across" not in leaderboard(con, Question(across=True)).legend


def test_every_suite_has_a_heading(con: Any) -> None:
    text = render_board(leaderboard(con), "table")
    assert re.findall(r"^(\w+) ─+$", text, re.M) == ["quickstart"]


def test_the_margin_changes_the_verdicts(con: Any) -> None:
    for by in ("accuracy", "matching", "area", "speed"):
        rows = leaderboard(con, Question(by=by, margin=0.25)).rows
        assert {row["margin"] for row in rows} == {0.25}
    default = {by: leaderboard(con, Question(by=by)).rows[0]["margin"] for by in ("area", "speed")}
    assert default == {"area": 0.005, "speed": 0.1}
    (reach,) = {row["reach"] for row in leaderboard(con, Question(by="cost", reach=0.9)).rows}
    assert reach == 0.9
