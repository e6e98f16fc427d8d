"""Runs whose trainings are stacked: the same rows again elsewhere, after a kill, after deaths."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import duckdb
import pytest

import lth_bench
from lth_bench.errors import UserError
from lth_bench.running.executors import local
from lth_bench.store.journal import finished
from lth_bench.store.paths import Paths

from .conftest import SideBySide

SUITE = """
schema_version = 1
[suite]
name = "tiny"
version = 1
densities = [0.5, 0.2]
seeds = [0]
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
[recipes.short]
optimizer = "adam"
lr = 2e-3
batch_size = 50
steps = 200
val_size = 97
eval_every = 50
[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }
controls = ["reinit", "shuffle"]
[[strategies]]
use = "early_bird"
params = { threshold = 1.0, window = 2, interval = 0.2 }
[[strategies]]
use = "rigl"
params = { update_every = 20 }
[[strategies]]
use = "snip"
params = { batch_size = 100 }
"""

REAPER = """
import os, signal
from dataclasses import dataclass
from lth_bench import Mask, hookimpl

@dataclass(frozen=True, eq=False)
class Reaper:
    @hookimpl
    def select_mask(self, ticket):
        if ticket.target < 0.3:
            os.kill(os.getpid(), signal.SIGKILL)
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)
"""

EXACT = """
    SELECT label, control, round, t.target_density, t.density, t.test_accuracy, t.test_loss,
           t.val_accuracy, t.train_accuracy, t.early_stop_step, t.steps, t.search_steps,
           t.flops_masked_theoretical, list(m.value ORDER BY m.metric)
    FROM tickets t JOIN experiments USING (experiment_id) JOIN metrics m USING (ticket_id)
    WHERE label <> 'reaper' AND m.metric NOT LIKE '%seconds%'
    GROUP BY ALL ORDER BY ALL
"""
TRAINED = """
    SELECT DISTINCT key, start_step, end_step, n.steps, n.cohort_size, n.variant
    FROM trainings n JOIN ticket_trainings USING (key) JOIN tickets USING (ticket_id)
    JOIN experiments USING (experiment_id) WHERE label <> 'reaper' ORDER BY ALL
"""


def rows(results, sql):
    with duckdb.connect(str(results), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "tiny.toml").write_text(SUITE)
    results = folder / "results.duckdb"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "LocalExecutor", SideBySide)
        summary = lth_bench.run(folder / "tiny.toml", results, "cpu", workers=1, cohort_size=8)
    assert summary.exit_code == 0
    return results


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    """Killed in the middle and resumed, and with a strategy that kills its worker at a density."""
    folder = tmp_path_factory.mktemp("disturbed")
    (folder / "tiny.toml").write_text(SUITE)
    (folder / "reaper.py").write_text(REAPER)
    results, journal = folder / "results.duckdb", folder / "results.journal.jsonl"
    command = [sys.executable, "-m", "lth_bench", "run", "tiny.toml", "--results", str(results),
               "--device", "cpu", "--workers", "1", "--cohort-size", "8"]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 240
    while not (journal.exists() and b'"record":"ticket"' in journal.read_bytes()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()  # until its worker has noticed, whose stderr is the same
    killed = finished(Paths(results))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTH_BENCH_COHORT_SIZE", "8")
        summary = lth_bench.run(
            folder / "tiny.toml", results, "cpu", workers=1,
            plugins=[folder / "reaper.py"], add=["reaper"],
        )  # fmt: skip
    assert summary.exit_code == 1
    return results, killed


@pytest.mark.slow
def test_rows_are_bit_identical_after_kills_and_beside_a_crashing_experiment(
    undisturbed, disturbed
):
    results, killed = disturbed
    assert len(killed) < 8
    expected = rows(undisturbed, EXACT)
    assert {(r[0], r[1]) for r in expected} == {
        ("dense", "none"), ("imp", "none"), ("imp", "reinit"), ("imp", "shuffle"),
        ("early_bird", "none"), ("rigl", "none"), ("snip", "none"),
    }  # fmt: skip
    assert rows(results, EXACT) == expected
    assert rows(results, TRAINED) == rows(undisturbed, TRAINED)


@pytest.mark.slow
def test_only_the_crashing_experiment_fails(disturbed):
    results, _ = disturbed
    found = rows(results, "SELECT label, target_density, status, reason FROM tickets_flat")
    failed = [r for r in found if r[2] != "ok"]
    ((label, density, status, reason),) = failed
    assert (label, density, status) == ("reaper", 0.2, "failed")
    assert reason == (
        "the worker process died 2 times; the last one was killed by SIGKILL (out of memory?)"
    )
    assert ("reaper", 0.5, "ok", None) in found


def test_cohort_size_and_variant_are_recorded(undisturbed):
    found = rows(undisturbed, "SELECT DISTINCT cohort_size, variant FROM trainings")
    assert found == [(8, "stacked")]
    assert set(finished(Paths(undisturbed), 8).values()) == {"ok"}
    assert finished(Paths(undisturbed), 1) == {}


def test_trainings_run_once_and_their_steps_are_charged_once(undisturbed):
    paid = rows(
        undisturbed,
        """SELECT key, count(DISTINCT experiment_id) FROM ticket_trainings
           JOIN tickets USING (ticket_id) WHERE NOT reused GROUP BY key""",
    )
    assert {n for _, n in paid} == {1}
    ((asked, run, spent),) = rows(
        undisturbed,
        """SELECT steps_asked, steps_run, (SELECT sum(spent_steps) FROM tickets) FROM sharing""",
    )
    assert run == spent
    # the dense run is imp's and the dense experiment's; early_bird's two searches are one
    assert asked == run + 200


def test_results_at_another_cohort_size_are_reused(undisturbed, tmp_path):
    assert finished(Paths(undisturbed), None) != finished(Paths(undisturbed), 4)
    again = lth_bench.run(undisturbed.parent / "tiny.toml", undisturbed, "cpu", cohort_size=1)
    assert (again.reused, again.planned) == (8, 8)
    with pytest.raises(UserError, match="give cohort_size a number too"):
        lth_bench.run(
            undisturbed.parent / "tiny.toml",
            tmp_path / "no.duckdb",
            cohort_size="auto",
            exact_cohort_size=True,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_cannot_be_stacked_is_noted_once(here):
    suite = SUITE.replace("hidden = [16]", "hidden = [16], dropout = 0.1")
    suite = suite.replace("steps = 200", "steps = 20").replace("eval_every = 50", "eval_every = 10")
    ran = ["run", here.write("tiny.toml", suite), "-s", "snip", "--device", "cpu", "--cohort-size"]
    said = here(*ran, "8").stderr
    assert said.count("is trained 1 at a time, not 8: its network cannot be stacked") == 1
    assert "at a time" not in here(*ran, "1", "--rerun").stderr
