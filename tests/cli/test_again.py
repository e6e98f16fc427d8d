"""What a run does again and what it leaves, where it stops, and what it meets on the way.

The experiments run side by side in this process: no worker has to start.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import duckdb
import pytest

import lth_bench
from lth_bench.errors import UserError
from lth_bench.running import recorder, runner
from lth_bench.running.executors import local
from lth_bench.running.executors.pool import Pool
from lth_bench.running.executors.worker import Worker
from lth_bench.running.progress import ExperimentStarted
from lth_bench.store import fold
from lth_bench.store.journal import finished
from lth_bench.store.paths import DiskError, Paths

SUITE = """
schema_version = 1
plugins = ["moody.py"]
[suite]
name = "tiny"
version = 1
densities = [0.5]
seeds = [0]
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
[recipes.short]
optimizer = "adam"
lr = 2e-3
batch_size = 50
steps = 20
val_size = 97
eval_every = 10
[[strategies]]
use = "imp"
[[strategies]]
use = "moody"
label = "first"
params = { who = "first" }
[[strategies]]
use = "moody"
label = "second"
params = { who = "second" }
[[strategies]]
use = "snip"
params = { batch_size = 100 }
"""

MOODY = """
import os
import resource
import time
from dataclasses import dataclass
import torch
from lth_bench import Layers, Mask, hookimpl

@dataclass(frozen=True, eq=False)
class Moody:
    who: str = "nobody"
    "Whose mood counts."

    @hookimpl
    def select_mask(self, ticket):
        if self.mood == "raises":
            raise RuntimeError("no idea")
        if self.mood == "needs too much":
            torch.empty(2**50)
        if self.mood == "is too wide":
            raise torch.OutOfMemoryError("the device is full")
        if self.mood == "is starved":  # for good: the neighbours have little left, too
            pages = int(open("/proc/self/statm").read().split()[0])
            used, (_, hard) = pages * resource.getpagesize(), resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, hard))
            torch.ones(2**28)
        if self.mood == "is dead":
            hidden, output = (abs(w) for w in ticket.initial.weights.values())
            weights = dict(zip(ticket.initial.weights, (hidden, 0 * output), strict=True))
            return Mask.top_k(Layers(weights), ticket.target_count)
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)

    @hookimpl
    def train(self, ticket):
        if self.mood == "diverges":
            return ticket.fit(penalty=lambda values: next(iter(values.values())).sum() * torch.nan)
        if self.mood == "is slow":
            return ticket.fit(on_step=lambda view: time.sleep(10))
        if self.mood == "lingers":
            return ticket.fit(on_step=lambda view: view.step == 7 and time.sleep(1000) or None)
        if self.mood == "thinks":
            time.sleep(160)
        return ticket.fit()

    @property
    def mood(self):
        return os.environ.get("MOOD_" + self.who, "is fine")
"""

ROWS = """
    SELECT label, density, test_accuracy, test_loss, val_accuracy, early_stop_step, steps, status
    FROM tickets_flat ORDER BY ALL
"""


class InThisProcess:
    """An executor that runs everything side by side, at once."""

    ran: list[str] = []

    def __init__(self, config, devices):
        self.worker = Worker(config, pool=Pool(limit=config.execution.timeout))
        InThisProcess.ran = []

    def run(self, planned, handle):
        sent = []  # as through a pipe: what the coordinator raises is not the experiment's

        def receive():
            while sent:
                handle(sent.pop(0))

        for item in sorted(planned, key=lambda p: len(p.fits) > 0):  # the dense one first
            InThisProcess.ran.append(item.experiment.label)
            handle(ExperimentStarted(item.experiment))
            self.worker.begin([item.experiment], sent.append)
            receive()
        while len(self.worker.pool):
            self.worker.serve()
            receive()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`run(mood of first, mood of second, **options)`: a summary, with who `ran`."""
    return make_run(tmp_path, monkeypatch)


def make_run(folder, monkeypatch):
    monkeypatch.setattr(local, "LocalExecutor", InThisProcess)
    (folder / "tiny.toml").write_text(SUITE)
    (folder / "moody.py").write_text(MOODY)

    def go(first="is fine", second="is fine", results=folder / "r" / "results.duckdb", **options):
        monkeypatch.setenv("MOOD_first", first)
        monkeypatch.setenv("MOOD_second", second)
        InThisProcess.ran = []
        options = {"cohort_size": 8, "workers": 1, **options}
        plugins = [folder / "moody.py"]
        made = lth_bench.run(folder / "tiny.toml", results, "cpu", plugins=plugins, **options)
        made.ran, made.paths = set(InThisProcess.ran), Paths(results)
        return made

    return go


def rows(paths, sql=ROWS):
    with duckdb.connect(str(paths.results), read_only=True) as con:
        return con.execute(sql).fetchall()


def status_of(paths):
    return dict(rows(paths, "SELECT label, status FROM tickets_flat"))


def reason_of(paths, label):
    return rows(paths, f"SELECT DISTINCT reason FROM failures WHERE label = '{label}'")[0][0]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The rows of a run in which all went well."""
    with pytest.MonkeyPatch.context() as patch:
        return rows(make_run(tmp_path_factory.mktemp("undisturbed"), patch)().paths)


def without(found, *labels):
    return [row for row in found if row[0] not in labels]


REAL, REAL_EXECUTOR = Pool.serve, local.LocalExecutor
EVERYBODY = {"dense", "imp", "first", "second", "snip"}


def test_failed_experiments_are_rerun_only_with_retry(run, undisturbed):
    first = run("raises", "needs too much")
    assert first.exit_code == 1 and first.ran == EVERYBODY
    assert status_of(first.paths) | {"first": "failed", "second": "oom"} == status_of(first.paths)
    assert reason_of(first.paths, "second").startswith("out of memory: ")
    assert without(rows(first.paths), "first", "second") == without(undisturbed, "first", "second")
    again = run()
    assert again.ran == set() and again.exit_code == 1
    assert again.statuses == first.statuses
    assert again.notes == ["1 failed, 1 oom in an earlier run; --retry failed,oom reruns them"]
    assert run("raises", retry="oom,timeout").ran == {"second"}
    assert status_of(first.paths)["second"] == "ok"
    mended = run(retry=["all"])
    assert mended.ran == {"first"} and mended.exit_code == 0 and mended.notes == []
    assert rows(first.paths) == undisturbed


def test_oom_and_divergence_end_only_their_experiment(run, undisturbed):
    made = run("is too wide", "diverges")
    found = status_of(made.paths)
    assert (found["first"], found["second"]) == ("oom", "diverged")
    assert without(rows(made.paths), "first", "second") == without(undisturbed, "first", "second")
    assert run(retry="diverged").ran == {"second"}


@pytest.mark.slow
def test_a_timeout_ends_only_slow_experiments(run, undisturbed, naps):
    made = run("is slow", "thinks", timeout="150")
    found = status_of(made.paths)
    assert (found["first"], found["second"]) == ("timeout", "timeout")
    assert reason_of(made.paths, "first") == "took longer than 150 s (--timeout)"
    assert without(rows(made.paths), "first", "second") == without(undisturbed, "first", "second")
    mended = run(timeout="10m", retry="timeout")
    assert mended.ran == {"first", "second"} and mended.exit_code == 0
    assert rows(made.paths) == undisturbed


@pytest.mark.slow
def test_oom_and_an_endless_callback_do_not_affect_other_experiments(run, monkeypatch, undisturbed):
    """With a real worker: the system refuses it memory, and nobody else can end what does not come
    back.
    """
    monkeypatch.setattr(local, "LocalExecutor", REAL_EXECUTOR)
    made = run("lingers", "is starved", timeout=6)
    assert made.statuses == {"ok": 3, "timeout": 1, "oom": 1}
    assert reason_of(made.paths, "first") == "took longer than 6 s (--timeout)"
    assert reason_of(made.paths, "second").startswith("out of memory: ")
    assert without(rows(made.paths), "first", "second") == without(undisturbed, "first", "second")


@pytest.mark.slow
def test_a_disconnected_network_is_a_valid_result(run, undisturbed):
    """No path leads from its inputs to its outputs, so it learns nothing but biases."""
    made = run("is dead")
    assert made.exit_code == 0 and set(status_of(made.paths).values()) == {"ok"}
    sql = "SELECT density, effective_density, test_accuracy FROM tickets_flat WHERE label = 'first'"
    ((density, effective, accuracy),) = rows(made.paths, sql)
    assert density == pytest.approx(0.5, abs=1e-3) and effective == 0 and 0 < accuracy < 0.25
    assert without(rows(made.paths), "first") == without(undisturbed, "first")


def test_fail_fast_stops_the_run_and_the_next_resumes(run, undisturbed, capsys):
    made = run("raises", "raises", exit_first=True)
    assert made.exit_code == 1 and not made.interrupted
    assert made.stopped_at.startswith("first mlp(hidden=[16])/digits/short seed 0 at 0.5: failed: ")
    assert made.statuses == {"failed": 1, "interrupted": 2}
    assert "stopped at another experiment's failure" in reason_of(made.paths, "imp")
    made = run("raises", "raises", exit_first=True)
    assert made.stopped_at.startswith("second ")  # the old failure is none of this run
    made = run(retry="failed", exit_first=True)
    assert made.stopped_at is None and made.exit_code == 0
    assert rows(made.paths) == undisturbed


@pytest.mark.slow
def test_the_rerun_option_trains_everything_once_more(run, undisturbed):
    made = run()
    kept = {p: p.stat().st_mtime_ns for p in made.paths.artifacts.rglob("training.json")}
    time.sleep(0.02)
    again = run(rerun=True)
    assert again.ran == EVERYBODY and again.reused == 0 and again.statuses == {"ok": 5}
    assert rows(made.paths) == undisturbed
    assert set(made.paths.artifacts.rglob("training.json")) == kept.keys()
    assert all(p.stat().st_mtime_ns > before for p, before in kept.items())
    paid = """
        SELECT key FROM ticket_trainings JOIN tickets USING (ticket_id) GROUP BY key
        HAVING count(DISTINCT experiment_id) FILTER (NOT reused) <> 1
    """
    assert rows(made.paths, paid) == []


def test_a_run_with_a_locked_database(run, undisturbed, capfd, monkeypatch):
    paths = run(strategies=["snip"]).paths
    monkeypatch.setattr(recorder, "PATIENCE", 0.1)
    monkeypatch.setattr(recorder, "FOLD_EVERY", 0.0)
    hold = "import sys, duckdb; con = duckdb.connect(sys.argv[1]); print(); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, paths.results], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as notebook:
        notebook.stdout.readline()
        capfd.readouterr()
        made = run()
        assert made.exit_code == 0 and made.statuses == {"ok": 5}
        (note,) = made.notes
        for said in (note, capfd.readouterr().err):
            assert said.count(f"(PID {notebook.pid})") == 1
            assert "nothing is lost" in said
        notebook.kill()
    assert fold(paths).records > 0
    assert rows(paths) == undisturbed


def test_results_deleted_during_a_run_end_it(run, monkeypatch, tmp_path):
    """The folder with everything in it; nothing is made in its place."""
    folder = tmp_path / "r"

    def serve(pool, bench, level=False):
        shutil.rmtree(folder)
        monkeypatch.setattr(Pool, "serve", REAL)
        REAL(pool, bench)

    monkeypatch.setattr(Pool, "serve", serve)
    with pytest.raises(UserError, match=r"No such file.*rerun the command to resume"):
        run()
    assert not folder.exists()
    assert run().exit_code == 0


@pytest.mark.slow
def test_trainings_deleted_during_a_run_are_repeated_if_needed(run, monkeypatch, undisturbed):
    looked = []

    def serve(pool, bench, level=False):
        artifacts = bench.cache.root.parent
        if not looked and any(artifacts.rglob("training.json")):
            looked.append(shutil.rmtree(artifacts))
        REAL(pool, bench)

    monkeypatch.setattr(Pool, "serve", serve)
    made = run()
    assert looked and made.exit_code == 0
    assert rows(made.paths) == undisturbed


@pytest.mark.slow
def test_a_journal_replaced_during_a_run_ends_it(run, monkeypatch, undisturbed):
    paths = run(strategies=["snip"]).paths
    whole = paths.journal.read_bytes()

    def serve(pool, bench, level=False):
        paths.journal.unlink()
        paths.journal.write_bytes(whole)
        monkeypatch.setattr(Pool, "serve", REAL)
        REAL(pool, bench)

    monkeypatch.setattr(Pool, "serve", serve)
    with pytest.raises(DiskError, match="removed or replaced while in use"):
        run()
    assert paths.journal.read_bytes() == whole
    assert run().exit_code == 0
    assert rows(paths) == undisturbed


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB for the results; trainings lie elsewhere."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_run_stopped_by_a_full_disk_resumes(run, small_disk, tmp_path, undisturbed, monkeypatch):
    monkeypatch.setattr(runner, "require_space", lambda *_: None)
    results = small_disk / "results.duckdb"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (small_disk / "results.artifacts").symlink_to(elsewhere)
    (small_disk / "filler").write_bytes(b"x" * 40_000)
    with pytest.raises(UserError, match="Free some space"):
        run(results=results)
    journal = Paths(results).journal.read_bytes()
    assert all(json.loads(line) for line in journal.splitlines())
    assert journal.endswith(b"\n")
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    made = run(results=results)
    assert made.exit_code == 0
    assert rows(made.paths) == undisturbed
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(UserError, match="read-only"):
        run(results=results)


@pytest.mark.slow
def test_a_run_stopped_by_a_read_only_folder_resumes(
    run, small_disk, tmp_path, undisturbed, monkeypatch
):
    """The trainings' own. The journal's cannot: its file is open, and the system sees to it."""
    subprocess.run(["mount", "-o", "remount,size=50m", small_disk], check=True)
    results = tmp_path / "results.duckdb"
    results.with_suffix(".artifacts").symlink_to(small_disk)
    served = []

    def serve(pool, bench, level=False):
        served.append(1)
        if len(served) == 2:
            subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        REAL(pool, bench)

    monkeypatch.setattr(Pool, "serve", serve)
    with pytest.raises(UserError, match=r"(?i)read-only file system.*rerun the command to resume"):
        run(results=results)
    journal = Paths(results).journal.read_bytes()
    assert all(json.loads(line) for line in journal.splitlines()) and journal.endswith(b"\n")
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    made = run(results=results)
    assert made.exit_code == 0
    assert rows(made.paths) == undisturbed


def test_experiments_finished_by_another_run_meanwhile_are_reused(run, monkeypatch):
    """Between the look at what is done and the lock."""
    require_space = runner.require_space

    def meanwhile(paths, needed):
        monkeypatch.setattr(runner, "require_space", require_space)
        run(strategies=["imp"])

    monkeypatch.setattr(runner, "require_space", meanwhile)
    made = run()
    assert made.ran == EVERYBODY - {"dense", "imp"}
    assert made.reused == 2 and made.statuses == {"ok": 5}


def test_a_second_run_on_the_same_results_is_refused(run, monkeypatch):
    refusals = []

    def serve(pool, bench, level=False):
        monkeypatch.setattr(Pool, "serve", REAL)
        journal = bench.cache.root.parent.with_suffix(".journal.jsonl")
        before = journal.read_bytes()
        with pytest.raises(UserError) as caught:
            run(strategies=["imp"])  # another suite's would do as well
        refusals.append(caught.value.message)
        assert journal.read_bytes() == before
        REAL(pool, bench)

    monkeypatch.setattr(Pool, "serve", serve)
    made = run()
    assert made.exit_code == 0
    (refusal,) = refusals
    assert f"another run is writing to {made.paths.results} (process {os.getpid()} on" in refusal
    assert set(finished(made.paths).values()) == {"ok"} and len(finished(made.paths)) == 5
