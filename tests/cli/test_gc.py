"""What `gc` finds, removes, and leaves alone."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from lth_bench.cli.app import app
from lth_bench.errors import UserError
from lth_bench.maintenance.gc import ArtifactReport, no_run, read_needs, remove, sort_artifacts
from lth_bench.store import Journal, Paths, fold, reading
from lth_bench.training.start import kept_start

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
OLD, NEW, UNNAMED, BUSY = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)


def make(folder: Path, name: str, size: int = 1000) -> Path:
    place = folder / name
    place.mkdir(parents=True)
    (place / "training.json").write_bytes(b"x" * size)
    return place


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., Paths]:
    """Two runs of IMP, the second with another source; each used one training."""

    def written(unfinished: bool = False) -> Paths:
        scenarios = []
        for run, source, key in (("run-1", "x", OLD), ("run-2", "y", NEW)):
            scenario = RECORDS["Scenario"](
                strategies=("imp",), seeds=(0,), run_id=run, source_hash=source
            )
            records = list(scenario.records())
            for record in records:
                for use in record.get("trainings", ()):
                    use["key"] = key
            scenarios.append(records)
        if unfinished:
            scenarios[1] = [r for r in scenarios[1] if r["record"] != "experiment"]
        paths = Paths(tmp_path / "results.duckdb")
        with Journal(paths) as journal:
            for record in (r for records in scenarios for r in records):
                journal.append(record)
        fold(paths)
        folder = paths.artifacts / "trainings"
        for key in (OLD, NEW, UNNAMED):
            make(folder, key)
        make(folder, f"{BUSY}.partial")
        make(folder, f".{BUSY}.{'0' * 32}")
        (folder / f"{OLD}.lock").touch()
        return paths

    return written


def look(paths: Paths, running: bool = False) -> ArtifactReport:
    with reading(paths.results) as con:
        return sort_artifacts(paths, read_needs(con), running)


def names(found: ArtifactReport) -> set[str]:
    return {w.artifact.path.name for w in found.removable}


def test_trainings_of_no_current_result_are_removable(results: Callable[..., Paths]) -> None:
    paths = results()
    found = look(paths)
    assert names(found) == {
        OLD, UNNAMED, f"{BUSY}.partial", f".{BUSY}.{'0' * 32}", f"{OLD}.lock",
    }  # fmt: skip
    assert (found.kept, found.kept_bytes, found.bytes) == (1, 1000, 4000)
    count, size = remove(found.removable)
    assert (count, size) == (5, 4000)
    assert [p.name for p in (paths.artifacts / "trainings").iterdir()] == [NEW]
    assert look(paths).removable == ()


def test_trainings_that_unfinished_experiments_may_resume_are_kept(
    results: Callable[..., Paths],
) -> None:
    found = look(results(unfinished=True))
    assert found.unfinished == 1
    assert names(found) == {OLD, f".{BUSY}.{'0' * 32}", f"{OLD}.lock"}


def test_during_a_run_only_replaced_trainings_are_removed(results: Callable[..., Paths]) -> None:
    paths = results()
    with Journal(paths), no_run(paths) as running:
        assert running
        assert names(look(paths, running)) == {OLD}
    with no_run(paths) as running:
        assert not running
        with pytest.raises(UserError, match="another run"):
            Journal(paths).open()


def test_artifacts_in_use_are_kept(results: Callable[..., Paths]) -> None:
    paths = results()
    found = look(paths)
    with FileLock(paths.artifacts / "trainings" / f"{OLD}.lock"):
        remove(found.removable)
        assert (paths.artifacts / "trainings" / OLD).is_dir()
    assert not (paths.artifacts / "trainings" / UNNAMED).exists()


def test_links_and_foreign_files_are_not_touched(
    results: Callable[..., Paths], tmp_path: Path
) -> None:
    paths = results()
    folder = paths.artifacts / "trainings"
    precious = make(tmp_path, "precious")
    (folder / ("e" * 40)).symlink_to(precious, target_is_directory=True)  # as a key
    (folder / f"{'e' * 40}.lock").symlink_to(precious / "training.json")
    (folder / UNNAMED / "link").symlink_to(precious, target_is_directory=True)  # within one
    (folder / "notes.txt").write_text("mine")
    make(folder, "A" * 40)
    found = look(paths)
    assert set(found.foreign) == {"e" * 40, f"{'e' * 40}.lock", "notes.txt", "A" * 40}
    remove(found.removable)
    assert (precious / "training.json").read_bytes() == b"x" * 1000
    assert (folder / "notes.txt").exists()
    assert not (folder / UNNAMED).exists()


REPLACED, USED, LOOSE = "1" * 64, "2" * 64, "3" * 64


@pytest.fixture
def starts(tmp_path: Path) -> Callable[..., Paths]:
    """Results of two runs, the second of which replaced the first's start; one more start, of no
    experiment, and one that a process was killed while copying.
    """

    def written() -> Paths:
        paths = Paths(tmp_path / "results.duckdb")
        with Journal(paths) as journal:
            for run, sha256 in (("run-1", REPLACED), ("run-2", USED)):
                scenario = RECORDS["Scenario"](
                    strategies=("imp",), seeds=(0,), run_id=run, source_hash=sha256
                )
                for record in scenario.records():
                    for experiment in record.get("experiments", ()):
                        experiment["start"] = {"source": "a.safetensors", "sha256": sha256}
                    journal.append(record)
        fold(paths)
        for sha256 in (REPLACED, USED, LOOSE):
            kept = kept_start(paths.artifacts, sha256)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(b"x" * 100)
        kept.with_name(f".{kept.name}.{'0' * 32}").write_bytes(b"x" * 10)
        return paths

    return written


def test_starts_are_kept_while_an_experiment_names_them(starts: Callable[..., Paths]) -> None:
    paths = starts()
    folder = paths.artifacts / "starts"
    (folder / "mine.safetensors").write_bytes(b"x")
    with reading(paths.results) as con:
        rows = con.execute("SELECT start ->> 'sha256', current FROM experiments").fetchall()
    assert set(rows) == {(REPLACED, False), (USED, True)}
    found = look(paths)
    loose = kept_start(paths.artifacts, LOOSE).name
    assert names(found) == {loose, f".{loose}.{'0' * 32}"}
    assert {w.reason for w in found.removable} == {
        "a start of no experiment", "incomplete, left by a process that was killed",
    }  # fmt: skip
    assert (found.kept, found.kept_bytes, found.foreign) == (2, 200, ("mine.safetensors",))
    assert remove(found.removable) == (2, 110)
    left = {kept_start(paths.artifacts, x).name for x in (REPLACED, USED)} | {"mine.safetensors"}
    assert {p.name for p in folder.iterdir()} == left
    assert remove(found.removable) == (0, 0)
    assert look(paths).removable == ()


def test_during_a_run_every_start_is_kept(starts: Callable[..., Paths]) -> None:
    """The run's own are copied before its experiments are recorded."""
    paths = starts()
    with Journal(paths), no_run(paths) as running:
        assert running
        assert names(look(paths, running)) == set()


@pytest.mark.parametrize("which", ["artifacts", "trainings", "starts"])
def test_folders_that_are_links_are_refused(
    results: Callable[..., Paths], tmp_path: Path, which: str
) -> None:
    paths = results()
    (paths.artifacts / "starts").mkdir()
    place = paths.artifacts if which == "artifacts" else paths.artifacts / which
    elsewhere = place.rename(tmp_path / "elsewhere")
    place.symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(UserError, match="is a link to"):
        look(paths)


def invoke(paths: Paths, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["gc", "--results", str(paths.results), "--json", *options])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def test_artifacts_are_listed_by_default_and_removed_with_the_option(
    results: Callable[..., Paths],
) -> None:
    paths = results()
    before = paths.journal.read_bytes()
    shown = invoke(paths)
    assert shown["removed"] is None
    assert len(shown["waste"]) == 5
    assert (paths.artifacts / "trainings" / OLD).is_dir()
    text = CliRunner().invoke(app, ["gc", "--results", str(paths.results)]).output
    assert "nothing was removed; run again with --remove to free" in text
    assert invoke(paths, "--remove")["removed"] == {"count": 5, "bytes": 4000}
    assert paths.journal.read_bytes() == before


def test_gc_creates_no_journal(results: Callable[..., Paths]) -> None:
    paths = results()
    paths.journal.unlink()
    paths.lock.unlink(missing_ok=True)
    invoke(paths, "--remove")
    assert not paths.journal.exists()
