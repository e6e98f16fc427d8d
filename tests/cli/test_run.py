"""`lth-bench run` as a user runs it: whole, resumed, interrupted, with bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import duckdb
import pytest

COMPARED = """
    SELECT label, control, seed, target_density, density, effective_density, test_accuracy,
           test_loss, val_accuracy, train_accuracy, early_stop_step, early_stop_accuracy, steps,
           flops_dense, flops_masked_theoretical, status
    FROM tickets_flat ORDER BY ALL
"""
"""Everything that a rerun must reproduce to the bit: no times, no hosts."""

BROKEN = """
from dataclasses import dataclass
import os
from lth_bench import hookimpl

@dataclass(frozen=True, eq=False)
class Raises:
    @hookimpl
    def select_mask(self, ticket):
        raise RuntimeError("no idea")

@dataclass(frozen=True, eq=False)
class Dies:
    @hookimpl
    def select_mask(self, ticket):
        os._exit(7)
"""


def rows(lth, sql=COMPARED):
    with duckdb.connect(str(lth.results), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_every_planned_experiment_has_a_row(finished):
    statuses = rows(finished, "SELECT label, control, count(*), any_value(status) FROM tickets_flat"
                              " GROUP BY ALL ORDER BY ALL")  # fmt: skip
    assert statuses == [
        ("dense", "none", 2, "ok"),
        ("imp", "none", 4, "ok"),
        ("imp", "reinit", 4, "ok"),
        ("imp", "shuffle", 4, "ok"),
        ("snip", "none", 4, "ok"),
    ]
    assert rows(finished, "SELECT DISTINCT density FROM tickets_flat WHERE target_density = 0.2")
    assert {r[0] for r in rows(finished, "SELECT status FROM experiments")} == {"ok"}


def test_the_dense_run_is_trained_once_per_seed(finished):
    found = rows(
        finished,
        """SELECT e.seed, count(DISTINCT t.key), count(*) FILTER (NOT t.reused)
           FROM ticket_trainings t JOIN tickets k USING (ticket_id)
           JOIN experiments e USING (experiment_id)
           WHERE t.key IN (SELECT key FROM ticket_trainings JOIN tickets USING (ticket_id)
                           JOIN experiments USING (experiment_id) WHERE label = 'dense')
           GROUP BY ALL ORDER BY ALL""",
    )
    assert found == [(0, 1, 1), (1, 1, 1)]


def test_a_rerun_trains_nothing_and_another_suite_reuses_the_dense_run(finished, here, tiny):
    shutil.copytree(finished.folder, here.folder, dirs_exist_ok=True)
    again = here("run", "tiny.toml")
    assert "nothing to do, 8 experiments done already" in again.stderr
    assert "trained" not in again.stderr
    assert "imp" in again.stdout  # the card
    other = tiny.replace('"tiny"', '"other"').replace("0.5, 0.2", "0.3")
    here("run", here.write("other.toml", other), "-s", "snip")
    trained = rows(
        here,
        """SELECT label, count(*) FILTER (NOT reused) FROM ticket_trainings
           JOIN tickets USING (ticket_id) JOIN experiments USING (experiment_id)
           WHERE suite = 'other' GROUP BY ALL""",
    )
    assert dict(trained) == {"dense": 0, "snip": 2}


def test_a_rerun_elsewhere_is_bit_identical(finished, here, tiny):
    """In another folder, and in one process instead of a coordinator and its workers."""
    here("run", here.write("tiny.toml", tiny))
    assert rows(here) == rows(finished)


def test_a_failed_experiment_has_a_row_and_the_others_continue(here, tiny):
    here.workers = True
    here.write("broken.py", BROKEN)
    suite = here.write(
        "bad.toml",
        'plugins = ["broken.py"]\n' + tiny.replace("[0, 1]", "[0]").replace("[0.5, 0.2]", "[0.5]")
        + '[[strategies]]\nuse = "raises"\n[[strategies]]\nuse = "dies"\n',
    )  # fmt: skip
    refused = here("run", suite, code=4)
    assert "--plugin broken.py" in refused.stderr
    assert not here.results.exists()
    done = here("run", suite, "--plugin", "broken.py", code=1)
    assert "raises.select_mask: raised RuntimeError: no idea (broken.py:" in done.stderr
    found = dict(rows(here, "SELECT label, status FROM tickets_flat WHERE control = 'none'"))
    assert found == {"dense": "ok", "imp": "ok", "snip": "ok", "raises": "failed", "dies": "failed"}
    reasons = dict(rows(here, "SELECT label, reason FROM failures"))
    line = 1 + BROKEN.splitlines().index('        raise RuntimeError("no idea")')
    assert reasons["raises"] == (
        f"raises.select_mask: raised RuntimeError: no idea (broken.py:{line})"
    )
    assert reasons["dies"] == "the worker process died 2 times; the last one ended with exit code 7"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM])  # Ctrl-C: test_stopping.py
def test_a_stopped_run_resumes_with_the_same_command(undisturbed, lth, here, longer, how):
    suite = lth.write("tiny.toml", longer)
    process = lth.start("run", suite)
    journal = lth.folder / "results.journal.jsonl"
    deadline = time.monotonic() + 240
    while not (journal.exists() and b'"record":"ticket"' in journal.read_bytes()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 2 and "Traceback" not in err
    assert err.count("Ctrl-C again to stop at once") == 1
    assert "finished experiments are kept: rerun the command to resume" in err
    here("run", suite)  # the same folder
    assert rows(lth) == rows(undisturbed)


def test_json_filters_and_set(here, tiny):
    suite = here.write("tiny.toml", tiny)
    done = here(
        "run", suite, "-s", "snip", "--seeds", "1", "--set", "recipes.short.steps=5", "--json"
    )
    document = json.loads(done.stdout)
    assert document["statuses"] == {"ok": 3}  # dense and two densities
    assert document["exit_code"] == 0
    assert rows(here, "SELECT DISTINCT steps FROM tickets_flat") == [(5,)]


def test_smoke_runs_the_whole_grid_for_a_few_steps(here, tiny):
    here("run", here.write("tiny.toml", tiny), "--smoke")
    labels = rows(here, "SELECT DISTINCT suite, label FROM tickets_flat ORDER BY ALL")
    assert labels == [("tiny-smoke", "dense"), ("tiny-smoke", "imp"), ("tiny-smoke", "snip")]


@pytest.mark.parametrize(
    ("change", "arguments", "code", "says"),
    [
        (("imp", "impp"), [], 4, "did you mean 'imp'"),
        (("prune_rate = 0.5", "prune_rate = 1.5"), [], 4, "1.5"),
        (("prune_rate", "prunerate"), [], 4, "did you mean 'prune_rate'"),
        (("[0.5, 0.2]", "[0.5, 1.2]"), [], 4, "(0, 1]"),
        (('"digits"', '"digit"'), [], 4, "did you mean 'digits'"),
        (('"mlp"', '"mpl"'), [], 4, "did you mean 'mlp'"),
        (("eval_every", "evalevery"), [], 4, "did you mean 'eval_every'"),
        (("val_size = 97", "val_size = 1290"), [], 4, "lower val_size"),
        (("", ""), ["--device", "cuda:9"], 4, "no device 'cuda:9'"),
        (("", ""), ["--workers", "0"], 4, "at least 1"),
        (("", ""), ["--executor", "slurm"], 4, "unknown executor 'slurm'; choose from: local, ray"),
        (
            ("", ""),
            ["--address", "10.0.0.1:6379"],
            4,
            "--address is a Ray cluster's: give --executor",
        ),
        (("", ""), ["--executor", "ray", "--address", "ray://a:1"], 4, "ray job submit"),
        (("", ""), ["-s", "nobody"], 5, "nobody"),
        (("", ""), ["--set", "recipes.short.lr=fast"], 4, "lr"),
        (("", ""), ["--nonsense"], 4, "No such option"),
        (("", ""), ["--timeout", "soon"], 4, "--timeout takes a duration above 0"),
        (
            ("", ""),
            ["--retry", "oom,ok"],
            4,
            "--retry: unknown status 'ok'; choose from: failed, oom,",
        ),
    ],
)
def test_bad_input_is_one_error_before_training(here, tiny, change, arguments, code, says):
    suite = here.write("tiny.toml", tiny.replace(*change))
    done = here("run", suite, *arguments, code=code)
    assert says in done.stderr
    assert done.stdout == ""
    assert len([x for x in done.stderr.splitlines() if x.startswith("error:")]) == 1
    assert not here.results.exists() and not (here.folder / "results.journal.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "arguments", "says"),
    [
        (("imp", "impp"), [], "did you mean 'imp'"),
        (("", ""), ["--nonsense"], "No such option: --nonsense"),
    ],
)
def test_bad_input_as_a_process(lth, tiny, change, arguments, says):
    done = lth("run", lth.write("tiny.toml", tiny.replace(*change)), *arguments, code=4)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and says in line
    assert done.stdout == ""


def test_missing_empty_and_unreadable_suites_are_one_error(here):
    assert "no suite" in here("run", "nothing.toml", code=4).stderr
    assert "error:" in here("run", here.write("empty.toml", ""), code=4).stderr
    (here.folder / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    assert "error:" in here("run", "bytes.toml", code=4).stderr


def test_a_full_disk_is_reported_and_loses_nothing(here, tiny):
    suite = here.write("tiny.toml", tiny)
    here.env["LTH_BENCH_RESULTS"] = "/dev/full/results.duckdb"
    assert "error:" in here("run", suite, code=4).stderr


def test_plan_counts_and_estimates(finished, here):
    suite = finished.folder / "tiny.toml"
    plan = json.loads(here("plan", suite, "--results", finished.results, "--json").stdout)
    assert plan["experiments"] == 8 and plan["done"] == 8
    assert plan["dense_runs"] == 2
    # one round to .5, one more (stretched, as rounds may be) to .2, and two controls at each
    imp = next(r for r in plan["rows"] if r["strategy"] == "imp")
    assert imp["trainings"] == 2 * (1 + 1 + 4)
    fresh = here("plan", suite)
    assert "about" in fresh.stdout and "of disk" in fresh.stdout


def test_a_disk_full_during_a_run_ends_it_with_one_error(finished, here, tiny):
    """The trainings' folder sits on a file system that fills up."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    suite = here.write("tiny.toml", tiny)
    artifacts = here.folder / "results.artifacts"
    artifacts.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", artifacts]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    here.workers = True
    try:
        done = here("run", suite, "--workers", "1", code=4)
        assert (
            "cannot store a training" in done.stderr
            and "rerun the command to resume" in done.stderr
        )
    finally:
        subprocess.run(["umount", artifacts], check=True)
    here.workers = False
    here("run", suite)
    assert rows(here) == rows(finished)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("def select_mask(self, ticket): ...", "lacks @hookimpl"),
        ("@hookimpl\n    def select_mask(self, tickett): ...", "tickett"),
        (
            (
                "@hookimpl\n    def select_mask(self, ticket): ...\n"
                "    @hookimpl\n    def rewind_pont(self, ticket): ..."
            ),
            "rewind_pont",
        ),
        (
            (
                "@hookimpl\n    def select_mask(self, ticket): ...\n"
                "    def rewind_point(self, ticket): ..."
            ),
            "rewind_point is a hook's name, but the method lacks @hookimpl",
        ),
    ],
)
def test_invalid_hooks_are_an_error_before_training(here, tiny, body, says):
    here.write(
        "wrong.py",
        "from dataclasses import dataclass\nfrom lth_bench import hookimpl\n"
        f"@dataclass(frozen=True, eq=False)\nclass Wrong:\n    {body}\n",
    )
    suite = here.write("s.toml", tiny + '[[strategies]]\nuse = "wrong"\n')
    done = here("run", suite, "--plugin", "wrong.py", code=4)
    assert says in done.stderr
    assert not (here.folder / "results.journal.jsonl").exists()


def test_a_file_that_is_not_a_database_is_refused(here, tiny):
    suite = here.write("tiny.toml", tiny)
    assert "is not a DuckDB database" in here("run", suite, "--results", suite, code=4).stderr
    assert suite.read_text() == tiny


def test_a_rewind_step_beyond_the_training_is_refused(here, tiny):
    more = '[[strategies]]\nuse = "late_rewind"\nparams = { rewind_step = 30 }\n'
    done = here("run", here.write("late.toml", tiny + more), code=4)
    assert "rewind_step must be before the end of training, below" in done.stderr
