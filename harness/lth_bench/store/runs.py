"""The runs of a set of results, as its journal tells of them: what became of each, and which one
still runs.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lth_bench.errors import UserError
from lth_bench.store.journal import MOST_LOCK, decode, is_ticket, now, whole_lines
from lth_bench.store.paths import Paths
from lth_bench.system.files import read_json

RunState = Literal["running", "complete", "stopped"]
SETTLED = ("ok", "skipped")
"""Statuses of experiments that did not fail."""
_AT = re.compile(rb'\{"record":"ticket","at":"([^"]+)"')
_RUN = re.compile(rb'"run_id":"([^"\\]+)"\}\s*$')


@dataclass(kw_only=True)
class RecordedRun:
    """One run of `lth-bench run` or `tune`."""

    run_id: str
    suite: str = ""
    began: str = ""
    """ISO 8601 in UTC, as all times of the journal."""
    last: str = ""
    """When its last record was written."""
    command: str = ""
    host: str = ""
    device: str = ""
    pid: int | None = None
    """The process; None in journals of before this was recorded."""
    planned: set[str] = field(default_factory=set)
    """experiment_id of each, those that were done before included."""
    todo: set[str] | None = None
    """Of those, what it had left to do; None in journals of before this was recorded."""
    ended: dict[str, str] = field(default_factory=dict)
    """experiment_id → how it ended in this run: its last status."""
    kept: set[str] = field(default_factory=set)
    """Planned ones that an earlier run had done."""
    running: bool = False
    workers: Sequence[Mapping[str, Any]] = ()
    """What its workers did with their time (`WorkerTotals`), as recorded last."""
    tuning: bool = False
    """Whether it is a search for parameters: its counts are of trials."""
    over: bool = False
    """Whether a tuning says that it has ended."""
    compares: bool | None = None
    """Whether a run of the same process, which compares settings, is to follow a tuning that has
    ended; None where it does not say.
    """
    trials: dict[tuple[str, int], str] = field(default_factory=dict)
    """(study_id, number) → state of the trials that ended in it."""
    studies: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """Of a tuning: how many trials each study has done, and of how many."""

    @property
    def finished(self) -> int:
        """Experiments, or of a tuning trials, that it did without a failure."""
        if self.tuning:
            return sum(state != "failed" for state in self.trials.values())
        return sum(status in SETTLED for status in self.ended.values())

    @property
    def failed(self) -> int:
        """Experiments that ended otherwise, interrupted ones apart; of a tuning failed trials."""
        if self.tuning:
            return sum(state == "failed" for state in self.trials.values())
        return sum(s not in (*SETTLED, "interrupted") for s in self.ended.values())

    @property
    def left(self) -> int:
        """Experiments that it has not done, or had not when it ended; of a tuning trials, of the
        studies that count them.
        """
        if self.tuning:
            return sum(max(0, total - done) for done, total in self.studies.values() if total)
        done = {e for e, status in self.ended.items() if status != "interrupted"}
        return len(self.planned - self.kept - done)

    @property
    def state(self) -> RunState:
        """`stopped`: it ended with experiments left."""
        if self.running:
            return "running"
        return "stopped" if self.left or (self.tuning and not self.over) else "complete"

    @property
    def seconds(self) -> float:
        """From its start to its last record; to now, if it runs."""
        try:
            end = datetime.fromisoformat(now() if self.running else self.last)
            return max(0.0, (end - datetime.fromisoformat(self.began)).total_seconds())
        except (TypeError, ValueError):  # a record of another program
            return 0.0


def recorded_runs(paths: Paths) -> list[RecordedRun]:
    """All runs, the newest first. Takes no lock, and reads while a run writes.

    UserError where there are no results, or no journal beside the database.
    """
    paths.require()
    if not paths.journal.exists():
        raise UserError(
            f"{paths.results} is a database without its journal, such as a snapshot, and only the "
            f"journal tells runs apart; name the results that it was made from with --results"
        )
    found: dict[str, RecordedRun] = {}
    endings: dict[str, list[tuple[str, str, str]]] = {}
    for record in _heads(paths):
        run_id = record.get("run_id")
        if not isinstance(run_id, str):
            continue
        run = found.setdefault(run_id, RecordedRun(run_id=run_id))
        run.last = max(run.last, str(record.get("at") or ""))
        _take(run, record)
        if record["record"] == "experiment":
            identity, status = str(record.get("experiment_id")), str(record.get("status"))
            endings.setdefault(identity, []).append((str(record.get("at")), run_id, status))
    runs = [run for run in found.values() if run.began]  # tuning's trials name no run of their own
    for run in runs:
        run.kept = _kept(run, endings)
    runs.reverse()  # of two that began in the same millisecond, the later record is the newer
    runs.sort(key=lambda run: run.began, reverse=True)
    held = holder(paths)
    if held is not None:
        same = [r for r in runs if (r.pid, r.host) == (held.get("pid"), held.get("host"))]
        for run in same[:1]:
            run.running = not run.over
    return runs


def _heads(paths: Paths) -> Iterator[dict[str, Any]]:
    """The records; of tickets, which are most of the bytes, only the run and the time."""
    for offset, line in whole_lines(paths.journal):
        if is_ticket(line):
            at, run = _AT.match(line), _RUN.search(line[-200:])
            if at and run:
                yield {"record": "ticket", "at": at[1].decode(), "run_id": run[1].decode()}
                continue
        yield decode(line, paths.journal, offset)


def _take(run: RecordedRun, record: Mapping[str, Any]) -> None:
    """What one of a run's records says of it."""
    match record["record"]:
        case "run":
            run.suite, run.began = str(record.get("suite")), str(record.get("at") or "")
            run.command = str(record.get("command") or "")
            pid, about = record.get("pid"), record.get("environment")
            run.pid = pid if isinstance(pid, int) else None
            if isinstance(about, Mapping):
                run.host, run.device = (str(about.get(key) or "") for key in ("host", "device"))
        case "planned":
            plans = record.get("experiments")
            for plan in plans if isinstance(plans, list) else ():
                if isinstance(plan, Mapping):
                    run.planned.add(str(plan.get("experiment_id")))
        case "started":
            work = record.get("work")
            steps = work.get("steps") if isinstance(work, Mapping) else None
            if isinstance(steps, Mapping):  # a second one adds to the first
                run.todo = (run.todo or set()) | set(steps)
        case "workers":
            totals = record.get("workers")
            if isinstance(totals, list) and all(isinstance(one, Mapping) for one in totals):
                run.workers = totals
        case "tuning":
            run.tuning = True
            studies = record.get("studies")
            for study in studies if isinstance(studies, list) else ():
                _study(run, study)
        case "trial":
            run.trials[str(record.get("study_id")), int(record.get("number") or 0)] = str(
                record.get("state")
            )
            _study(run, record.get("progress"))
        case "tuned":
            run.over = True
            if isinstance(compares := record.get("compares"), bool):
                run.compares = compares
        case "experiment":
            run.ended[str(record.get("experiment_id"))] = str(record.get("status"))


def _study(run: RecordedRun, progress: object) -> None:
    """How far a study of a tuning is."""
    if isinstance(progress, Mapping) and isinstance(done := progress.get("done"), int):
        total = progress.get("total")
        run.studies[str(progress.get("name"))] = (done, total if isinstance(total, int) else None)


def _kept(run: RecordedRun, endings: Mapping[str, list[tuple[str, str, str]]]) -> set[str]:
    """Planned experiments that were not to be done; in old journals, that had ended before."""
    if run.todo is not None:
        return run.planned - run.todo
    return {
        identity
        for identity in run.planned - run.ended.keys()
        if any(
            status != "interrupted" and at <= run.began and by != run.run_id
            for at, by, status in endings.get(identity, ())
        )
    }


def holder(paths: Paths) -> dict[str, Any] | None:
    """`pid` and `host` of the process that writes the journal; None where none does.

    A process of this machine that is gone is told by its id. Otherwise the lock is asked for,
    shared and for microseconds, for which a run that starts in them waits.
    """
    import fcntl  # not on Windows, where nothing is written

    try:
        named = read_json(paths.lock, MOST_LOCK)
        if not isinstance(named, dict) or not isinstance(named.get("pid"), int):
            return None
        if named.get("host") == socket.gethostname() and not is_alive(named["pid"]):
            return None
        fd = os.open(paths.lock, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return named
    except OSError:  # a file system without locks
        return None
    finally:
        os.close(fd)
    return None


def is_alive(pid: int) -> bool:
    """Whether this machine has a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
