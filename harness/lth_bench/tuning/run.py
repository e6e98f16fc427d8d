"""Tune a suite: all of its studies advance together and keep the machine full."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.running.datasets import open_data
from lth_bench.running.pending import DONE
from lth_bench.running.plan import Plan, require_some
from lth_bench.running.progress import (
    Event,
    Listener,
    Note,
    Retried,
    RunEnded,
    Stopping,
    Straggling,
    WorkersUsed,
)
from lth_bench.running.provenance import Provenance
from lth_bench.running.recorder import Recorder, RunSummary, write_head
from lth_bench.running.request import RunRequest
from lth_bench.running.runner import require_space, terminate_as_interrupt, worker_config
from lth_bench.store.journal import Journal
from lth_bench.store.paths import Paths, open_to_read
from lth_bench.system.devices import all_of, require_system
from lth_bench.system.text import redacted
from lth_bench.tuning.goal import goals_of, idle
from lth_bench.tuning.journal import (
    earlier_outcomes,
    record_others,
    require_same_data,
    split_outdated,
)
from lth_bench.tuning.loop import TuneSummary, TuningLoop
from lth_bench.tuning.study import Proposal, RunningStudy, storage_error
from lth_bench.tuning.trial import plan_trial

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.executors.places import Workplace
    from lth_bench.suite.spec import Suite

WAITING = {"cpu": 8, "cuda": 48}
"""Experiments running or waiting for each worker, so that cohorts are full and no worker is idle at
the end of a trial. With more of them, a sampler would have less to learn from.
"""


def tune_suite(
    suite: Suite,
    registry: Registry,
    request: RunRequest,
    *,
    emit: Listener,
    restart: bool = False,
    take_over: bool = False,
    compares: bool = False,
) -> TuneSummary:
    """Spend the remaining budget of every study. Mistakes are reported before anything trains.

    With `restart` the suite's studies start again. With `take_over` this process also runs the
    unfinished trials of other processes, because the user knows that these have ended. `compares`
    tells followers that a run which compares settings comes next, if the studies are complete and
    a trial has a value.
    """
    from lth_bench.running.executors.places import open_place
    from lth_bench.suite.check import check, require_storage

    require_system()
    require_storage(suite, request.command)
    check(suite, registry)
    with open_place(request.execution) as place:
        return _tune_at(
            place,
            suite,
            registry,
            request,
            emit=emit,
            restart=restart,
            take_over=take_over,
            compares=compares,
        )


def _tune_at(
    place: Workplace,
    suite: Suite,
    registry: Registry,
    request: RunRequest,
    *,
    emit: Listener,
    restart: bool,
    take_over: bool,
    compares: bool,
) -> TuneSummary:
    from lth_bench.data.root import data_root
    from lth_bench.plugins.preflight import preflight
    from lth_bench.running.executors.places import require_hardware
    from lth_bench.running.starts import keep_starts
    from lth_bench.running.stragglers import StragglerWatch
    from lth_bench.tuning.storage import close_storage, open_storage

    began = time.monotonic()
    require_hardware(place, suite)
    root = data_root()
    faults: dict[str, str] = {}
    goals = goals_of(suite, registry, root, faults)
    place.probe()
    workers = place.workers
    firsts = {
        g.name: [*plan_trial(g, Proposal(0, g.default, "default"), registry, root).experiments]
        for g in goals
    }
    planned = [p for first in firsts.values() for p in first]
    left_out = preflight((p.experiment for p in planned), registry)
    about = place.describe()
    provenance = Provenance.of(about["device"])
    opened = open_data(planned, registry, root, place.here, provenance)
    require_some([opened.fault(p) for p in planned])
    faults |= {g.task.spec.label: why for g in goals if (why := opened.fault(firsts[g.name][0]))}
    goals = [g for g in goals if g.task.spec.label not in faults]
    planned = [p for g in goals for p in firsts[g.name]]
    paths = Paths(request.execution.results)
    trials = max(g.tune.budget.trials or 1 for g in goals)
    require_space(paths, trials * sum(p.bytes for p in planned))
    config = worker_config(request, paths, root, workers, provenance.fingerprints)
    run_id = uuid.uuid4().hex[:12]
    with Journal(paths) as journal, ExitStack() as connections:
        keep_starts(planned, paths.artifacts)  # within the journal's lock, so that gc lets them be
        url = suite.tune.storage if suite.tune else None
        where = redacted(url) if url else str(paths.tuning)
        storage = open_storage(url, paths)
        connections.callback(close_storage, storage)
        if restart:
            _forget(storage, {goal.name for goal in goals})
        studies = [RunningStudy(storage, where, goal, _token(paths)) for goal in goals]
        earlier = earlier_outcomes(paths, DONE)
        outcomes, outdated = split_outdated(earlier, provenance.fingerprints)
        require_same_data(studies, outdated, registry, root)
        summary = TuneSummary(run_id=run_id, studies=studies, workers=len(workers))
        summary.faults = len(faults)
        lost = [f"{task} cannot run, so it is not tuned: {why}" for task, why in faults.items()]
        summary.notes += [*left_out, *opened.notes]
        plan = Plan(suite=suite, experiments=tuple(planned), dense_runs={}, dense_bytes=0)
        write_head(
            journal,
            run_id=run_id,
            plan=plan,
            registry=registry,
            command=request.command,
            environment=about,
        )
        for study in studies:
            study.results = study.owner["results"] = _token(paths)
        silent = RunSummary(run_id=run_id, suite=suite.name, planned=0, reused=0)
        recorder = Recorder(
            journal=journal,
            paths=paths,
            run_id=run_id,
            summary=silent,
            emit=partial(_of_trials, emit),
            provenance=provenance,
            # without paces: trainings of earlier runs had other settings
            watch=StragglerWatch(trials=True),
        )
        waiting = len(workers) * WAITING[all_of(workers)[0].partition(":")[0]]
        loop = TuningLoop(
            studies=studies,
            registry=registry,
            root=root,
            recorder=recorder,
            emit=emit,
            outcomes=outcomes,
            waiting=waiting,
            summary=summary,
        )
        loop.announced.update(p.experiment.experiment_id for p in planned)
        started = loop.scores.started(len(workers))
        studied = [asdict(study) for study in started.studies]
        recorder.follow("tuning", opening=started.opening, studies=studied)
        emit(started)
        for note in (*place.devices.notes, *idle(goals), *lost):
            recorder.handle(Note(note))
        ended = False
        try:
            with terminate_as_interrupt():
                loop.begin(take_over)
                if len(loop.schedule):
                    place.run(
                        config, loop.schedule, loop.handle, planned=planned, registry=registry
                    )
                for study in studies:
                    record_others(journal, study, registry, root, run_id)
                summary.elsewhere = sum(study.elsewhere for study in studies)
                ended = summary.complete and any(
                    trial.state.name == "COMPLETE" for study in studies for trial in study.trials
                )
        except KeyboardInterrupt:
            summary.interrupted = True
            recorder.interrupt()
        except UserError:
            raise
        except Exception as error:
            if _from_storage(error):
                raise storage_error(error, where) from error
            raise
        finally:
            emit(RunEnded())
            with suppress(UserError):  # what ended it is told, not that this could not be recorded
                recorder.follow("tuned", compares=compares and ended)
            recorder.fold(final=True)
    summary.notes += silent.notes
    summary.uses = silent.uses
    summary.seconds = time.monotonic() - began
    return summary


def _of_trials(emit: Listener, event: Event) -> None:
    """Tuning shows trials, not experiments, and what goes wrong on the way."""
    if isinstance(event, Note | Retried | Stopping | Straggling | WorkersUsed):
        emit(event)


def _forget(storage: Any, names: set[str]) -> None:
    for study in storage.get_all_studies():
        if study.study_name in names:
            storage.delete_study(study._study_id)


def _token(paths: Paths) -> str:
    """An id of these results, from the first line of their journal, which is unique."""
    try:
        with open_to_read(paths.journal, "journal") as file:
            return hashlib.blake2b(file.readline(), digest_size=8).hexdigest()
    except FileNotFoundError:
        return f"new {os.getpid()}"


def _from_storage(error: Exception) -> bool:
    module = type(error).__module__.partition(".")[0]
    return module in ("optuna", "sqlalchemy")
