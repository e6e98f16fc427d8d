from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from lth_bench.store import Paths, fold
from lth_bench.store.database import open_writable

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return RECORDS["write"](tmp_path / "mine.duckdb", RECORDS["Scenario"](seeds=(0, 1))).results


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "/* plotly */")
    return lambda *arguments: call(capsys, monkeypatch, "site", *arguments)


def test_a_site_is_written_and_then_written_again(run, tmp_path: Path, results: Path) -> None:
    folder = tmp_path / "site"
    code, out, err = run(folder, "--results", results)
    assert (code, out, err) == (0, f"{folder / 'index.html'}\n", "")
    assert "lab" not in (folder / "data/mine/csv/environments.csv").read_text()
    code, out, _ = run(folder, "--results", results, "--show-hosts", "--json")
    told = json.loads(out)
    assert (code, told["site"]) == (0, str(folder / "index.html"))
    assert told["pages"] == len(list(folder.rglob("*.html")))
    assert ",lab," in (folder / "data/mine/csv/environments.csv").read_text()


def test_a_method_in_a_file_is_described(run, tmp_path: Path) -> None:
    scenario = RECORDS["Scenario"](seeds=(0,), strategies=("dense", "mine"))
    results = RECORDS["write"](tmp_path / "r.duckdb", scenario).results
    file = tmp_path / "mine.py"
    file.write_text(
        "from dataclasses import dataclass\n\nfrom lth_bench import hookimpl\n\n\n"
        '@dataclass(frozen=True)\nclass Mine:\n    """Keeps what it is given."""\n\n'
        "    @hookimpl\n    def select_mask(self, ticket):\n        return ticket.mask\n"
    )
    page = tmp_path / "site" / "methods" / "mine.html"
    assert run(tmp_path / "site", "--results", results)[0] == 0
    assert "no description is known" in page.read_text()
    assert run(tmp_path / "site", "--results", results, "--plugin", file)[0] == 0
    text = page.read_text()
    assert "Keeps what it is given." in text and "no description is known" not in text
    assert str(tmp_path) not in text
    assert "no plugin file" in refused(run, tmp_path / "other", "--results", results,
                                       "--plugin", tmp_path / "none.py")  # fmt: skip
    assert not (tmp_path / "other").exists()


def refused(run, *arguments: object) -> str:
    code, out, err = run(*arguments)
    assert (code, out) == (4, "") and err.startswith("error: ") and err.count("\n") == 1
    return str(err)


def test_what_cannot_be_shown_is_refused(run, tmp_path: Path, results: Path) -> None:
    site = tmp_path / "site"
    assert "there are no results at" in refused(run, site, "--results", tmp_path / "no.duckdb")
    empty = Paths(tmp_path / "empty.duckdb")
    empty.journal.touch()
    assert "has no results yet" in refused(run, site, "--results", empty.results)
    assert "named twice" in refused(run, site, "--results", results, "--results", results)
    assert "is not a folder" in refused(run, site, "--results", results, "--query", tmp_path / "x")
    assert "lacks duckdb" in refused(run, site, "--results", results, "--query", tmp_path)
    assert "unknown suite 'quick'" in refused(run, site, "--results", results, "--suite", "quick")
    assert not site.exists()
    assert "files that are not a site's" in refused(run, tmp_path, "--results", results)


def test_a_newer_version_s_tables_are_refused(run, tmp_path: Path, results: Path) -> None:
    paths = Paths(results)
    fold(paths)
    with open_writable(paths) as con:
        con.execute("UPDATE meta SET value = '9999' WHERE key = 'schema_version'")
    assert "made by a newer lth-bench" in refused(run, tmp_path / "site", "--results", results)
    assert not (tmp_path / "site").exists()
