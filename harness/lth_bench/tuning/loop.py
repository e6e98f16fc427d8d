"""The tuning loop: propose trials, hand them to the executor, judge and record their results."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import INTERRUPTED, OK, SOME_FAILED, UserError
from lth_bench.running.executors.schedule import Schedule
from lth_bench.running.plan import Planned
from lth_bench.running.progress import (
    Event,
    Listener,
    Note,
    Recorded,
    StepsTrained,
)
from lth_bench.running.recorder import Recorder
from lth_bench.running.usage import WorkerUse
from lth_bench.stats import mean
from lth_bench.tuning.journal import trial_record
from lth_bench.tuning.objective import StudyObjective
from lth_bench.tuning.progress import Scoreboard
from lth_bench.tuning.study import Proposal, RunningStudy, TrialResult, TrialStatus
from lth_bench.tuning.trial import ExperimentOutcome, RunningTrial, plan_trial

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


@dataclass(kw_only=True)
class TuneSummary:
    """How tuning ended."""

    run_id: str
    studies: list[RunningStudy]
    interrupted: bool = False
    seconds: float = 0.0
    training_seconds: float = 0.0
    """Spent in trainings that really ran, summed over the workers."""
    workers: int = 1
    ended: dict[TrialStatus, int] = field(default_factory=lambda: defaultdict(int))
    """Trials that ended in this run, by their state."""
    notes: list[str] = field(default_factory=list)
    faults: int = 0
    """Tasks that cannot run."""
    uses: Sequence[WorkerUse] = ()
    """What the workers did with their time."""
    elsewhere: int = 0
    """Trials of these studies that were still running in other processes when this one had nothing
    left to propose. Until they have ended, the studies are incomplete."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left of the studies' budgets."""
        return not self.interrupted and not self.elsewhere

    @property
    def exit_code(self) -> int:
        """0 all ok, 1 some trials failed or tasks cannot run, 2 interrupted."""
        if self.interrupted:
            return INTERRUPTED
        return SOME_FAILED if self.ended.get("failed") or self.faults else OK


class TuningLoop:
    """Proposes trials, hands their experiments to the executor, and tells the studies."""

    def __init__(
        self,
        *,
        studies: Sequence[RunningStudy],
        registry: Registry,
        root: Path,
        recorder: Recorder,
        emit: Listener,
        outcomes: dict[str, ExperimentOutcome],
        waiting: int,
        summary: TuneSummary,
    ) -> None:
        self.studies, self.registry, self.root = studies, registry, root
        self.recorder, self.emit, self.summary = recorder, emit, summary
        self.scores = Scoreboard(studies)
        self.outcomes = outcomes
        """Of every finished or scheduled experiment."""
        self.waiting = waiting
        """Experiments that should be running or ready to start, over all studies."""
        self.schedule = Schedule(())
        self.trials: dict[tuple[int, int], RunningTrial] = {}
        """(index of the study, number of the trial) → running trial."""
        self.announced: set[str] = set()
        """Experiments that the journal has as planned in this run."""
        self.dense: set[str] = set()
        """Dense runs that the schedule knows of."""

    def begin(self, take_over: bool = False) -> None:
        """Resume unfinished trials, and propose the first new ones."""
        for i, study in enumerate(self.studies):
            study.wait_for_owners(self._say)
            for proposal in study.adopt(take_over):
                self._launch(i, proposal)
        self._advance()

    def _say(self, message: str) -> None:
        self.recorder.handle(Note(message))

    def handle(self, event: Event) -> None:
        """An executor's event or a worker's; the journal gets it first."""
        self.recorder.handle(event)
        match event:
            case StepsTrained(_, seconds):
                self.summary.training_seconds += seconds
            case Recorded(record):
                self.outcomes[record["experiment_id"]].take(record)
                if event.ends:
                    self._advance()

    def _advance(self) -> None:
        """Judge what has ended, and propose trials until every study runs a full batch."""
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
        """Propose until the study runs a full batch. Whether there was anything to propose."""
        study, any_ = self.studies[index], False
        while len(study.running) < self._batch(index):
            proposal = study.propose()
            if proposal is None:
                break
            self._launch(index, proposal)
            any_ = True
        return any_

    def _batch(self, index: int) -> int:
        """Trials of a study that run at a time: a function of the suite and the machine alone, so
        that proposals do not depend on the progress of other studies.

        Each study could fill the machine by itself, as the one with the longest trials has to in
        the end; but two thirds of a small budget are proposed after the first results.
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
            self._end(
                index,
                proposal,
                None,
                TrialResult(state="failed", values=(), steps=0, seconds=0.0, reason=error.message),
            )
            return
        study.expect(proposal.number, running.steps)
        self.trials[index, proposal.number] = running
        pruned = study.goal.tune.pruner != "none" and proposal.origin != "default"
        self._want(running, study.goal.objective.seeds[: 1 if pruned else None], study)

    def _want(self, running: RunningTrial, seeds: Iterable[int], study: RunningStudy) -> None:
        """Schedule those experiments of these seeds that are not scheduled yet."""
        new: list[Planned] = []
        shared = running.task is study.goal.task
        for seed in seeds:
            fresh = [p for p in running.by_seed[seed] if not self._known(p)]
            dense = running.dense[seed]
            if study.goal.objective.needs_dense or (fresh and shared):
                # a task's dense run comes first in its group, so that it is trained once
                fresh = [dense, *fresh] if not self._known(dense) else fresh
            if fresh and dense.experiment.experiment_id not in self.dense and self._done(dense):
                self.dense.add(dense.experiment.experiment_id)
                self.schedule.done(dense)
            new += fresh
        if new:
            for item in new:
                outcome = ExperimentOutcome(metric=item.experiment.metric)
                self.outcomes[item.experiment.experiment_id] = outcome
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
        """Advance a trial as far as its results allow. Whether anything happened."""
        study, running = self.studies[index], self.trials[index, number]
        seeds = study.goal.objective.seeds
        needed = study.goal.objective.needs_dense
        moved = False
        while running.stage < len(seeds):
            seed = seeds[running.stage]
            items = [*running.by_seed[seed], *([running.dense[seed]] if needed else [])]
            if not all(self._known(p) for p in items):
                self._want(running, [seed], study)  # the pruner lets it continue
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

    def _fault(self, study: RunningStudy, items: Sequence[Planned]) -> str | None:
        """Why a trial has no value. With a single objective, a ticket that the method lost counts
        as the metric's worst value, if there is one: accuracy 0.
        """
        objective = study.goal.objective
        counts = len(objective.names) == 1 and objective.measure.worst is not None
        lost = {"ok", "skipped", "diverged"} if counts else {"ok"}
        for item in items:
            outcome = self.outcomes[item.experiment.experiment_id]
            if outcome.status not in lost:
                return outcome.reason or str(outcome.status)
            if len(lost) == 1 and set(item.experiment.densities) - set(outcome.values):
                return "a density could not be reached"
            if objective.measure.worst is None and None in outcome.values.values():
                return f"a ticket has no finite {objective.measure.words}"
        return None

    def _values(
        self, running: RunningTrial, objective: StudyObjective
    ) -> dict[tuple[int, float], float]:
        found: dict[tuple[int, float], float] = {}
        for item in running.experiments:
            outcome = self.outcomes.get(item.experiment.experiment_id)
            if outcome is not None and outcome.status is not None:
                for density in item.experiment.densities:
                    value = outcome.values.get(density)
                    # without a worst value, `_fault` has ended the trial
                    value = objective.measure.worst if value is None else value
                    if value is not None:
                        found[item.experiment.seed, density] = value
        return found

    def _dense_values(self, running: RunningTrial, objective: StudyObjective) -> dict[int, float]:
        found = {}
        for seed, item in running.dense.items():
            outcome = self.outcomes.get(item.experiment.experiment_id)
            if outcome is not None and outcome.status is not None:
                value = outcome.values.get(1.0)
                value = objective.measure.worst if value is None else value
                if value is not None:
                    found[seed] = value
        return found

    def _prune(self, study: RunningStudy, running: RunningTrial) -> bool:
        """Report the seed that has ended; whether the pruner stops the trial."""
        objective, number = study.goal.objective, running.proposal.number
        values, dense = self._values(running, objective), self._dense_values(running, objective)
        for position, value in objective.intermediate(values, dense, running.stage):
            study.report(number, position, value)
        return running.stage < len(objective.seeds) and study.should_prune(number)

    def _conclude(
        self, index: int, running: RunningTrial, state: TrialStatus, reason: str | None
    ) -> None:
        study = self.studies[index]
        objective = study.goal.objective
        steps, seconds, ratios = 0, 0.0, []
        for item in running.experiments:
            outcome = self.outcomes.get(item.experiment.experiment_id)
            if outcome is None or outcome.status is None:
                continue
            spent = outcome.spent
            steps, seconds = steps + spent[0], seconds + max(spent[1], 1e-3)
            # relative to the dense run of the suite's own recipe, as its accuracy is
            ratios += [s / study.goal.task.total_steps for s, _ in outcome.costs.values()]
        for seed in objective.seeds[: running.stage] if objective.needs_dense else ():
            spent = self.outcomes[running.dense[seed].experiment.experiment_id].spent
            steps, seconds = steps + spent[0], seconds + spent[1]
        values: tuple[float, ...] = ()
        if state == "complete":
            found, dense = self._values(running, objective), self._dense_values(running, objective)
            cost = mean(ratios) if ratios else math.inf
            values = tuple(objective.values(found, dense, running.settings.densities, cost))
        elif state == "failed":
            steps = max(steps, running.steps)  # or a budget in steps would never be spent
        del self.trials[index, running.proposal.number]
        self._end(
            index,
            running.proposal,
            running,
            TrialResult(state=state, values=values, steps=steps, seconds=seconds, reason=reason),
        )

    def _end(
        self, index: int, proposal: Proposal, running: RunningTrial | None, result: TrialResult
    ) -> None:
        """Record the result: first in the journal, then in the study."""
        study = self.studies[index]
        intermediate: list[tuple[int, float]] = []
        ids: list[str] = []
        if running is not None:
            objective = study.goal.objective
            if result.state != "failed" and len(objective.names) == 1:
                intermediate = objective.intermediate(
                    self._values(running, objective),
                    self._dense_values(running, objective),
                    running.stage,
                    whole=True,
                )
            ids = [
                p.experiment.experiment_id
                for seed in study.goal.objective.seeds[: running.stage]
                for p in running.by_seed[seed]
            ]
        ended = self.scores.ended(study, proposal, result)
        self.recorder.journal.append(
            trial_record(
                study,
                proposal,
                result,
                intermediate=intermediate,
                experiment_ids=ids,
                run_id=self.recorder.run_id,
                progress={**asdict(ended.study), "params": ended.params},
            )
        )
        self.summary.ended[result.state] += 1
        self.emit(ended)
        study.tell(proposal.number, result)
