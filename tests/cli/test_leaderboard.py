from __future__ import annotations

import csv
import io
import json
import runpy
from pathlib import Path

import pytest

from lth_bench.analysis.leaderboard import ACROSS, KINDS, WITHIN

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal that nothing has folded yet."""
    path: Path = tmp_path_factory.mktemp("leaderboard") / "results.duckdb"
    tasks = (("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper"))
    RECORDS["write"](
        path,
        RECORDS["Scenario"](tasks=tasks, controls=("reinit",)),
        RECORDS["Scenario"](suite="other", config="else", run_id="run-2"),
    )
    return path


@pytest.fixture
def run(capsys, monkeypatch, results):
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(results))
    return lambda *arguments: call(capsys, monkeypatch, "leaderboard", *arguments)


def test_every_suite_and_task_as_a_table(run) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    for words in ("quickstart ─", "other ─", "mlp · digits · mlp", "conv2 · cifar10 · paper",
                  "└ reinit", "±"):  # fmt: skip
        assert words in out


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ([], 13 * 2 + 7),
        (["--suite", "other"], 7),
        (["-m", "conv2"], 13),
        (["-d", "cifar10", "--control", "none"], 7),
        (["--task", "conv2/*/paper", "--density", ".2"], 7),
        (["--task", "mlp", "--task", "conv2", "--suite", "quickstart"], 26),
    ],
)
def test_filters(run, arguments: list[str], number: int) -> None:
    code, out, _ = run(*arguments, "--json")
    assert code == 0
    document = json.loads(out)
    assert len(document["leaderboard"]) == number
    for card in document.get("cards", []):
        assert card["finding"] and card["settled"] <= card["verdicts"]
        for task in card["tasks"]:
            assert {row["label"] for row in task["methods"]} <= {
                row["label"] for row in document["leaderboard"]
            }


def test_it_leads_with_a_card_for_each_suite(run) -> None:
    _, out, _ = run()
    cards, _, tables = out.partition("other ─")
    for words in ("quickstart · 2 tasks · 20% of the weights, the middle density · 3 seeds",
                  "other · MLP on digits · ", "imp is first", "verdicts settled."):  # fmt: skip
        assert words in cards
        assert words not in tables
    assert " settled." not in run("--by", "area")[1] + run("--across", "--suite", "quickstart")[1]


def test_the_legend_is_said_when_asked_for(run) -> None:
    asked, plain = run("--suite", "other", "--legend")[1], run("--suite", "other")[1]
    for words in ("weights remaining", "3=: tied with the best", "right is better"):
        assert words in " ".join(asked.split())
        assert words not in " ".join(plain.split())


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown", "latex"])
def test_every_format_is_the_only_output_on_stdout(run, format: str) -> None:
    code, out, err = run("--format", format, "--suite", "other")
    assert (code, err) == (0, "")
    assert "imp" in out
    assert out.endswith("\n")
    if format == "csv":
        assert len(list(csv.DictReader(io.StringIO(out)))) == 7


@pytest.mark.parametrize(
    ("by", "across"),
    [
        *((by, []) for by in KINDS if by not in (*WITHIN, "budget")),
        *((by, ["--across"]) for by in ACROSS),
    ],
)
def test_every_kind(run, by: str, across: list[str]) -> None:
    code, out, err = run("--by", by, *across, "--suite", "quickstart")
    assert (code, err) == (0, "")
    assert "quickstart ─" in out
    assert ("across 2 tasks by" in out) == bool(across)
    document = json.loads(run("--by", by, *across, "--suite", "quickstart", "--json")[1])
    assert {row["suite"] for row in document["leaderboard"]} == {"quickstart"}


def test_budgets_need_the_ablation(run) -> None:
    code, out, err = run("--by", "budget", "--suite", "quickstart")
    assert (code, out, err.count("\n")) == (5, "", 1)
    assert "no result here has the ablation equal_cost" in err and "studies/cost" in err


def test_a_grid_needs_a_transferred_ticket(run) -> None:
    code, out, err = run("--by", "transfer", "--suite", "quickstart")
    assert (code, out) == (5, "")
    assert "no ticket was transferred to another task" in err


def test_options_of_the_comparison(run) -> None:
    _, out, _ = run("--baseline", "imp", "--margin", ".02", "--control", "none", "--legend")
    assert "Δ imp" in out
    assert "margin of 2 points" in out
    assert "reinit" not in out
    assert "× imp/reinit" in run("--by", "speed", "--baseline", "imp/reinit", "-m", "mlp")[1]
    assert "to reach 90.00%" in run("--by", "cost", "--reach", ".9")[1]


def test_one_suite_without_the_baseline_is_no_error(run, results) -> None:
    code, out, _ = run("--baseline", "imp/reinit")
    assert code == 0
    assert "the suite other has no imp/reinit to compare with" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--suite", "oter"], 4, "unknown suite 'oter'; did you mean 'other'?"),
        (["--format", "html"], 4, "unknown format 'html'"),
        (["--density", "0.3"], 5, "no row with task any and density 0.3"),
        (["--by", "acuracy"], 4, "unknown kind of leaderboard 'acuracy'; did you mean 'accuracy'?"),
        (["--baseline", "ipm"], 4, "unknown baseline 'ipm'; did you mean 'imp'?"),
        (["--suite", "other", "--baseline", "imp/reinit"], 4, "unknown baseline 'imp/reinit'"),
        (["--reach", ".9"], 4, "--reach goes with --by cost, not with --by accuracy"),
        (["--by", "cost", "--reach", "97"], 4, "but got 97; did you mean 0.97?"),
        (["--margin", "-1"], 4, "--margin must lie in (0, 1), but got -1"),
        (["--across", "--suite", "other"], 5, "--across needs two tasks of one suite"),
        (["--density", "much"], 4, "Invalid value for '--density'"),
        (["--results", "/nowhere/r.duckdb"], 4, "no results at /nowhere/r.duckdb"),
    ],
)
def test_wrong_usage_is_one_error(run, arguments: list[str], code: int, message: str) -> None:
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert message in err
