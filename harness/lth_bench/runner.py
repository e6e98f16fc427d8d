"""A run from suite to leaderboard: plan, journal, executor, database."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from lth_bench.errors import INTERRUPTED, OK, SOME_FAILED, UserError
from lth_bench.store.journal import Journal, encode
from lth_bench.store.paths import Paths, looks_like_duckdb

if TYPE_CHECKING:
    from lth_bench.basis import Basis
    from lth_bench.executors.worker import WorkerConfig
    from lth_bench.lottery import Experiment
    from lth_bench.plan import Plan, Planned
    from lth_bench.plugins import Registry
    from lth_bench.suite.spec import Suite

GOOD = ("ok", "skipped")
"""Statuses of experiments that did not fail."""
FOLD_EVERY = 5.0
"""Seconds between foldings of the journal into the database, at least."""
PATIENCE = 5.0
"""Seconds that the last folding waits for a process that has the database open."""


class Progress(Protocol):
    """What shows a person how far a run is."""

    def begin(self, plan: Plan, todo: Sequence[Planned], workers: int) -> None: ...
    def event(self, record: dict[str, Any]) -> None: ...
    def end(self) -> None: ...


@dataclass
class Summary:
    """How a run ended."""

    run_id: str
    suite: str
    planned: int
    reused: int
    """Experiments that an earlier run had finished."""
    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    interrupted: bool = False
    stopped_at: str | None = None
    """The failure at which it stopped, where it was to stop at the first."""
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all ok, 1 some failed, 2 interrupted."""
        if self.interrupted:
            return INTERRUPTED
        bad = sum(n for s, n in self.statuses.items() if s not in GOOD)
        return SOME_FAILED if bad else OK


@dataclass(frozen=True)
class Settings:
    """Where and on what a run takes place."""

    results: Path
    device: str = "auto"
    workers: int | None = None
    plugin_files: tuple[Path, ...] = ()
    third_party: bool = True
    command: str = ""
    width: int | None = None
    """Trainings stacked into one computation; None measures what is fastest."""
    exact_width: bool = False
    """Do again what was done at another width."""
    timeout: float = math.inf
    """Seconds that an experiment may take, the time in which others run left out."""
    retry: frozenset[str] = frozenset()
    """Outcomes to try again, of `outcomes.RETRIED`."""
    rerun: bool = False
    """Do everything again, trainings included."""
    exit_first: bool = False
    """Stop at the first failure."""


def worker_config(
    settings: Settings, paths: Paths, root: Path, workers: Sequence[str]
) -> WorkerConfig:
    """What the workers of a run need to know; each is told its own device besides."""
    from lth_bench.executors.worker import WorkerConfig
    from lth_bench.training.saving import checkpoint_seconds

    return WorkerConfig(
        "cpu",
        paths.artifacts.absolute(),
        root.absolute(),
        settings.plugin_files,
        settings.third_party,
        processes=len(workers),
        width=settings.width,
        exact_width=settings.exact_width,
        checkpoint_every=checkpoint_seconds(),
        timeout=settings.timeout,
        trained_since=time.time() if settings.rerun else None,
    )


def run_suite(suite: Suite, registry: Registry, settings: Settings, progress: Progress) -> Summary:
    """Run what is left of a suite. Everything that can be refused is refused before training."""
    from lth_bench.executors.processes import get_ready
    from lth_bench.suite.check import check

    began = time.monotonic()
    check(suite, registry)
    get_ready()  # workers import while this process does

    from lth_bench import devices, environment
    from lth_bench.basis import Basis, require_data
    from lth_bench.data.root import data_root
    from lth_bench.executors.local import LocalExecutor
    from lth_bench.plan import plan_suite
    from lth_bench.plugins.preflight import preflight
    from lth_bench.remaining import Again, Remaining, remaining

    names = devices.resolve(settings.device)
    for task in suite.tasks:
        devices.check_dtype(str(task.recipe.get("dtype", "float32")), names, task.recipe_name)
    root = data_root()
    plan = plan_suite(suite, registry, root)
    paths = Paths(settings.results)
    if settings.exact_width and settings.width is None:
        raise UserError("--exact-width needs the width: give --width N too")
    workers = devices.workers_for(names, settings.workers)
    about = environment.describe(names)
    basis = Basis.of(about["device"])
    width = settings.width if settings.exact_width else None
    again = Again(settings.retry, settings.rerun, width)

    def look() -> Remaining:
        return remaining(plan, paths, registry, root, workers, basis, again)

    seen = _size(paths.journal)
    left = look()
    left_out = preflight((p.experiment for p in left.todo), registry)
    streamed = []
    if left.todo:
        streamed = require_data(left.todo, registry, root, workers, basis)
        require_space(paths, sum(p.bytes for p in left.todo) + plan.dense_bytes)
    run_id = uuid.uuid4().hex[:12]
    config = worker_config(settings, paths, root, workers)
    with Journal(paths) as journal:
        if _size(paths.journal) != seen:  # another run has ended since, and nobody writes now
            left = look()
        todo, ended = left.todo, left.ended.values()
        summary = Summary(run_id, suite.name, len(plan.experiments), len(ended), Counter(ended))
        summary.notes += [*left_out, *streamed, *left.notes]
        write_head(journal, run_id, plan, registry, settings, about)
        recorder = Recorder(
            journal, paths, run_id, summary, progress, settings.exit_first, basis, left.replaced
        )
        planned = (p.experiment for p in todo)
        recorder.give_up([e for e in planned if e.experiment_id in left.outdated])
        progress.begin(plan, todo, len(workers))
        try:
            with terminate_as_interrupt():
                if todo:
                    LocalExecutor(config, workers).run(todo, recorder.handle)
        except KeyboardInterrupt:
            summary.interrupted = True
            recorder.interrupt()
        except FirstFailure as failure:
            summary.stopped_at = str(failure)
            recorder.interrupt("the run stopped at another experiment's failure")
        finally:
            progress.end()
            recorder.fold(final=True)
    summary.seconds = time.monotonic() - began
    return summary


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


class FirstFailure(Exception):
    """An experiment failed in a run that is to stop then."""


class Recorder:
    """The only writer of results: journal first, then everything else."""

    def __init__(
        self,
        journal: Journal,
        paths: Paths,
        run_id: str,
        summary: Summary,
        progress: Progress,
        exit_first: bool = False,
        basis: Basis | None = None,
        replaced: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`basis` is what the results will rest on; `replaced` are the experiments, by id, that are
        done again on other data, with the fingerprint of the data they were done on before.
        """
        self.journal, self.paths, self.run_id = journal, paths, run_id
        self.summary, self.progress = summary, progress
        self.exit_first, self.basis, self.replaced = exit_first, basis, replaced
        self.running: dict[str, Experiment] = {}
        self.complaints: set[str] = set()
        self.delayed = False
        self.folded = time.monotonic()

    def handle(self, record: dict[str, Any]) -> None:
        """A worker's record, or an executor's event."""
        if record.get("event") == "disk":
            raise UserError(record["message"])
        if record.get("event") in ("observer", "note"):
            if record["message"] in self.complaints:
                return  # every experiment has the same to report
            self.complaints.add(record["message"])
        if record.get("event") == "start":
            self.running[record["experiment"].experiment_id] = record["experiment"]
        ended: Experiment | None = None
        if "record" in record:
            self.journal.append({**record, **self._rests_on(record), "run_id": self.run_id})
            if record["record"] == "experiment":
                ended = self.running.pop(record["experiment_id"], None)
                self.summary.statuses[record["status"]] += 1
                self.fold()
        self.progress.event(record)
        if self.exit_first and ended is not None and record["status"] not in GOOD:
            from lth_bench.report.progress import describe

            raise FirstFailure(f"{describe(ended)}: {record['status']}: {record['reason']}")

    def _rests_on(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """What a record says of the data and the numerics that a result rests on."""
        experiment = self.running.get(str(record.get("experiment_id")))
        if self.basis is None or experiment is None:
            return {}
        found: dict[str, Any] = {"fingerprint": self.basis.fingerprint(experiment)}
        if record["record"] == "experiment":
            found["numerics"] = self.basis.numerics
            if experiment.experiment_id in self.replaced:
                found["replaces"] = self.replaced[experiment.experiment_id]
        return found

    def give_up(self, experiments: Sequence[Experiment]) -> None:
        """Say of these that their results count no more: they are done again on other data."""
        if not experiments:
            return
        assert self.basis is not None
        records = [
            {
                **self._interrupted(e.experiment_id, "the data has changed since it was trained"),
                "fingerprint": self.basis.fingerprint(e),
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
        return {
            "record": "experiment",
            "run_id": self.run_id,
            "experiment_id": identity,
            "status": "interrupted",
            "reason": why,
            "seconds": None,
            "worker": None,
        }

    def fold(self, final: bool = False) -> None:
        """Bring the database up to date. A locked one delays this and loses nothing."""
        from lth_bench.store.fold import fold

        if not final and time.monotonic() - self.folded < FOLD_EVERY:
            return
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
        if trouble and not final and not self.delayed:
            self.delayed = True
            self.progress.event({"event": "note", "message": f"{trouble}. The run goes on"})
        if final and trouble:
            self.summary.notes.append(
                f"{trouble}. This run's results are all in {self.paths.journal}"
            )


def write_head(
    journal: Journal,
    run_id: str,
    plan: Plan,
    registry: Registry,
    settings: Settings,
    environment: dict[str, Any],
) -> None:
    """The journal's records of a run that begins: what it is, and what it plans."""
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
            "command": settings.command,
            "environment": environment,
            "plugins": plugins,
        }
    )
    journal.append(
        {
            "record": "planned",
            "run_id": run_id,
            "experiments": [p.experiment.planned_record() for p in plan.experiments],
        }
    )


def require_space(paths: Paths, needed: int) -> None:
    """UserError where the disk holds less than the trainings that are left will write."""
    folder = paths.results.absolute().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{paths.artifacts} will need about {needed / 1e9:.2f} GB, but its disk has "
            f"{free / 1e9:.2f} GB free; free some space or name another place with --results"
        )


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does."""
    from lth_bench.executors.processes import SIGNALS

    def handler(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # not the main thread: a notebook's business
        for number in SIGNALS:
            if number != signal.SIGINT and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handled in before.items():
            signal.signal(number, handled)


def require_writable(results: Path) -> None:
    """UserError where results cannot be written, or the file is something else's."""
    paths = Paths(results)
    paths.make_folder()
    if not os.access(paths.results.parent, os.W_OK):
        raise UserError(
            f"the folder {paths.results.parent} is read-only; name another file with --results"
        )
    if paths.journal.exists():
        return
    if not looks_like_duckdb(paths.results):
        raise UserError(
            f"{paths.results} exists and is no DuckDB database; name another file with --results"
        )
    if paths.results.exists() and paths.results.stat().st_size:
        # the database would be made anew from this run's journal alone
        raise UserError(
            f"{paths.results} is a database without its journal, such as a snapshot; bring it into "
            f"new results with `lth-bench merge {paths.results} --results NEW.duckdb`, or name "
            f"another file with --results"
        )
