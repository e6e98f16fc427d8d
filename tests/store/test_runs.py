"""What a journal tells of its runs."""

from __future__ import annotations

import fcntl
import json
import os
import runpy
import socket
import threading
from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.store import journal
from lth_bench.store.journal import Journal
from lth_bench.store.paths import Paths
from lth_bench.store.runs import holder, recorded_runs

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))
Scenario = RECORDS["Scenario"]


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "results.duckdb")


def write(paths, scenario, keep=lambda record: True, **head):
    """The scenario's records, those that are kept, in a journal without a database."""
    with Journal(paths) as journal:
        for record in filter(keep, scenario.records()):
            journal.append({**record, **head} if record["record"] == "run" else record)


def head(record):
    """Whether a record is of a run's start."""
    return record["record"] in ("run", "planned")


def test_the_newest_run_comes_first_with_what_became_of_it(paths):
    failing = {("imp", 0): ("failed", "raised"), ("imp", 1): ("interrupted", "stopped")}
    write(paths, Scenario(seeds=(0, 1), outcomes=failing), at="2026-01-01T00:00:00.000+00:00")
    write(paths, Scenario(run_id="run-2", suite="other"), at="2026-01-02T00:00:00.000+00:00")
    other, first = recorded_runs(paths)
    assert (other.run_id, other.suite, other.state) == ("run-2", "other", "complete")
    assert (first.finished, first.failed, first.left, first.state) == (6, 1, 1, "stopped")
    assert (first.host, first.device) == ("lab", "cpu")
    assert first.command == "lth-bench run quickstart --seeds 3"
    assert first.seconds > 0


def test_of_runs_that_began_in_the_same_millisecond_the_last_is_the_newest(paths):
    for run_id in ("run-1", "run-2", "run-3"):
        write(paths, Scenario(run_id=run_id), at="2026-01-01T00:00:00.000+00:00")
    assert [run.run_id for run in recorded_runs(paths)] == ["run-3", "run-2", "run-1"]


def test_what_an_earlier_run_had_done_is_not_left(paths):
    write(paths, Scenario(seeds=(0,)))
    write(paths, Scenario(seeds=(0, 1), run_id="run-2"), head)
    second, _ = recorded_runs(paths)
    assert (len(second.planned), len(second.kept), second.left) == (8, 4, 4)


def test_where_a_run_says_what_it_had_to_do_that_counts(paths):
    """As with `--rerun`, which does again what had ended."""
    write(paths, Scenario(seeds=(0,)))
    again = Scenario(seeds=(0,), run_id="run-2")
    ids = {e["experiment_id"]: 10 for e in again.experiments()}
    write(paths, again, head)
    with Journal(paths) as journal:
        journal.append({"record": "started", "run_id": "run-2", "work": {"steps": ids}})
    second, _ = recorded_runs(paths)
    assert (len(second.kept), second.left) == (0, 4)


def test_a_run_is_running_while_its_process_holds_the_journal(paths):
    me = {"pid": os.getpid(), "environment": {"host": socket.gethostname()}}
    write(paths, Scenario(), **me)
    assert not recorded_runs(paths)[0].running
    with Journal(paths):
        assert holder(paths) == {"pid": os.getpid(), "host": socket.gethostname()}
        assert recorded_runs(paths)[0].state == "running"
    assert holder(paths) is None
    assert recorded_runs(paths)[0].state == "complete"


def test_a_merge_that_holds_the_journal_is_no_run(paths):
    write(paths, Scenario(), pid=os.getpid() + 1, environment={"host": socket.gethostname()})
    with Journal(paths):
        assert recorded_runs(paths)[0].state == "complete"


def test_the_lock_of_a_process_that_is_gone_is_not_held(paths):
    with Journal(paths):
        gone = {"pid": 2**22 + 1, "host": socket.gethostname()}
        paths.lock.write_text(json.dumps(gone))
        assert holder(paths) is None


def test_a_run_that_begins_while_another_process_looks_is_not_refused(paths, monkeypatch):
    monkeypatch.setattr(journal, "LOOK", 100.0)
    write(paths, Scenario())
    looks = os.open(paths.lock, os.O_RDONLY)
    fcntl.flock(looks, fcntl.LOCK_SH)
    ends = threading.Timer(0.1, os.close, [looks])
    ends.start()
    with Journal(paths):
        assert holder(paths) is not None
    ends.join()


def test_a_snapshot_tells_no_runs_apart(paths):
    paths.results.touch()
    with pytest.raises(UserError, match="without its journal"):
        recorded_runs(paths)
