"""Progress of tuning as events, which `output.progress` draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lth_bench.running.progress import StudyProgress, TrialEnded, TuningStarted
from lth_bench.store.trials import best_of
from lth_bench.tuning.goal import DENSITY
from lth_bench.tuning.study import Proposal, RunningStudy, TrialResult


class Scoreboard:
    """The trials of each study so far, and the best of them."""

    def __init__(self, studies: Sequence[RunningStudy]) -> None:
        self.studies = studies
        self.values: dict[str, dict[int, float]] = {}
        self.done: dict[str, int] = {}
        for study in studies:
            ended = [t for t in study.trials if t.state.is_finished()]
            self.done[study.goal.name] = len(ended)
            for trial in ended:
                if trial.state.name == "COMPLETE":
                    self.see(study, trial.number, trial.values[0])

    def see(self, study: RunningStudy, number: int, value: float) -> None:
        """A trial's first value."""
        self.values.setdefault(study.goal.name, {})[number] = value

    def started(self, workers: int) -> TuningStarted:
        """The event of the beginning."""
        return TuningStarted(
            opening(self.studies, workers), [self.progress(study) for study in self.studies]
        )

    def ended(self, study: RunningStudy, proposal: Proposal, result: TrialResult) -> TrialEnded:
        """The event of a trial's end, which counts from now on."""
        self.done[study.goal.name] += 1
        if result.values:
            self.see(study, proposal.number, result.values[0])
        return TrialEnded(
            study=self.progress(study),
            number=proposal.number,
            status=result.state,
            values=result.values,
            reason=result.reason,
            params=params_text(proposal.params),
        )

    def progress(self, study: RunningStudy) -> StudyProgress:
        """How far a study is."""
        model, dataset, recipe = study.goal.labels
        return StudyProgress(
            name=f"{study.goal.spec.label} {model}/{dataset}/{recipe}",
            done=self.done[study.goal.name],
            total=study.goal.tune.budget.trials,
            best=self.best(study),
        )

    def best(self, study: RunningStudy) -> str:
        """The best trial in words; empty where there is none yet, or there are two objectives."""
        values = self.values.get(study.goal.name)
        if not values or len(study.goal.objective.names) > 1:
            return ""  # two objectives have a front and no single best
        number = min(best_of(values, study.goal.objective.directions[0]))
        return f"best {values[number]:.4g} at #{number}"


def opening(studies: Sequence[RunningStudy], workers: int) -> str:
    """What is about to happen, in one line."""
    suite, tune = studies[0].goal.suite, studies[0].goal.tune
    ((unit, limit),) = tune.budget.given.items()
    own = ", ".join(map(str, studies[0].goal.objective.seeds))
    several = f"{len(studies)} studies" if len(studies) > 1 else "one study"
    return (
        f"{suite.name}: {several} of {limit:g} {unit} by {tune.sampler} for"
        f" {searched_for(studies)} on the validation split, seeds {own},"
        f" {workers} worker{'s' * (workers != 1)}"
    )


def searched_for(studies: Sequence[RunningStudy]) -> str:
    """The objectives, by each task's own metric: `rmse or accuracy and density`."""
    names = [study.goal.objective.names for study in studies]
    by_place = zip(*names, strict=True)
    return " and ".join(" or ".join(dict.fromkeys(place)) for place in by_place)


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters in a line, the density apart: it is among the objectives."""
    own = {k: v for k, v in params.items() if k != DENSITY}
    return " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in own.items())
