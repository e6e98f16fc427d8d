"""The doctor: what is wrong, and what to do."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from lth_bench.cli.app import app
from lth_bench.maintenance import Diagnosis, machine
from lth_bench.maintenance.doctor import check_cache, check_data, check_plugins, examine
from lth_bench.maintenance.results import check_results
from lth_bench.store import Journal, Paths, fold

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


def found(findings: Any, what: str) -> Diagnosis:
    (one,) = [f for f in findings if f.what == what]
    return one


@pytest.fixture
def results(tmp_path: Path) -> Paths:
    paths: Paths = RECORDS["write"](
        tmp_path / "results.duckdb", RECORDS["Scenario"](strategies=("dense",))
    )
    fold(paths)
    return paths


def test_intact_results_have_no_problems(results: Paths) -> None:
    findings = list(examine(results))
    assert [f for f in findings if f.level == "problem"] == []
    for what in ("Python", "libraries", "torch", "CPU", "torchvision", "memory", "results folder",
                 "journal", "database", "data root", "plugins", "cache"):  # fmt: skip
        assert found(findings, what).found
    assert (
        "5 records" in found(findings, "journal").found
        or "records" in found(findings, "journal").found
    )
    assert all(f.do for f in findings if f.level != "ok")


def test_json_and_exit_codes(results: Paths) -> None:
    done = CliRunner().invoke(
        app, ["doctor", "--results", str(results.results), "--json"], standalone_mode=False
    )
    document = json.loads(done.output)
    assert document["exit_code"] == done.return_value == 0
    assert {"level", "what", "found", "do"} == set(document["findings"][0])
    results.results.write_bytes(b"not a database at all" * 100)
    done = CliRunner().invoke(
        app, ["doctor", "--results", str(results.results)], standalone_mode=False
    )
    assert done.return_value == 1
    assert "PROBLEM database" in done.output
    assert "lth-bench db rebuild" in done.output


def torn(paths: Paths) -> None:
    with paths.journal.open("ab") as file:
        file.write(b'{"record"')


def broken(paths: Paths) -> None:
    paths.journal.write_bytes(b"nonsense\n" + paths.journal.read_bytes())


def another(paths: Paths) -> None:
    paths.results.unlink()
    with duckdb.connect(str(paths.results)) as con:
        con.execute("CREATE TABLE mine (x INTEGER)")


def newer(paths: Paths) -> None:
    with duckdb.connect(str(paths.results)) as con:
        con.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")


@pytest.mark.parametrize(
    ("change", "what", "level", "said"),
    [
        (torn, "journal", "warning", "its last line is incomplete (9 bytes)"),
        (broken, "journal", "problem", "line 1 is not a record"),
        (lambda p: p.journal.unlink(), "journal", "warning", "is missing"),
        (lambda p: p.results.unlink(), "database", "ok", "not created yet"),
        (another, "database", "problem", "not one of lth-bench's results"),
        (newer, "database", "problem", "newer lth-bench"),
    ],
)
def test_damaged_results(
    results: Paths, change: Callable[[Paths], None], what: str, level: str, said: str
) -> None:
    change(results)
    one = found(check_results(results), what)
    assert one.level == level
    assert said in one.found


def test_processes_that_use_the_results_are_named(results: Paths) -> None:
    with Journal(results), duckdb.connect(str(results.results)):
        run = found(check_results(results), "run")
        assert "in progress: process" in run.found
        assert "python" in run.found  # what it runs
        database = found(check_results(results), "database")
        assert (database.level, database.found) == ("warning", "open in this process")


def test_a_plugin_that_is_broken(install: Callable[..., Path]) -> None:
    install("lth-bench-bad", {"strategies": {"bad": "bad_x:Bad"}}, bad_x="raise OSError('no luck')")
    one = found(check_plugins((), True), "plugin bad")
    assert one.level == "problem"
    assert "OSError: no luck" in one.found
    assert found(check_plugins((), False), "plugins").level == "ok"


def test_missing_data_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_BENCH_DATA", str(tmp_path))
    assert (
        "the first run that needs it downloads it" in found(check_data(False), "data mnist").found
    )
    assert "found, for" in found(check_data(False), "data digits").found
    (images,) = [f for f in check_data(False) if f.what.startswith("data image_folder:imagenet")]
    assert (images.level, images.found) == ("warning", "missing, for imagenet_resnet50")
    assert str(tmp_path / "imagenet") in (images.do or "")
    monkeypatch.setenv("LTH_BENCH_OFFLINE", "1")
    one = found(check_data(False), "data mnist")
    assert one.level == "warning"
    assert "missing, for mnist_lenet" in one.found
    (tmp_path / "file").touch()
    monkeypatch.setenv("LTH_BENCH_DATA", str(tmp_path / "file"))
    assert found(check_data(False), "data root").level == "problem"


def test_cache_empty_damaged_and_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_BENCH_CACHE", str(tmp_path))
    assert "none measured" in found(check_cache(), "cohort sizes").found
    (tmp_path / "widths.json").write_text('{"a": {"width": 8}}')
    assert found(check_cache(), "cohort sizes").found.startswith("1 measured")
    (tmp_path / "widths.json").write_text("{")
    assert found(check_cache(), "cohort sizes").level == "warning"
    tmp_path.chmod(0o500)
    assert found(check_cache(), "cache").level == "warning"
    tmp_path.chmod(0o700)


def test_low_disk_space_and_a_file_in_place_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (one,) = machine.check_folder("results folder", tmp_path / "file", "--results")
    assert one.level == "problem"
    monkeypatch.setattr(machine, "LOW_SPACE", 1e30)
    (one,) = machine.check_folder("results folder", tmp_path / "not" / "yet", "--results")
    assert one.level == "warning"
    assert "--results" in one.do


@pytest.mark.parametrize(
    ("installed", "wanted", "fits"),
    [
        ("2.15.0+cu130", ">=2.11", True), ("2.9", ">=2.11", False), ("1.7.0", ">=1.7", True),
        ("5.0.0rc1", ">=5", True), ("3", "<3", False), ("3.10", ">=3.11", False), ("1", "", True),
    ],
)  # fmt: skip
def test_version_ranges(installed: str, wanted: str, fits: bool) -> None:
    assert machine.satisfies(installed, wanted) is fits


def test_libraries_out_of_range_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        machine, "requires", lambda name: ["numpy>=999", "nowhere-to-be-found", "ray; extra=='x'"]
    )
    one = found(machine.check_versions(), "libraries")
    assert one.level == "problem"
    assert "does not satisfy >=999; nowhere-to-be-found is missing" in one.found
    assert "ray" not in one.found
