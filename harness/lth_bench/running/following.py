"""Follows a run or a tuning from another process: its journal's records, as the events that they
tell of.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lth_bench.analysis.card.gather import headline_of
from lth_bench.errors import UserError
from lth_bench.running.progress import (
    Begun,
    CaughtUp,
    Listener,
    Note,
    Recorded,
    Repeated,
    RunEnded,
    RunStarted,
    SeedsAdded,
    StepsTrained,
    Straggling,
    StudyProgress,
    TrialEnded,
    TuningStarted,
    WorkersUsed,
    planned_title,
)
from lth_bench.running.usage import recorded_uses
from lth_bench.store.journal import Journal, decode, is_ticket, whole_lines
from lth_bench.store.paths import Paths, results_option
from lth_bench.store.runs import RecordedRun, holder, is_alive, recorded_runs

PAUSE = 0.3
"""Seconds between looks at the journal."""
PLANNING = 600.0
"""Seconds that a process has to plan its next run; after that, only one that holds the results'
lock is still waited for.
"""


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

    UserError where there is no such run, or it did not record its start.
    """
    run = chosen(recorded_runs(paths), run_id, paths)
    history = _read(paths, run)
    titles, offset, over = history.titles, history.offset, history.over
    emit(history.start)
    try:
        left: set[str] = set()
        plans: list[Mapping[str, Any]] = []
        if isinstance(history.start, RunStarted):
            emit(CaughtUp(history.known))
            left = set(history.start.steps) - {
                r["experiment_id"] for r in history.known if _ends(r) and r["run_id"] == run.run_id
            }
            over = not (left or history.more)
        for record in history.aside:
            _emit(record, emit, titles)
        while not over:
            alive = _alive(paths, run)  # before the journal is read: what it wrote last is there
            grew = False
            for record, end in Journal(paths).read(offset):
                offset, grew = end, True
                if record.get("run_id") != run.run_id:
                    continue
                _name(record, titles)
                if record["record"] == "planned":
                    plans = record["experiments"]
                elif record["record"] == "started":
                    left |= set(record["work"]["steps"])
                    emit(_added(record["work"], plans, titles))
                _emit(record, emit, titles, trials=run.tuning)
                if _ends(record):
                    left.discard(record["experiment_id"])
                over = record["record"] == "tuned" or not (left or run.tuning or history.more)
            if not alive:
                break
            if not grew:
                sleep(PAUSE)
    finally:
        emit(RunEnded())
    return next(r for r in recorded_runs(paths) if r.run_id == run.run_id)


def comparison(
    paths: Paths, tuning: RecordedRun, sleep: Callable[[float], None] = time.sleep
) -> RecordedRun | None:
    """The run that compares own and tuned settings after a tuning, in the same process, once it has
    begun: planning it takes a moment. None where there is none, or its process is gone.
    """
    if not tuning.compares:
        return None
    offset, waited, found = 0, 0.0, ""
    ended = False
    here = tuning.host == socket.gethostname()
    while True:
        # before the journal is read; the id alone may be another process's by now
        gone = here and not is_alive(tuning.pid or 0)
        late = waited >= PLANNING and not _alive(paths, tuning)
        for record, end in Journal(paths).read(offset):
            offset = end
            kind, run_id = record["record"], record.get("run_id")
            if kind == "tuned" and run_id == tuning.run_id:
                ended = True
            elif kind == "run" and ended and _continues(record, tuning):
                found = str(run_id)
            elif kind == "started" and found and run_id == found:
                return next(r for r in recorded_runs(paths) if r.run_id == found)
        if gone or late:
            return None
        sleep(PAUSE)
        waited += PAUSE


def _continues(record: Mapping[str, Any], run: RecordedRun) -> bool:
    """Whether a run is of the same command, and the same process."""
    host = (record.get("environment") or {}).get("host")
    return (record.get("pid"), host, record.get("command")) == (run.pid, run.host, run.command)


def chosen(runs: list[RecordedRun], run_id: str, paths: Paths) -> RecordedRun:
    """The run whose id begins so; without one, the one that runs, or the newest."""
    own = results_option(paths.results)
    if not runs:
        raise UserError(f"{paths.journal} has no runs; start one with `lth-bench run SUITE{own}`")
    found = [run for run in runs if run.run_id.startswith(run_id)]
    if not found:
        raise UserError(
            f"no run has an id that begins with {run_id!r}; `lth-bench ls runs{own}` lists them"
        )
    if run_id and len(found) > 1:
        names = ", ".join(run.run_id for run in found[:5])
        raise UserError(f"several runs have an id that begins with {run_id!r}: {names}")
    run = next((run for run in found if run.running), found[0])
    if run.todo is None and not run.tuning:
        raise UserError(
            f"run {run.run_id} of {run.suite} cannot be followed: it is of a version that did not "
            f"record its start, or ended before it; `lth-bench ls runs{own}` lists the runs"
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


@dataclass(kw_only=True)
class _Read:
    """What the journal has of a run up to now."""

    start: RunStarted | TuningStarted
    known: list[dict[str, Any]]
    """Of its experiments."""
    aside: list[dict[str, Any]]
    """How it went: what was said, what is late now, and the last of what its workers did."""
    titles: dict[str, str]
    offset: int
    """Where the next record begins."""
    over: bool
    """Whether a tuning has ended."""
    more: bool
    """Whether seeds are added until decided: then only the end of its process ends the run."""


def _read(paths: Paths, run: RecordedRun) -> _Read:
    offset, text = 0, ""
    head: Mapping[str, Any] = {}
    steps: dict[str, int] = {}
    count, more = 0, False
    overrides: list[str] = []
    plans: list[Mapping[str, Any]] = []
    known, aside = [], []
    titles: dict[str, str] = {}
    late: dict[str, dict[str, Any]] = {}
    used: list[dict[str, Any]] = []
    opening, studies = "", dict[str, StudyProgress]()
    for record, end in Journal(paths).read():
        offset = end
        if record.get("run_id") != run.run_id:
            if record["record"] == "ticket" and record.get("experiment_id") in run.kept:
                known.append(record)
            continue
        match record["record"]:
            case "run":
                text, overrides = record.get("suite_toml") or "", record.get("overrides") or []
                more = "decide" in record
            case "planned":
                plans += record["experiments"]
                _name(record, titles)
            case "started":
                head = head or record["work"]  # others add to it
                count += record["work"]["trainings"]
                steps |= _steps(record["work"])
            case "tuning":
                opening = record["opening"]
                studies |= {study["name"]: StudyProgress(**study) for study in record["studies"]}
            case "trial" if record.get("progress"):
                progress = _progress(record)
                studies[progress.name] = progress
            case "begun" | "ticket" | "experiment":
                known.append(record)
                if record["record"] != "ticket":  # it runs no more, or from the beginning
                    late.pop(record["experiment_id"], None)
            case "straggler" if not record["ended"]:
                late[record["experiment_id"]] = record
            case "note" | "retried":
                aside.append(record)
            case "workers":
                used = [record]
    aside += [*late.values(), *used]
    if run.tuning:
        started = TuningStarted(opening, list(studies.values()))
        return _Read(
            start=started,
            known=[],
            aside=aside,
            titles=titles,
            offset=offset,
            over=run.over,
            more=False,
        )
    start = RunStarted(
        suite=run.suite,
        planned=len(plans),
        trainings=count,
        steps=steps,
        titles=titles,
        workers=head["workers"],
        seconds=head.get("seconds"),
        elapsed=run.seconds,
        experiments=plans,
        headline=headline_of(text, overrides),
    )
    return _Read(
        start=start, known=known, aside=aside, titles=titles, offset=offset, over=False, more=more
    )


def _steps(work: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(number) for name, number in work["steps"].items()}


def _added(
    work: Mapping[str, Any], plans: list[Mapping[str, Any]], titles: Mapping[str, str]
) -> SeedsAdded:
    """What was planned just before."""
    steps = _steps(work)
    return SeedsAdded(
        steps=steps,
        trainings=work["trainings"],
        titles={name: titles.get(name, name) for name in steps},
        experiments=plans,
    )


def _name(record: Mapping[str, Any], titles: dict[str, str]) -> None:
    """Note how messages name the experiments that a record plans."""
    if record["record"] == "planned":
        titles.update({p["experiment_id"]: planned_title(p) for p in record["experiments"]})


def _emit(
    record: Mapping[str, Any], emit: Listener, titles: Mapping[str, str], *, trials: bool = False
) -> None:
    """The events of one record; of a tuning's those of its `trials`, not of their experiments."""
    match record["record"]:
        case "note":
            emit(Note(record["message"]))
        case "retried":
            names = [titles.get(name, name) for name in record["experiment_ids"]]
            emit(Repeated(names, record["reason"]))
        case "straggler":
            identity = record["experiment_id"]
            emit(
                Straggling(
                    experiment_id=identity,
                    title=titles.get(identity, identity),
                    worker=record["worker"],
                    seconds=record["seconds"],
                    expected_seconds=record["expected_seconds"],
                    ended=record["ended"],
                )
            )
        case "workers":
            emit(WorkersUsed(recorded_uses(record["workers"])))
        case "trial" if record.get("progress"):
            emit(
                TrialEnded(
                    study=_progress(record),
                    number=record["number"],
                    status=record["state"],
                    values=[v for v in record["values"] if v is not None],
                    reason=record.get("reason"),
                    params=record["progress"]["params"],
                )
            )
        case "begun" if not trials:
            emit(Begun(record["experiment_id"]))
        case "ticket" if not trials:
            for trained in trainings(record):
                emit(trained)
            emit(Recorded(record))
        case "experiment" if not trials and _ends(record):
            emit(Recorded(record))


def _progress(record: Mapping[str, Any]) -> StudyProgress:
    """How far the study of a trial is."""
    names = ("name", "done", "total", "best")
    return StudyProgress(**{name: record["progress"][name] for name in names})


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
