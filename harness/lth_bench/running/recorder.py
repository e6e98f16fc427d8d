"""What comes of a run: its records, to the journal first, and how it ended."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lth_bench.errors import INTERRUPTED, OK, SOME_FAILED, UserError
from lth_bench.running.progress import (
    DiskRefused,
    Event,
    ExperimentStarted,
    Listener,
    Note,
    Recorded,
    Retried,
    RunStarted,
    SeedsAdded,
    Straggling,
    WorkersUsed,
    title,
)
from lth_bench.store.journal import Journal, encode
from lth_bench.store.paths import Paths

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment
    from lth_bench.plugins import Registry
    from lth_bench.running.plan import Plan
    from lth_bench.running.provenance import Provenance
    from lth_bench.running.stragglers import StragglerWatch
    from lth_bench.running.usage import WorkerUse
    from lth_bench.store.run_records import WorkAhead

GOOD = ("ok", "skipped")
"""Statuses of experiments that did not fail."""
FOLD_EVERY = 5.0
"""Seconds between foldings of the journal into the database, at least."""
FOLD_SHARE = 0.01
"""Share of a run's time that foldings may take: in a large database each takes longer, and commands
that read it fold what is missing.
"""
USE_EVERY = 5.0
"""Seconds between records of what the workers do, at least."""
USE_SHARE = 0.02
"""Share of a run's time so far that goes by between two of them: a long run has a few hundred."""
PATIENCE = 5.0
"""Seconds that the last folding waits for a process that has the database open."""


@dataclass(kw_only=True)
class RunSummary:
    """How a run ended."""

    run_id: str
    """The id that its records have in the database."""
    suite: str
    """The suite's name."""
    planned: int
    """Experiments of the suite, after filters."""
    reused: int
    """Experiments that an earlier run had finished."""
    statuses: Counter[str] = field(default_factory=Counter)
    """Experiments by status, those of earlier runs included: ok, skipped, diverged, failed, oom,
    timeout, interrupted.
    """
    seconds: float = 0.0
    """Wall-clock time of the run."""
    interrupted: bool = False
    """Whether Ctrl-C or a signal ended it."""
    stopped_at: str | None = None
    """The failure at which it stopped, where it was to stop at the first."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the person who ran it."""
    uses: Sequence[WorkerUse] = ()
    """What its workers did with their time."""

    @property
    def exit_code(self) -> int:
        """Of `lth-bench run`: 0 all ok or skipped, 1 some failed, 2 interrupted."""
        if self.interrupted:
            return INTERRUPTED
        bad = sum(n for s, n in self.statuses.items() if s not in GOOD)
        return SOME_FAILED if bad else OK


class FirstFailure(Exception):
    """An experiment failed in a run that is to stop then."""


class Recorder:
    """The only writer of results: journal first, then everything else."""

    def __init__(
        self,
        *,
        journal: Journal,
        paths: Paths,
        run_id: str,
        summary: RunSummary,
        emit: Listener,
        exit_first: bool = False,
        provenance: Provenance | None = None,
        replaced: Mapping[str, str] = MappingProxyType({}),
        watch: StragglerWatch | None = None,
    ) -> None:
        """`provenance` is that of the results; `replaced` are the experiments, by id, that are
        trained again on other data, with the fingerprint of the data that they had before. `watch`
        knows which ones take too long.
        """
        self.journal, self.paths, self.run_id = journal, paths, run_id
        self.summary, self.emit = summary, emit
        self.exit_first, self.provenance, self.replaced = exit_first, provenance, replaced
        self.watch = watch
        self.running: dict[str, Experiment] = {}
        self.notes: set[str] = set()
        self.delayed = False
        self.folded = time.monotonic()
        self._pause = FOLD_EVERY
        self._began = self._used = self.folded

    def handle(self, event: Event) -> None:
        """An executor's event, or a worker's: the journal first, then who listens."""
        match event:
            case DiskRefused(message):
                raise UserError(message)
            case Note(message):
                if message in self.notes:
                    return  # every experiment has the same to report
                self.notes.add(message)
                self.follow("note", message=message)
            case ExperimentStarted(experiment, worker):
                self.running[experiment.experiment_id] = experiment
                self.follow("begun", experiment_id=experiment.experiment_id, worker=worker)
                if self.watch is not None:
                    self.watch.started(event)
            case Retried(experiments, reason):
                ids = [e.experiment_id for e in experiments]
                self.follow("retried", experiment_ids=ids, reason=reason)
                if self.watch is not None:
                    self.watch.stopped(experiments)
            case WorkersUsed():
                self._note_use(event)
            case Recorded(record):
                self._record(event, record)
                return
        self.emit(event)

    def follow(self, kind: str, **what: object) -> None:
        """Record what those who follow the run are told; it is of no result."""
        self.journal.append({"record": kind, "run_id": self.run_id, **what})

    def _note_use(self, event: WorkersUsed) -> None:
        """What the workers did, now and then; and which experiments take too long."""
        self.summary.uses = event.uses
        for found in self.watch.late() if self.watch is not None else ():
            self._straggling(found)
        now = time.monotonic()
        pause = max(USE_EVERY, USE_SHARE * (now - self._began))
        if event.uses and (event.final or now - self._used >= pause):
            self._used = now
            totals = [asdict(use) for use in event.uses]
            self.follow("workers", suite=self.summary.suite, workers=totals)

    def _straggling(self, found: Straggling) -> None:
        what = asdict(found)
        del what["title"]  # as of the plan
        self.follow("straggler", **what)
        self.emit(found)

    def _record(self, event: Recorded, record: Mapping[str, Any]) -> None:
        self.journal.append({**record, **self._rests_on(record), "run_id": self.run_id})
        ended: Experiment | None = None
        straggler = self.watch.take(record) if self.watch is not None else None
        if straggler is not None:
            self._straggling(straggler)
        if event.ends:
            ended = self.running.pop(record["experiment_id"], None)
            self.summary.statuses[record["status"]] += 1
            self.fold()
        self.emit(event)
        if self.exit_first and ended is not None and record["status"] not in GOOD:
            raise FirstFailure(f"{title(ended)}: {record['status']}: {record['reason']}")

    def _rests_on(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """What a record says of the data and the numerics that a result rests on."""
        experiment = self.running.get(str(record.get("experiment_id")))
        if self.provenance is None or experiment is None:
            return {}
        found: dict[str, Any] = {"fingerprint": self.provenance.fingerprint(experiment)}
        if record["record"] == "experiment":
            found["numerics"] = self.provenance.numerics
            if experiment.experiment_id in self.replaced:
                found["replaces"] = self.replaced[experiment.experiment_id]
        return found

    def fail(self, experiment: Experiment, reason: str) -> None:
        """An experiment that cannot even begin gets its row."""
        self.handle(ExperimentStarted(experiment))
        self.handle(Recorded(self._ended(experiment.experiment_id, "failed", reason)))

    def give_up(self, experiments: Sequence[Experiment]) -> None:
        """Say of these that their results count no more: they are done again on other data."""
        if not experiments:
            return
        assert self.provenance is not None
        records = [
            {
                **self._interrupted(e.experiment_id, "the data has changed since it was trained"),
                "fingerprint": self.provenance.fingerprint(e),
                "replaces": self.replaced[e.experiment_id],
            }
            for e in experiments
        ]
        self.journal.extend(map(encode, records))

    def interrupt(self, why: str = "the run was interrupted") -> None:
        """Every experiment that was running gets its row."""
        for identity in sorted(self.running):
            record = self._interrupted(identity, why)
            self.journal.append({**record, **self._rests_on(record)})
            self.summary.statuses["interrupted"] += 1

    def _interrupted(self, identity: str, why: str) -> dict[str, Any]:
        return self._ended(identity, "interrupted", why)

    def _ended(self, identity: str, status: str, why: str) -> dict[str, Any]:
        return {
            "record": "experiment",
            "run_id": self.run_id,
            "experiment_id": identity,
            "status": status,
            "reason": why,
            "seconds": None,
            "worker": None,
        }

    def fold(self, final: bool = False) -> None:
        """Bring the database up to date. A locked one delays this and loses nothing."""
        from lth_bench.store.fold import fold

        if not final and time.monotonic() - self.folded < self._pause:
            return
        began = time.perf_counter()
        try:
            waits = final and not self.summary.interrupted
            report = fold(self.paths, patience=PATIENCE if waits else 0.0)
            trouble = report.message if report.delayed else None
            if report.loss:
                self.summary.notes.append(report.loss)
        except UserError as error:  # a damaged or unwritable database; the journal has everything
            trouble = error.message
        except (KeyboardInterrupt, RuntimeError) as error:
            # DuckDB makes a RuntimeError of a Ctrl-C within a query
            stopped = isinstance(error, KeyboardInterrupt) or "interrupted" in str(error).lower()
            if not stopped:
                raise
            if not final:
                raise KeyboardInterrupt from error
            self.summary.interrupted, trouble = True, None
        self.folded = time.monotonic()
        self._pause = max(FOLD_EVERY, (time.perf_counter() - began) / FOLD_SHARE)
        if trouble and not final and not self.delayed:
            self.delayed = True
            self.emit(Note(f"{trouble}. The run continues"))
        if final and trouble:
            self.summary.notes.append(
                f"{trouble}. This run's results are all in {self.paths.journal}"
            )


def write_head(
    journal: Journal,
    *,
    run_id: str,
    plan: Plan,
    registry: Registry,
    command: str,
    environment: dict[str, Any],
) -> list[dict[str, Any]]:
    """The journal's records of a run that begins: what it is, and what it plans, which is returned
    as recorded.
    """
    suite = plan.suite
    used = [
        ("strategies", p.experiment.strategy, p.experiment.source_hash) for p in plan.experiments
    ]
    plugins = []
    for group, name, source in dict.fromkeys(used):
        entry = registry.groups[group][name]
        plugins.append(
            {
                "name": name,
                "group": group,
                "origin": entry.origin,
                "version": entry.version,
                "source_hash": source,
            }
        )
    journal.append(
        {
            "record": "run",
            "run_id": run_id,
            "suite": suite.name,
            "suite_version": suite.version,
            "suite_toml": suite.text,
            "overrides": list(suite.overrides),
            "baseline": suite.baseline,
            **({} if suite.decide is None else {"decide": asdict(suite.decide)}),
            "command": command,
            "pid": os.getpid(),
            "environment": environment,
            "plugins": plugins,
        }
    )
    experiments = [p.experiment.planned_record() for p in plan.experiments]
    write_planned(journal, run_id, experiments)
    return experiments


def write_planned(journal: Journal, run_id: str, experiments: Sequence[Mapping[str, Any]]) -> None:
    """The journal's record of experiments that a run plans, each of which has rows from then on."""
    journal.append({"record": "planned", "run_id": run_id, "experiments": list(experiments)})


def write_started(journal: Journal, run_id: str, started: RunStarted | SeedsAdded) -> None:
    """The journal's record of what a run has to do, for those who follow it; also of seeds that are
    added.
    """
    work: WorkAhead = {
        "trainings": started.trainings,
        "steps": dict(started.steps),
        "workers": started.workers if isinstance(started, RunStarted) else None,
        "seconds": started.seconds if isinstance(started, RunStarted) else None,
    }
    journal.append({"record": "started", "run_id": run_id, "work": work})
