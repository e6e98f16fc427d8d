"""Follows a run from another process: its journal's records, as the events that they tell of."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from lth_bench.analysis.card.gather import headline_of
from lth_bench.errors import UserError
from lth_bench.running.progress import (
    Begun,
    CaughtUp,
    Listener,
    Recorded,
    RunEnded,
    RunStarted,
    SeedsAdded,
    StepsTrained,
    planned_title,
)
from lth_bench.store.journal import Journal, decode, is_ticket, whole_lines
from lth_bench.store.paths import Paths
from lth_bench.store.runs import RecordedRun, holder, recorded_runs

PAUSE = 0.3
"""Seconds between looks at the journal."""


def follow(
    paths: Paths, emit: Listener, run_id: str = "", sleep: Callable[[float], None] = time.sleep
) -> RecordedRun:
    """Emit what a run does until it ends, or its process is gone; returns what became of it.

    Takes no lock, and writes nothing. A run that has ended is told of at once.

    Args:
        paths: The results.
        emit: Gets the events.
        run_id: The first characters of a run's id; empty is the one that runs, or the newest.
        sleep: Waits for the journal to grow, so many seconds.

    UserError where there is no such run, or it is none of a suite.
    """
    run = chosen(recorded_runs(paths), run_id, paths)
    start, known, offset = _read(paths, run)
    emit(start)
    try:
        emit(CaughtUp(known))
        plans: dict[str, Mapping[str, Any]] = {}
        running = set(start.steps) - {
            r["experiment_id"] for r in known if _ends(r) and r["run_id"] == run.run_id
        }
        while running:
            alive = _alive(paths, run)  # before the journal is read: what it wrote last is there
            grew = False
            for record, end in Journal(paths).read(offset):
                offset, grew = end, True
                if record.get("run_id") == run.run_id:
                    if record["record"] == "planned":
                        plans = {str(p["experiment_id"]): p for p in record["experiments"]}
                    elif record["record"] == "started":
                        running |= set(record["work"]["steps"])
                        emit(_added(record["work"], plans))
                    _emit(record, emit)
                    if _ends(record):
                        running.discard(record["experiment_id"])
            if not alive:
                break
            if not grew:
                sleep(PAUSE)
    finally:
        emit(RunEnded())
    return next(r for r in recorded_runs(paths) if r.run_id == run.run_id)


def chosen(runs: list[RecordedRun], run_id: str, paths: Paths) -> RecordedRun:
    """The run whose id begins so; without one, the one that runs, or the newest."""
    if not runs:
        raise UserError(f"{paths.journal} has no runs; start one with `lth-bench run SUITE`")
    found = [run for run in runs if run.run_id.startswith(run_id)]
    if not found:
        raise UserError(
            f"no run has an id that begins with {run_id!r}; `lth-bench ls runs` lists them"
        )
    if run_id and len(found) > 1:
        names = ", ".join(run.run_id for run in found[:5])
        raise UserError(f"several runs have an id that begins with {run_id!r}: {names}")
    run = next((run for run in found if run.running), found[0])
    if run.todo is None:
        raise UserError(
            f"run {run.run_id} of {run.suite} cannot be followed: it is a tuning, or of a version "
            f"that did not record its start; `lth-bench ls runs` lists the runs"
        )
    return run


def tickets_of(paths: Paths, experiments: Collection[str]) -> list[dict[str, Any]]:
    """The tickets that the journal has of these experiments."""
    found = []
    for offset, line in whole_lines(paths.journal):
        if is_ticket(line):
            record = decode(line, paths.journal, offset)
            if record.get("experiment_id") in experiments:
                found.append(record)
    return found


class _Read(NamedTuple):
    start: RunStarted
    known: list[dict[str, Any]]
    offset: int


def _read(paths: Paths, run: RecordedRun) -> _Read:
    """What the journal has of a run up to now, and where the next record begins."""
    offset, text = 0, ""
    head: Mapping[str, Any] = {}
    steps: dict[str, int] = {}
    trainings = 0
    overrides: list[str] = []
    plans: list[Mapping[str, Any]] = []
    known = []
    for record, end in Journal(paths).read():
        offset = end
        if record.get("run_id") != run.run_id:
            if record["record"] == "ticket" and record.get("experiment_id") in run.kept:
                known.append(record)
            continue
        match record["record"]:
            case "run":
                text, overrides = record.get("suite_toml") or "", record.get("overrides") or []
            case "planned":
                plans += record["experiments"]
            case "started":
                head = head or record["work"]  # others add to it
                trainings += record["work"]["trainings"]
                steps |= {str(k): int(n) for k, n in record["work"]["steps"].items()}
            case "begun" | "ticket" | "experiment":
                known.append(record)
    start = RunStarted(
        suite=run.suite,
        planned=len(plans),
        trainings=trainings,
        steps=steps,
        titles={p["experiment_id"]: planned_title(p) for p in plans},
        workers=head["workers"],
        seconds=head.get("seconds"),
        elapsed=run.seconds,
        experiments=plans,
        headline=headline_of(text, overrides),
    )
    return _Read(start, known, offset)


def _added(work: Mapping[str, Any], plans: Mapping[str, Mapping[str, Any]]) -> SeedsAdded:
    """What was planned just before."""
    steps = {str(k): int(n) for k, n in work["steps"].items()}
    return SeedsAdded(
        steps=steps,
        trainings=work["trainings"],
        titles={k: planned_title(plans[k]) for k in steps if k in plans},
        experiments=list(plans.values()),
    )


def _emit(record: Mapping[str, Any], emit: Listener) -> None:
    """The events of one record."""
    kind = record["record"]
    if kind == "begun":
        emit(Begun(record["experiment_id"]))
    elif kind == "ticket" or _ends(record):
        if kind == "ticket":
            for trained in trainings(record):
                emit(trained)
        emit(Recorded(record))


def trainings(record: Mapping[str, Any]) -> Iterator[StepsTrained]:
    """What a ticket really trained, which no other had."""
    cost = record.get("cost") or {}
    if steps := cost.get("spent_steps"):
        yield StepsTrained(int(steps), float(cost.get("spent_seconds") or 0.0))


def _ends(record: Mapping[str, Any]) -> bool:
    """Whether an experiment has ended; an interrupted one is left to do."""
    return record["record"] == "experiment" and record.get("status") != "interrupted"


def _alive(paths: Paths, run: RecordedRun) -> bool:
    held = holder(paths)
    return held is not None and (held.get("pid"), held.get("host")) == (run.pid, run.host)
