"""Trials under way: proposed, handed to the executor, judged and told, in all studies at once."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lth_bench.errors import INTERRUPTED, OK, SOME_FAILED, UserError
from lth_bench.running.executors.schedule import Schedule
from lth_bench.running.plan import Planned
from lth_bench.running.recorder import Recorder
from lth_bench.tuning.record import trial_record
from lth_bench.tuning.study import Proposal, State, Study, Told
from lth_bench.tuning.trial import Outcome, Running, plan_trial

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.tuning.progress import TuneProgress


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
        """Schedule the experiments of these seeds that are not scheduled yet."""
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
