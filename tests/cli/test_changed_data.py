"""Data that changed under finished results: what is trained again, what stays, and who says so.

The experiments run in this process, on a few images in MNIST's format.
"""

from __future__ import annotations

import json
import struct

import duckdb
import numpy as np
import pytest
from typer.testing import CliRunner

import lth_bench
from lth_bench.cli.app import app
from lth_bench.data.mnist import MNIST
from lth_bench.errors import UserError
from lth_bench.running.executors import local
from lth_bench.store.paths import Paths
from lth_bench.training.engine.cohort import Cohort

from .conftest import SideBySide

SUITE = """
schema_version = 1
[suite]
name = "tiny"
version = 1
densities = [0.5, 0.2]
seeds = [0]
[[tasks]]
model = { name = "mlp", hidden = [4] }
dataset = { name = "mnist", checksum = false }
recipe = "short"
[recipes.short]
lr = 0.05
batch_size = 20
steps = 6
val_size = 20
[[strategies]]
use = "one_shot"
"""
ROWS = """
    SELECT label, target_density, test_accuracy, test_loss, val_accuracy, status
    FROM tickets_flat ORDER BY ALL
"""
AGAIN = "3 finished experiments are trained again: the data of mnist(checksum=false) has changed"


@pytest.fixture
def put(tmp_path):
    """`put(seed)`: other pixels in the data root, as many as before."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)

    def write(seed):
        draws = np.random.default_rng(seed)
        for part, n in (("train", 80), ("t10k", 40)):
            labels = np.arange(n, dtype=np.uint8) % 10
            images = draws.integers(0, 256, (n, 28, 28), dtype=np.uint8) // (
                labels[:, None, None] + 1
            )
            for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
                (raw / f"{part}-{kind}-ubyte").write_bytes(head + array.tobytes())

    write(1)
    return write


@pytest.fixture
def run(tmp_path, monkeypatch, put):
    """`run(results)`: a summary, with its `paths`, its `rows` and the `steps` that were trained."""
    monkeypatch.setattr(local, "LocalExecutor", SideBySide)
    monkeypatch.setenv("LTH_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    suite = tmp_path / "tiny.toml"
    suite.write_text(SUITE)
    steps, advance = [], Cohort._advance

    def counted(self, live):
        before = self.done
        advance(self, live)
        steps.append(self.done - before)

    monkeypatch.setattr(Cohort, "_advance", counted)

    def go(results="r.duckdb", **options):
        steps.clear()
        made = lth_bench.run(suite, tmp_path / results, "cpu", workers=1, **options)
        made.paths, made.steps = Paths(tmp_path / results), sum(steps)
        made.rows = query(made.paths, ROWS)
        return made

    return go


def query(paths, sql):
    with duckdb.connect(str(paths.results), read_only=True) as con:
        return con.execute(sql).fetchall()


def cli(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exception is None, done.output
    return " ".join(done.output.split())


def test_finished_experiments_are_trained_again_when_their_data_has_changed(run, put):
    first = run()
    assert first.statuses == {"ok": 3} and first.steps == 3 * 6 and first.notes == []
    paths = first.paths
    rests_on = "SELECT DISTINCT fingerprint, torch, engine, device FROM experiments"
    ((old, *numerics),) = query(paths, rests_on)
    assert len(old) == 40 and numerics[2] == "cpu" and None not in numerics
    again = run()
    assert again.reused == 3 and again.steps == 0 and again.notes == []
    assert "reused: it is finished" in cli("why", identity(paths), "--results", paths.results)

    put(2)
    plan = cli("plan", "tiny.toml", "--no-estimate", "--results", paths.results)
    assert "0 experiments are done already" in plan and AGAIN in plan
    said = cli("why", identity(paths), "--results", paths.results)
    assert "trained again: the data of mnist(checksum=false) has changed since" in said
    changed = run()
    assert changed.reused == 0 and changed.steps == 3 * 6 and changed.statuses == {"ok": 3}
    assert changed.notes == [f"{AGAIN} since"]
    assert changed.rows == run("fresh.duckdb").rows != first.rows
    ((new, *_),) = query(paths, rests_on)
    assert new != old
    said = cli("why", identity(paths), "--results", paths.results)
    assert f"had changed: its earlier results were for data {old[:12]}" in said
    assert "now reused: it is finished" in said
    assert run().steps == 0

    put(1)  # the same as at first: its trainings are still there
    back = run()
    assert back.reused == 0 and back.steps == 0 and back.rows == first.rows


def identity(paths):
    """Of the densest ticket's experiment."""
    return query(paths, "SELECT experiment_id FROM tickets_flat WHERE target_density = 0.5")[0][0]


def test_results_on_the_old_data_are_not_shown_once_a_new_run_starts(run, put, monkeypatch):
    """Whatever becomes of the run that replaces them, no view shows old beside new."""
    first = run()
    put(2)

    class Stopped(SideBySide):
        def run(self, planned, handle):
            super().run(list(planned)[:1], handle)
            raise KeyboardInterrupt

    monkeypatch.setattr(local, "LocalExecutor", Stopped)
    stopped = run()
    assert stopped.exit_code == 2
    given_up = [row for row in stopped.rows if row[-1] == "interrupted"]
    assert len(given_up) == 2 and all(row[2:5] == (None, None, None) for row in given_up)
    assert not set(stopped.rows) & set(first.rows)
    reasons = query(first.paths, "SELECT DISTINCT reason FROM failures")
    assert reasons == [("the data has changed since it was trained",)]
    monkeypatch.setattr(local, "LocalExecutor", SideBySide)
    resumed = run()
    assert resumed.reused == 1 and resumed.rows == run("fresh.duckdb").rows
    said = cli("why", identity(first.paths), "--results", first.paths.results)
    assert "its earlier results were for data " in said


def test_other_numerics_keep_results_with_one_note(run, monkeypatch):
    first = run()
    monkeypatch.setattr("torch.__version__", "9.1.0")
    monkeypatch.setattr("lth_bench.training.keys.ENGINE_REVISION", 99)
    again = run()
    assert again.reused == 3 and again.steps == 0 and again.rows == first.rows
    (note,) = again.notes
    assert note.startswith("3 finished experiments used different numerics (torch ")
    assert (
        "→ 9.1.0, engine " in note and "→ 99); they are kept, and --rerun runs them again" in note
    )
    assert note in cli("plan", "tiny.toml", "--no-estimate", "--results", first.paths.results)
    assert run(rerun=True).steps == 3 * 6
    assert run().notes == []


@pytest.mark.slow
def test_results_without_a_data_fingerprint_are_kept(run, put):
    paths = run().paths
    lines = [json.loads(line) for line in paths.journal.read_bytes().splitlines()]
    for record in lines:
        for name in ("fingerprint", "numerics"):
            record.pop(name, None)
    paths.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    put(2)
    again = run()
    assert again.reused == 3 and again.steps == 0 and again.notes == []


@pytest.mark.slow
def test_results_are_kept_if_their_data_has_become_unreadable(run, tmp_path, monkeypatch):
    """A dataset that needs no files to be planned, as published ones do."""
    first = run()
    monkeypatch.setattr(MNIST, "info", lambda self, root: self.published)
    monkeypatch.setattr(MNIST, "find", lambda self, root: None)
    monkeypatch.setattr(MNIST, "download", lambda *_: pytest.fail("nothing needs the data"))
    made = run()
    assert made.reused == 3 and made.rows == first.rows
    (note,) = made.notes
    assert note.startswith("whether the data of mnist(checksum=false) has changed is unknown: ")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("truncated", "is truncated: its header promises 80 × 28 × 28 bytes"),
        ("of another shape", r"has the wrong shape: it must hold \[N, 28, 28\]"),
        ("of another checksum", "wrong checksum of"),
    ],
)
def test_a_damaged_data_file_is_an_error_before_training(run, tmp_path, damage, says):
    file = tmp_path / "data" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    whole = file.read_bytes()
    if damage == "truncated":
        file.write_bytes(whole[:-100])
    elif damage == "of another shape":
        file.write_bytes(whole[:8] + struct.pack(">II", 14, 56) + whole[16:])
    else:
        suite = tmp_path / "tiny.toml"
        suite.write_text(suite.read_text().replace(", checksum = false", ""))
    with pytest.raises(UserError, match=says) as caught:
        run()
    assert str(file) in caught.value.message
    assert not (tmp_path / "r.journal.jsonl").exists() and not (tmp_path / "r.duckdb").exists()
