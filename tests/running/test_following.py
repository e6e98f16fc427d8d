"""A run that is followed: the events that its journal tells of."""

from __future__ import annotations

import itertools
import os
import runpy
import socket
from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.running.following import PAUSE, PLANNING, comparison, follow
from lth_bench.running.progress import (
    Begun,
    CaughtUp,
    Note,
    Recorded,
    Repeated,
    RunEnded,
    RunStarted,
    Straggling,
    StudyProgress,
    TrialEnded,
    TuningStarted,
    WorkersUsed,
)
from lth_bench.store.journal import Journal, encode
from lth_bench.store.paths import Paths

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


def few(sleep):
    """The same, but who waits for what never comes is told so."""
    times = itertools.count()

    def nap(seconds):
        assert next(times) < 100, "it waits, and nothing comes"
        sleep(seconds)

    return nap


class Written:
    """A run's journal that grows whenever its follower waits."""

    def __init__(self, paths, **scenario):
        self.paths, self.events = paths, []
        made = RECORDS["Scenario"](strategies=("dense", "imp"), seeds=(0, 1), **scenario)
        run, planned, *self.waiting = made.records()
        here = {**run["environment"], "host": socket.gethostname()}
        steps = {e["experiment_id"]: 10 for e in planned["experiments"]}
        work = {"trainings": 6, "steps": steps, "workers": 2, "seconds": 50.0}
        self.journal = Journal(paths).open()
        self.journal.append({**run, "pid": os.getpid(), "environment": here})
        self.journal.append(planned)
        self.journal.append({"record": "started", "run_id": made.run_id, "work": work})
        begun = {"record": "begun", "run_id": made.run_id}
        for name in steps:
            self.waiting.insert(0, {**begun, "experiment_id": name})

    def write(self, number):
        for record in self.waiting[:number]:
            self.journal.append(record)
        del self.waiting[:number]

    def follow(self, *, sleep, **options):
        return follow(self.paths, self.events.append, sleep=few(sleep), **options)

    def kinds(self):
        return [type(event) for event in self.events]


@pytest.fixture
def written(tmp_path):
    made = Written(Paths(tmp_path / "results.duckdb"))
    yield made
    made.journal.close()


def test_what_was_there_comes_first_and_then_what_is_written(written):
    written.write(5)  # two have begun twice, a ticket
    total = len(written.waiting)
    run = written.follow(sleep=lambda _: written.write(1))
    start, caught, *others, end = written.events
    assert isinstance(start, RunStarted) and isinstance(caught, CaughtUp)
    assert (start.suite, start.planned, start.workers, start.seconds) == ("quickstart", 4, 2, 50.0)
    assert "imp mlp/digits/mlp seed 1" in start.titles.values()
    assert [r["record"] for r in caught.records] == ["begun"] * 4 + ["ticket"]
    assert len([e for e in others if isinstance(e, Recorded)]) == total
    assert sum(e.ends for e in others if isinstance(e, Recorded)) == 4
    assert end == RunEnded()
    assert (run.finished, run.left) == (4, 0)


def test_what_runs_now_is_told(written):
    written.follow(sleep=lambda _: written.write(1))
    assert written.kinds().count(Begun) == 4


def test_it_ends_when_the_run_is_dead(written):
    written.write(6)

    def die(_):
        written.journal.close()

    run = written.follow(sleep=die)
    assert written.kinds()[-1] is RunEnded
    assert run.state == "stopped" and run.left > 0


def test_a_run_that_has_ended_is_told_of_at_once(written):
    written.write(len(written.waiting))
    written.journal.close()
    run = written.follow(sleep=lambda _: pytest.fail("it waits"))
    assert written.kinds() == [RunStarted, CaughtUp, RunEnded]
    assert run.state == "complete"


def test_an_incomplete_line_is_read_when_it_is_whole(written):
    halves = []

    def slowly(_):
        with written.paths.journal.open("ab") as file:
            if halves:
                file.write(halves.pop())
            elif written.waiting:
                line = encode(written.waiting.pop(0))
                file.write(line[:40])
                halves.append(line[40:])

    run = written.follow(sleep=slowly)
    assert (run.finished, run.left) == (4, 0)
    assert sum(e.ends for e in written.events if isinstance(e, Recorded)) == 4


@pytest.mark.parametrize("name", ["other", "run-12"])
def test_an_unknown_run_is_one_message(written, name):
    with pytest.raises(UserError, match="no run has an id that begins with"):
        written.follow(run_id=name, sleep=print)


def test_what_did_not_record_its_start_cannot_be_followed(tmp_path):
    paths = Paths(tmp_path / "old.duckdb")
    RECORDS["write"](paths.results, RECORDS["Scenario"]())
    with pytest.raises(UserError, match="cannot be followed"):
        follow(paths, print)


def aside(written):
    """Records of how a run goes, as its coordinator writes them."""
    identity = written.waiting[0]["experiment_id"]
    run = {"run_id": "run-1"}
    late = {"experiment_id": identity, "worker": "b cpu", "seconds": 90.0, "ended": False}
    uses = [{"slot": 0, "worker": "b cpu", "host": "b", "device": "cpu", "steps": 7}]
    return [
        {"record": "note", **run, "message": "digits is small"},
        {"record": "retried", **run, "experiment_ids": [identity], "reason": "b was lost"},
        {"record": "straggler", **run, **late, "expected_seconds": 20.0},
        {"record": "workers", **run, "suite": "quickstart", "workers": uses},
    ]


@pytest.mark.parametrize("before", [True, False], ids=["before", "while"])
def test_a_follower_hears_notes_retries_stragglers_and_workers(written, before):
    if before:  # the experiments have begun, then this was recorded
        written.write(4)
        written.waiting[:0] = aside(written)
        written.write(4)
    else:
        written.waiting[4:4] = aside(written)
    written.follow(sleep=lambda _: written.write(1))
    note, again, late, uses = (
        next(e for e in written.events if isinstance(e, kind))
        for kind in (Note, Repeated, Straggling, WorkersUsed)
    )
    assert note.message == "digits is small"
    assert again.reason == "b was lost" and "mlp/digits/mlp seed" in again.titles[0]
    assert (late.worker, late.seconds, late.expected_seconds) == ("b cpu", 90.0, 20.0)
    assert late.title == again.titles[0]
    assert [use.steps for use in uses.uses] == [7]
    assert all(written.kinds().count(k) == 1 for k in (Note, Repeated, Straggling, WorkersUsed))


class Tuned(Written):
    """A tuning's journal that grows whenever its follower waits."""

    def __init__(self, paths):
        super().__init__(paths)
        run = {"run_id": "tuning"}
        self.begin("tuning")
        study = {"name": "imp mlp/digits/short", "done": 0, "total": 3, "best": ""}
        self.journal.append(
            {"record": "tuning", **run, "opening": "one study of 3 trials", "studies": [study]}
        )
        self.waiting = [
            {"record": "trial", **run, "study_id": "s", "number": i, "state": "complete",
             "values": [0.9 + i / 100], "reason": None,
             "progress": {**study, "done": i + 1, "best": f"best at #{i}", "params": f"rate={i}"}}
            for i in range(3)
        ]  # fmt: skip
        self.waiting.append({"record": "tuned", **run, "compares": True})

    def begin(self, run_id, host="", **changes):
        head = {**RECORDS["Scenario"](run_id=run_id).run(), "pid": os.getpid()}
        head["environment"] = {**head["environment"], "host": host or socket.gethostname()}
        self.journal.append(head | changes)

    def started(self, run_id):
        work = {"trainings": 0, "steps": {}, "workers": 2, "seconds": None}
        self.journal.append({"record": "started", "run_id": run_id, "work": work})

    def comparison(self, sleep):
        run = self.follow(sleep=lambda _: self.write(1))
        return comparison(self.paths, run, sleep=few(sleep))


@pytest.fixture
def tuned(tmp_path):
    made = Tuned(Paths(tmp_path / "results.duckdb"))
    yield made
    made.journal.close()


def test_a_tuning_is_followed(tuned):
    tuned.write(1)
    run = tuned.follow(sleep=lambda _: tuned.write(1))
    start, *trials, end = tuned.events
    assert start == TuningStarted(
        "one study of 3 trials",
        [StudyProgress(name="imp mlp/digits/short", done=1, total=3, best="best at #0")],
    )
    assert all(isinstance(trial, TrialEnded) for trial in trials)
    assert [(t.number, t.study.done, t.values, t.params) for t in trials] == [
        (1, 2, [0.91], "rate=1"),
        (2, 3, [0.92], "rate=2"),
    ]
    assert end == RunEnded()
    assert (run.tuning, run.state, run.finished, run.left) == (True, "complete", 3, 0)


def test_a_tuning_that_was_killed_has_trials_left(tuned):
    tuned.write(2)

    def die(_):
        tuned.journal.close()

    run = tuned.follow(sleep=die)
    assert (run.state, run.finished, run.left) == ("stopped", 2, 1)


def test_the_comparison_after_a_tuning_is_waited_for(tuned):
    """Others may run in between; its process is planning."""
    naps = []

    def plan(_):
        naps.append(1)
        match len(naps):
            case 1:
                tuned.begin("other", command="lth-bench run quickstart")
                tuned.started("other")
            case 2:
                tuned.begin("other process", pid=os.getpid() + 1)
                tuned.started("other process")
            case 3:
                tuned.begin("compares")
            case 5:
                tuned.started("compares")

    found = tuned.comparison(plan)
    assert found is not None and (found.run_id, found.tuning) == ("compares", False)
    assert len(naps) == 5


@pytest.mark.parametrize("compares", [False, None], ids=["no-final", "old journal"])
def test_a_tuning_without_a_comparison_is_not_waited_for(tuned, compares):
    del tuned.waiting[-1]["compares"]
    if compares is not None:
        tuned.waiting[-1]["compares"] = compares
    assert tuned.comparison(lambda _: pytest.fail("it waits")) is None


def test_a_comparison_whose_process_is_gone_does_not_come(tuned, monkeypatch):
    monkeypatch.setattr("lth_bench.running.following.is_alive", lambda _: False)
    assert tuned.comparison(lambda _: pytest.fail("it waits")) is None


def test_another_machines_process_is_waited_for_some_minutes(tuned):
    run = tuned.follow(sleep=lambda _: tuned.write(1))
    run.host, naps = "elsewhere", []
    assert comparison(tuned.paths, run, naps.append) is None
    assert sum(naps) == pytest.approx(PLANNING, abs=2 * PAUSE)
