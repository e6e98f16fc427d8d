"""A run from suite to leaderboard: plan, journal, executor, database."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.running.progress import CaughtUp, Listener, Note, RunEnded, RunStarted, title
from lth_bench.running.recorder import FirstFailure, Recorder, RunSummary, write_head, write_started
from lth_bench.store.journal import Journal
from lth_bench.store.paths import Paths, looks_like_duckdb
from lth_bench.system.devices import all_of, require_system

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.executors.places import Workplace
    from lth_bench.running.executors.schedule import Schedule
    from lth_bench.running.executors.worker import WorkerConfig
    from lth_bench.running.plan import Plan, Planned
    from lth_bench.running.request import RunRequest
    from lth_bench.suite.spec import Suite


def worker_config(
    request: RunRequest,
    paths: Paths,
    root: Path,
    devices: Sequence[str],
    fingerprints: Mapping[str, str],
) -> WorkerConfig:
    """What the workers of a run need to know; each is told its own device besides."""
    from lth_bench.running.executors.worker import WorkerConfig
    from lth_bench.training.checkpoints.policy import checkpoint_seconds

    return WorkerConfig(
        device="cpu",
        devices=tuple(all_of(devices)),
        artifacts=paths.artifacts.absolute(),
        data_root=root.absolute(),
        plugins=tuple(request.selection.plugins),
        no_plugins=request.selection.no_plugins,
        execution=request.execution,
        checkpoint_every=checkpoint_seconds(),
        fingerprints=dict(fingerprints),
        trained_since=time.time() if request.execution.rerun else None,
    )


def require_ablated(plan: Plan) -> None:
    """UserError where a run is to end with a card of ingredients, and none is ablated."""
    if plan.suite.board != "ingredients":
        return
    if not any(p.experiment.controls or p.experiment.ablation for p in plan.experiments):
        raise UserError(
            f"suite {plan.suite.name!r} shows which ingredients of a strategy matter, and there is "
            f"no strategy with controls or ablations; add one with --add NAME (lth-bench ls "
            f"strategies), or those of a file with --plugin FILE"
        )


def run_suite(
    suite: Suite,
    registry: Registry,
    request: RunRequest,
    emit: Listener,
    *,
    only: frozenset[str] | None = None,
) -> RunSummary:
    """Run what is left of a suite; of the experiments with the ids `only`, if they are given.

    Everything that can be refused is refused before training.
    """
    from lth_bench.running.executors.places import open_place
    from lth_bench.suite.check import check

    require_system()
    check(suite, registry)
    if suite.decide is not None and (only is not None or len(suite.seeds) < suite.decide.max_seeds):
        # what is verified, and what tuning ends with, names its seeds
        suite = replace(suite, decide=None)
    with open_place(request.execution) as place:
        return _run_at(place, suite, registry, request, emit, only=only)


def _run_at(
    place: Workplace,
    suite: Suite,
    registry: Registry,
    request: RunRequest,
    emit: Listener,
    *,
    only: frozenset[str] | None,
) -> RunSummary:
    """Run what is left of a suite where the request says."""
    began = time.monotonic()
    execution = request.execution

    from lth_bench.data.root import data_root
    from lth_bench.plugins.preflight import preflight
    from lth_bench.running.datasets import Opened, open_data
    from lth_bench.running.estimate import expected_seconds
    from lth_bench.running.executors.places import require_hardware
    from lth_bench.running.executors.simulated import Pace
    from lth_bench.running.following import tickets_of
    from lth_bench.running.paces import measured_paces
    from lth_bench.running.pending import remaining
    from lth_bench.running.plan import plan_suite, require_some
    from lth_bench.running.provenance import Provenance
    from lth_bench.running.shard import shard_of
    from lth_bench.running.starts import keep_starts
    from lth_bench.running.stragglers import StragglerWatch
    from lth_bench.running.until_decided.run import RunWork, UntilDecided, conclusion, due_first

    require_hardware(place, suite)
    root = data_root()
    plan = plan_suite(suite, registry, root)
    require_ablated(plan)
    whole = shard_of(plan, request.selection.shard)
    if only is not None:
        chosen = [p for p in whole.experiments if p.experiment.experiment_id in only]
        whole = replace(whole, experiments=tuple(chosen))
    paths = Paths(execution.results)
    about = place.describe()
    provenance = Provenance.of(about["device"])

    def look() -> RunWork:
        found = remaining(
            whole,
            paths,
            registry=registry,
            root=root,
            workers=place.here,
            provenance=provenance,
            retry=execution.retry_policy,
        )
        return RunWork(whole, found) if suite.decide is None else due_first(whole, paths, found)

    seen = _size(paths.journal)
    plan, left, due = look()
    left_out = preflight((p.experiment for p in left.todo), registry)
    opened = Opened([], {}, {})
    if left.todo:
        place.probe()
        about = place.describe()
        opened = open_data(left.todo, registry, root, place.here, provenance)
        if not left.ended:
            require_some([opened.fault(p) for p in left.todo])
        require_space(paths, sum(p.bytes for p in left.todo) + plan.dense_bytes)
    paces: dict[tuple[str, str, str], Pace] = {}
    if execution.cohort_size is None:  # paces are those of the size that is measured
        unfinished = (p.experiment for p in left.todo)
        paces = measured_paces(paths, unfinished, str(about["device"]))
    seconds = expected_seconds(plan, left.todo, paces, len(place.workers))
    run_id = uuid.uuid4().hex[:12]
    config = worker_config(request, paths, root, place.workers, provenance.fingerprints)
    with Journal(paths) as journal:
        if _size(paths.journal) != seen:  # another run has ended since; no other writes now
            plan, left, due = look()
        todo, ended = left.todo, left.ended.values()
        keep_starts(todo, paths.artifacts)  # within the journal's lock, so that gc lets them be
        summary = RunSummary(
            run_id=run_id,
            suite=suite.name,
            planned=len(plan.experiments),
            reused=len(ended),
            statuses=Counter(ended),
        )
        summary.notes += [*left_out, *plan.notes, *opened.notes, *left.notes]
        experiments = write_head(
            journal,
            run_id=run_id,
            plan=plan,
            registry=registry,
            command=request.command,
            environment=about,
        )
        recorder = Recorder(
            journal=journal,
            paths=paths,
            run_id=run_id,
            summary=summary,
            emit=emit,
            exit_first=execution.exit_first,
            provenance=provenance,
            replaced=left.replaced,
            watch=StragglerWatch(paces),
        )
        planned = (p.experiment for p in whole.experiments)
        recorder.give_up([e for e in planned if e.experiment_id in left.outdated])
        started = _started(plan, todo, len(place.workers), seconds, experiments)
        write_started(journal, run_id, started)
        emit(started)
        if left.ended and todo:
            emit(CaughtUp(tickets_of(paths, left.ended.keys())))
        for note in place.devices.notes if todo else ():
            recorder.handle(Note(note))
        try:
            with terminate_as_interrupt():
                sound = []
                for item in todo:
                    if (fault := opened.fault(item)) is not None:
                        recorder.fail(item.experiment, fault)
                    else:
                        sound.append(item)
                handle: Listener = recorder.handle
                work: Sequence[Planned] | Schedule = sound
                if due is not None:
                    adding = UntilDecided(due=due, plan=whole, recorder=recorder)
                    handle, work = adding.handle, adding.begin(sound)
                if sound:
                    place.run(config, work, handle, planned=sound, registry=registry)
        except KeyboardInterrupt:
            summary.interrupted = True
            recorder.interrupt()
        except FirstFailure as failure:
            summary.stopped_at = str(failure)
            recorder.interrupt("the run stopped at another experiment's failure")
        finally:
            emit(RunEnded())
            recorder.fold(final=True)
        if due is not None:
            summary.notes += conclusion(due.seeds, whole, paths.results)
    summary.seconds = time.monotonic() - began
    return summary


def _started(
    plan: Plan,
    todo: Sequence[Planned],
    workers: int,
    seconds: float | None,
    experiments: Sequence[Mapping[str, Any]],
) -> RunStarted:
    """Every experiment counts by its steps; the dense run counts where it is reported."""
    steps = {}
    for item in todo:
        e = item.experiment
        steps[e.experiment_id] = max(1, item.steps or plan.dense_runs.get((*e.task, e.seed), 0))
    return RunStarted(
        suite=plan.suite.name,
        planned=len(plan.experiments),
        trainings=plan.trainings,
        steps=steps,
        titles={p.experiment.experiment_id: title(p.experiment) for p in todo},
        workers=workers,
        seconds=seconds,
        experiments=experiments,
        headline=plan.suite.headline,
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


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
    from lth_bench.running.executors.processes import SIGNALS

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
            f"{paths.results} exists but is not a DuckDB database; name another file with --results"
        )
    if paths.results.exists() and paths.results.stat().st_size:
        # the database would be rebuilt from this run's journal alone
        raise UserError(
            f"{paths.results} is a database without its journal, such as a snapshot; bring it into "
            f"new results with `lth-bench merge {paths.quoted} --results NEW.duckdb`, or name "
            f"another file with --results"
        )
