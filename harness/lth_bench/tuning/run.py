"""A tuning from suite to studies: all of them advance together, and keep the machine full."""

from __future__ import annotations

import hashlib
import math
import os
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lth_bench.basis import Basis, open_data
from lth_bench.errors import INTERRUPTED, OK, SOME_FAILED, UserError
from lth_bench.executors.schedule import Schedule
from lth_bench.outcomes import DONE
from lth_bench.plan import Plan, Planned, require_some
from lth_bench.recorder import Recorder, Summary, write_head
from lth_bench.runner import Settings, require_space, terminate_as_interrupt, worker_config
from lth_bench.store.journal import Journal
from lth_bench.store.paths import Paths, open_to_read
from lth_bench.systems import require_system
from lth_bench.tuning.earlier import earlier_outcomes
from lth_bench.tuning.elsewhere import record_others
from lth_bench.tuning.goals import goals_of, idle
from lth_bench.tuning.outdated import require_same_data, split_outdated
from lth_bench.tuning.record import trial_record
from lth_bench.tuning.study import Proposal, State, Study, Told, require_store
from lth_bench.tuning.trial import Outcome, Running, plan_trial

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.suite.spec import Suite
    from lth_bench.tuning.progress import TuneProgress

WAITING = {"cpu": 8, "cuda": 48}
"""Experiments under way or waiting for each worker, so that cohorts are full and no worker is idle
at a trial's end. More of them would leave a sampler less to learn from.
"""


@dataclass
class TuneSummary:
    """How a tuning ended."""

    run_id: str
    studies: list[Study]
    interrupted: bool = False
    seconds: float = 0.0
    training_seconds: float = 0.0
    """Really spent in trainings, summed over the workers."""
    workers: int = 1
    told: dict[State, int] = field(default_factory=lambda: defaultdict(int))
    """Trials that ended in this run, by their state."""
    notes: list[str] = field(default_factory=list)
    faults: int = 0
    """Tasks that cannot run."""
    elsewhere: int = 0
    """Trials of these studies that were still under way in other processes when this one had
    nothing left to propose. Until they have ended the studies are not whole."""

    @property
    def exit_code(self) -> int:
        """0 all ok, 1 some trials failed or tasks cannot run, 2 interrupted."""
        if self.interrupted:
            return INTERRUPTED
        return SOME_FAILED if self.told.get("failed") or self.faults else OK


def tune_suite(
    suite: Suite,
    registry: Registry,
    settings: Settings,
    progress: TuneProgress,
    restart: bool = False,
    take_over: bool = False,
) -> TuneSummary:
    """Spend what is left of every study's budget. What can be refused is, before training.

    With `restart` the suite's studies begin again. With `take_over` trials that are under way in
    other processes are run here: those are gone, the user says.
    """
    from lth_bench import devices, environment
    from lth_bench.data.root import data_root
    from lth_bench.executors.local import LocalExecutor
    from lth_bench.executors.probe import usable
    from lth_bench.plugins.preflight import preflight
    from lth_bench.suite.check import check
    from lth_bench.suite.consent import require_storage
    from lth_bench.tuning.storage import close_storage, open_storage

    began = time.monotonic()
    require_system()
    require_storage(suite, settings.command)
    check(suite, registry)
    chosen = devices.choose(settings.device)
    for task in suite.tasks:
        dtype = str(task.recipe.get("dtype", "float32"))
        devices.check_dtype(dtype, chosen.names, task.recipe_name)
    root = data_root()
    faults: dict[str, str] = {}
    goals = goals_of(suite, registry, root, faults)
    chosen, probed = usable(chosen)
    workers = devices.workers_for(chosen.names, settings.workers)
    firsts = {
        g.name: [*plan_trial(g, Proposal(0, g.default, "default"), registry, root).experiments]
        for g in goals
    }
    planned = [p for first in firsts.values() for p in first]
    left_out = preflight((p.experiment for p in planned), registry)
    about = environment.describe(chosen.names, probed)
    basis = Basis.of(about["device"])
    opened = open_data(planned, registry, root, workers, basis)
    require_some([opened.fault(p) for p in planned])
    faults |= {g.task.spec.label: why for g in goals if (why := opened.fault(firsts[g.name][0]))}
    goals = [g for g in goals if g.task.spec.label not in faults]
    planned = [p for g in goals for p in firsts[g.name]]
    paths = Paths(settings.results)
    trials = max(g.tune.budget.trials or 1 for g in goals)
    require_space(paths, trials * sum(p.bytes for p in planned))
    config = worker_config(settings, paths, root, workers)
    run_id = uuid.uuid4().hex[:12]
    with Journal(paths) as journal:
        where = suite.tune.storage if suite.tune and suite.tune.storage else str(paths.tuning)
        storage = open_storage(suite.tune.storage if suite.tune else None, paths)
        if restart:
            _forget(storage, {goal.name for goal in goals})
        studies = [Study(storage, where, goal, _token(paths)) for goal in goals]
        earlier = earlier_outcomes(paths, DONE)
        outcomes, outdated = split_outdated(earlier, basis.fingerprints)
        require_same_data(studies, outdated, registry, root)
        summary = TuneSummary(run_id, studies, workers=len(workers))
        summary.faults = len(faults)
        lost = [f"{task} cannot run, and is not tuned: {why}" for task, why in faults.items()]
        summary.notes += [*left_out, *opened.notes]
        plan = Plan(suite, tuple(planned), {}, 0)
        write_head(journal, run_id, plan, registry, settings, about)
        for study in studies:
            study.results = study.owner["results"] = _token(paths)
        silent = Summary(run_id, suite.name, 0, 0)
        recorder = Recorder(journal, paths, run_id, silent, _Silent(), basis=basis)
        waiting = len(workers) * WAITING[workers[0].partition(":")[0]]
        conductor = Conductor(
            studies, registry, root, recorder, progress, outcomes, waiting, summary
        )
        conductor.announced.update(p.experiment.experiment_id for p in planned)
        progress.begin(studies, len(workers))
        for note in (*chosen.notes, *idle(goals), *lost):
            progress.event({"event": "observer", "message": note})
        try:
            with terminate_as_interrupt():
                conductor.begin(take_over)
                if len(conductor.schedule):
                    LocalExecutor(config, workers).run(conductor.schedule, conductor.handle)
                for study in studies:
                    record_others(journal, study, registry, root, run_id)
                summary.elsewhere = sum(study.elsewhere for study in studies)
        except KeyboardInterrupt:
            summary.interrupted = True
            recorder.interrupt()
        except UserError:
            raise
        except Exception as error:
            if _of_the_store(error):
                raise require_store(error, where) from error
            raise
        finally:
            progress.end()
            recorder.fold(final=True)
            close_storage(storage)
    summary.notes += silent.notes
    summary.seconds = time.monotonic() - began
    return summary


class Conductor:
    """Proposes trials, hands their experiments to the executor, and tells the studies."""

    def __init__(
        self,
        studies: Sequence[Study],
        registry: Registry,
        root: Path,
        recorder: Recorder,
        progress: TuneProgress,
        outcomes: dict[str, Outcome],
        waiting: int,
        summary: TuneSummary,
    ) -> None:
        self.studies, self.registry, self.root = studies, registry, root
        self.recorder, self.progress, self.summary = recorder, progress, summary
        self.outcomes = outcomes
        """Of every experiment that is done or scheduled."""
        self.waiting = waiting
        """Experiments that should be under way or ready to start, of all studies together."""
        self.schedule = Schedule(())
        self.trials: dict[tuple[int, int], Running] = {}
        """(index of the study, number) → trials under way."""
        self.announced: set[str] = set()
        """Experiments that the journal says are planned in this run."""
        self.dense: set[str] = set()
        """Dense experiments that the schedule knows of."""

    def begin(self, take_over: bool = False) -> None:
        """Take up what was left half done, and propose the first trials."""
        for i, study in enumerate(self.studies):
            study.wait_for_signatures(self._say)
            for proposal in study.adopt(take_over):
                self._launch(i, proposal)
        self._advance()

    def _say(self, message: str) -> None:
        self.progress.event({"event": "observer", "message": message})

    def handle(self, record: dict[str, Any]) -> None:
        """A worker's record, or an executor's event: to the journal first."""
        self.recorder.handle(record)
        self.progress.event(record)
        if record.get("event") == "trained":
            self.summary.training_seconds += record["seconds"]
        if record.get("record") in ("ticket", "experiment"):
            self.outcomes[record["experiment_id"]].take(record)
        if record.get("record") == "experiment":
            self._advance()

    def _advance(self) -> None:
        """Judge what has ended, and propose until every study has its batch under way."""
        again = True
        while again:
            again = False
            for key in sorted(self.trials):
                if key in self.trials and self._step(*key):
                    again = True
            for i, study in enumerate(self.studies):
                again = self._fill(i) or again
                while study.settle():
                    again = self._fill(i) or again

    def _fill(self, index: int) -> bool:
        """Propose until the study's batch is under way. Whether there was anything to propose."""
        study, any_ = self.studies[index], False
        while len(study.running) < self._batch(index):
            proposal = study.propose()
            if proposal is None:
                break
            self._launch(index, proposal)
            any_ = True
        return any_

    def _batch(self, index: int) -> int:
        """Trials of a study under way at a time: a function of the suite and the machine alone, so
        that what is proposed does not depend on which study is how far.

        Each study could fill the machine by itself, as the one with the longest trials will in the
        end have to; but two thirds of a small budget are proposed after something is known.
        """
        goal = self.studies[index].goal
        if goal.tune.batch is not None:
            return goal.tune.batch
        each = len(goal.objective.seeds)
        if not getattr(goal.strategy, "iterative", False) and "density" not in goal.tune.objectives:
            each *= len(goal.objective.densities)
        trials = goal.tune.budget.trials or 3 * self.waiting
        return max(2, min(math.ceil(self.waiting / each), trials // 3))

    def _launch(self, index: int, proposal: Proposal) -> None:
        study = self.studies[index]
        try:
            running = plan_trial(study.goal, proposal, self.registry, self.root)
        except UserError as error:
            self._end(index, proposal, None, Told("failed", (), 0, 0.0, error.message))
            return
        study.expect(proposal.number, running.steps)
        self.trials[index, proposal.number] = running
        pruned = study.goal.tune.pruner != "none" and proposal.origin != "default"
        self._want(running, study.goal.objective.seeds[: 1 if pruned else None], study)

    def _want(self, running: Running, seeds: Iterable[int], study: Study) -> None:
        """Schedule the experiments of these seeds that nobody has scheduled yet."""
        new: list[Planned] = []
        shared = running.task is study.goal.task
        for seed in seeds:
            fresh = [p for p in running.by_seed[seed] if not self._known(p)]
            dense = running.dense[seed]
            if study.goal.objective.needs_dense or (fresh and shared):
                # a task's dense run opens the group, so that it is trained once and first
                fresh = [dense, *fresh] if not self._known(dense) else fresh
            if fresh and dense.experiment.experiment_id not in self.dense and self._done(dense):
                self.dense.add(dense.experiment.experiment_id)
                self.schedule.done(dense)
            new += fresh
        if new:
            for item in new:
                self.outcomes[item.experiment.experiment_id] = Outcome()
            fresh = [p for p in new if p.experiment.experiment_id not in self.announced]
            if fresh:
                self.announced.update(p.experiment.experiment_id for p in fresh)
                self.recorder.journal.append(
                    {
                        "record": "planned",
                        "run_id": self.recorder.run_id,
                        "experiments": [p.experiment.planned_record() for p in fresh],
                    }
                )
            self.schedule.add(new)

    def _known(self, item: Planned) -> bool:
        return item.experiment.experiment_id in self.outcomes

    def _done(self, item: Planned) -> bool:
        outcome = self.outcomes.get(item.experiment.experiment_id)
        return outcome is not None and outcome.status is not None

    def _step(self, index: int, number: int) -> bool:
        """Go on with a trial as far as its results allow. Whether anything happened."""
        study, running = self.studies[index], self.trials[index, number]
        seeds = study.goal.objective.seeds
        needed = study.goal.objective.needs_dense
        moved = False
        while running.stage < len(seeds):
            seed = seeds[running.stage]
            items = [*running.by_seed[seed], *([running.dense[seed]] if needed else [])]
            if not all(self._known(p) for p in items):
                self._want(running, [seed], study)  # a pruner has let it go on
                return True
            if not all(self._done(p) for p in items):
                return moved
            running.stage, moved = running.stage + 1, True
            bad = self._fault(study, items)
            if bad is not None:
                self._conclude(index, running, "failed", bad)
                return True
            if study.goal.tune.pruner != "none" and self._prune(study, running):
                self._conclude(index, running, "pruned", None)
                return True
        self._conclude(index, running, "complete", None)
        return True

    def _fault(self, study: Study, items: Sequence[Planned]) -> str | None:
        """Why a trial has no value. What a method itself loses, single objectives count as 0."""
        lost = {"ok", "skipped", "diverged"} if len(study.goal.objective.names) == 1 else {"ok"}
        for item in items:
            outcome = self.outcomes[item.experiment.experiment_id]
            if outcome.status not in lost:
                return outcome.reason or str(outcome.status)
            if len(lost) == 1 and set(item.experiment.densities) - set(outcome.accuracies):
                return "a density could not be reached"
        return None

    def _accuracies(self, running: Running) -> dict[tuple[int, float], float]:
        found: dict[tuple[int, float], float] = {}
        for item in running.experiments:
            outcome = self.outcomes.get(item.experiment.experiment_id)
            if outcome is not None and outcome.status is not None:
                for density in item.experiment.densities:
                    value = outcome.accuracies.get(density, 0.0)
                    found[item.experiment.seed, density] = value
        return found

    def _dense_accuracies(self, running: Running) -> dict[int, float]:
        found = {}
        for seed, item in running.dense.items():
            outcome = self.outcomes.get(item.experiment.experiment_id)
            if outcome is not None and outcome.status is not None:
                found[seed] = outcome.accuracies.get(1.0, 0.0)
        return found

    def _prune(self, study: Study, running: Running) -> bool:
        """Report the seed that has ended; whether the pruner gives the trial up."""
        objective, number = study.goal.objective, running.proposal.number
        accuracies, dense = self._accuracies(running), self._dense_accuracies(running)
        for position, value in objective.course(accuracies, dense, running.stage):
            study.report(number, position, value)
        return running.stage < len(objective.seeds) and study.should_prune(number)

    def _conclude(self, index: int, running: Running, state: State, reason: str | None) -> None:
        study = self.studies[index]
        objective = study.goal.objective
        steps, seconds, ratios = 0, 0.0, []
        for item in running.experiments:
            outcome = self.outcomes.get(item.experiment.experiment_id)
            if outcome is None or outcome.status is None:
                continue
            spent = outcome.spent
            steps, seconds = steps + spent[0], seconds + max(spent[1], 1e-3)
            # like the accuracy of the dense run, its length is that of the suite's own recipe
            ratios += [s / study.goal.task.total_steps for s, _ in outcome.costs.values()]
        for seed in objective.seeds[: running.stage] if objective.needs_dense else ():
            spent = self.outcomes[running.dense[seed].experiment.experiment_id].spent
            steps, seconds = steps + spent[0], seconds + spent[1]
        values: tuple[float, ...] = ()
        if state == "complete":
            accuracies = self._accuracies(running)
            dense, densities = self._dense_accuracies(running), running.settings.densities
            cost = fmean(ratios) if ratios else math.inf
            values = tuple(objective.values(accuracies, dense, densities, cost))
        elif state == "failed":
            steps = max(steps, running.steps)  # or a steps' budget would never end
        del self.trials[index, running.proposal.number]
        self._end(index, running.proposal, running, Told(state, values, steps, seconds, reason))

    def _end(self, index: int, proposal: Proposal, running: Running | None, told: Told) -> None:
        """The journal first, then the study."""
        study = self.studies[index]
        course: list[tuple[int, float]] = []
        ids: list[str] = []
        if running is not None:
            accuracies, dense = self._accuracies(running), self._dense_accuracies(running)
            if told.state != "failed" and len(study.goal.objective.names) == 1:
                course = study.goal.objective.course(accuracies, dense, running.stage, whole=True)
            ids = [
                p.experiment.experiment_id
                for seed in study.goal.objective.seeds[: running.stage]
                for p in running.by_seed[seed]
            ]
        self.recorder.journal.append(
            trial_record(study, proposal, told, course, ids, self.recorder.run_id)
        )
        self.summary.told[told.state] += 1
        self.progress.trial(study, proposal.number, told)
        study.tell(proposal.number, told)


class _Silent:
    """Tuning shows trials, not experiments."""

    def begin(self, *_: Any) -> None: ...
    def event(self, record: dict[str, Any]) -> None: ...
    def end(self) -> None: ...


def _forget(storage: Any, names: set[str]) -> None:
    for study in storage.get_all_studies():
        if study.study_name in names:
            storage.delete_study(study._study_id)


def _token(paths: Paths) -> str:
    """An id of these results: their journal's first line is no other's."""
    try:
        with open_to_read(paths.journal, "journal") as file:
            return hashlib.blake2b(file.readline(), digest_size=8).hexdigest()
    except FileNotFoundError:
        return f"new {os.getpid()}"


def _of_the_store(error: Exception) -> bool:
    module = type(error).__module__.partition(".")[0]
    return module in ("optuna", "sqlalchemy")
