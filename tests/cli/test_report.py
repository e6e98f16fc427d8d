from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal that nothing has folded yet."""
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "/* plotly */")
    path = tmp_path / "results.duckdb"
    RECORDS["write"](
        path,
        RECORDS["Scenario"](),
        RECORDS["Scenario"](suite="other", config="else", run_id="run-2"),
    )
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(path))
    return path


@pytest.fixture
def run(capsys, monkeypatch, results):
    return lambda *arguments: call(capsys, monkeypatch, "report", *arguments)


def test_the_report_is_written_beside_the_results(run, results: Path) -> None:
    code, out, err = run()
    page = results.with_name("report.html")
    assert (code, out, err) == (0, f"{page}\n", "")
    assert page.read_text().startswith("<!doctype html>")


def test_output_and_suite_options(run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, out, _ = run("--output", page, "--suite", "other", "--json")
    assert code == 0
    assert json.loads(out) == {"report": str(page), "figures": []}
    text = page.read_text()
    assert "lth-bench run other" in text
    assert "lth-bench run quickstart" not in text


def test_figures_are_written(run, tmp_path: Path, monkeypatch) -> None:
    asked = []

    def write_figures(evidence, subjects, folder, transfers):
        asked.append((folder, {one.place.suite for one in evidence}))
        return [folder / "a.svg"]

    monkeypatch.setattr("lth_bench.output.paper.write_figures", write_figures)
    folder = tmp_path / "figures"
    _, out, _ = run("--figures", folder, "--suite", "other")
    assert out.splitlines()[1:] == [str(folder)]
    assert asked == [(folder, {"other"})]
    _, out, _ = run("--figures", folder, "--json")
    assert json.loads(out)["figures"] == [str(folder / "a.svg")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite", "oter"], "unknown suite 'oter'; did you mean 'other'?"),
        (["--output", "{folder}"], "--output names a folder"),
        (["--output", "{folder}/none/page.html"], "there is no folder {folder}/none; make it"),
        (["--results", "/nowhere/r.duckdb"], "no results at /nowhere/r.duckdb"),
    ],
)
def test_wrong_usage_is_one_error(run, tmp_path: Path, arguments, message: str) -> None:
    code, out, err = run(*(a.format(folder=tmp_path) for a in arguments))
    assert (code, out) == (4, "")
    assert err.startswith("error: ")
    assert message.format(folder=tmp_path) in err
    assert not list(tmp_path.glob("*.html"))


def test_an_empty_database_gives_a_page_with_a_note(capsys, monkeypatch, tmp_path: Path) -> None:
    path = tmp_path / "results.duckdb"
    RECORDS["write"](path)
    code, out, err = call(capsys, monkeypatch, "report", "--results", path)
    assert (code, err) == (0, "")
    assert "No results yet" in Path(out.strip()).read_text()


def test_a_newer_database_is_refused(run, results: Path) -> None:
    import duckdb

    run()
    results.with_suffix(".journal.jsonl").unlink()
    with duckdb.connect(str(results)) as con:
        con.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    code, _, err = run()
    assert code == 4
    assert "was made by a newer lth-bench" in err


def test_another_metric_has_a_page_of_its_own(run, results: Path) -> None:
    code, out, err = run("--metric", "test_loss")
    page = results.with_name("report-test_loss.html")
    assert (code, out, err) == (0, f"{page}\n", "")
    assert "Lottery tickets, compared by test loss" in page.read_text()
    assert not results.with_name("report.html").exists()


def test_an_unknown_metric_is_an_error(run, results: Path) -> None:
    code, _, err = run("--metric", "test_los")
    assert code == 4
    assert "unknown metric 'test_los'; did you mean 'test_loss'" in err
    assert not list(results.parent.glob("*.html"))
