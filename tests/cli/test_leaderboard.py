from __future__ import annotations

import csv
import io
import json
import runpy
from pathlib import Path

import pytest

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
    assert len(json.loads(out)["leaderboard"]) == number


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown", "latex"])
def test_every_format_is_all_there_is_on_stdout(run, format: str) -> None:
    code, out, err = run("--format", format, "--suite", "other")
    assert (code, err) == (0, "")
    assert "imp" in out
    assert out.endswith("\n")
    if format == "csv":
        assert len(list(csv.DictReader(io.StringIO(out)))) == 7


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--suite", "oter"], 4, "unknown suite 'oter'; did you mean 'other'?"),
        (["--format", "html"], 4, "unknown format 'html'"),
        (["--density", "0.3"], 5, "no row with task any and density 0.3"),
        (["--density", "much"], 4, "Invalid value for '--density'"),
        (["--results", "/nowhere/r.duckdb"], 4, "no results at /nowhere/r.duckdb"),
    ],
)
def test_mistakes_are_one_message(run, arguments: list[str], code: int, message: str) -> None:
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert message in err
