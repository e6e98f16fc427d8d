"""A trial's experiments and their outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.params import build
from lth_bench.running.plan import Planned, dense_spec, plan_unreported
from lth_bench.running.task_plan import TaskPlan, plan_task
from lth_bench.suite.spec import with_values
from lth_bench.training.keys import digest
from lth_bench.tuning.goal import Goal, TrialSettings
from lth_bench.tuning.study import Proposal

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


@dataclass(kw_only=True)
class ExperimentOutcome:
    """The outcome of an experiment, from the journal's records."""

    status: str | None = None
    """None while it runs."""
    reason: str | None = None
    metric: str = "accuracy"
    """The task's primary metric."""
    values: dict[float, float | None] = field(default_factory=dict)
    """Density → that metric on the validation split, of reported tickets; None where it is not
    finite."""
    costs: dict[float, tuple[int, float]] = field(default_factory=dict)
    """Density → (steps, seconds), search included, without sharing."""
    seconds: float = 0.0
    dataset: str = ""
    """Digest of the dataset's configuration."""
    fingerprint: str | None = None
    """Fingerprint of the dataset's content; None where it was not recorded."""

    def take(self, record: Mapping[str, Any]) -> None:
        """Add one of its journal records: a reported ticket, or the end of the experiment."""
        if record["record"] == "ticket":
            if record["reported"] and record["control"] == "none" and record["status"] == "ok":
                density, cost = float(record["target_density"]), record["cost"]
                value = record["metrics"].get(f"val_{self.metric}")
                self.values[density] = None if value is None else float(value)
                self.costs[density] = (
                    int(cost["steps"] + cost["search_steps"]),
                    float(cost["seconds"] + cost["search_seconds"]),
                )
        elif record["record"] == "experiment":
            self.status, self.reason = str(record["status"]), record.get("reason")
            self.seconds = float(record.get("seconds") or 0.0)
            self.fingerprint = record.get("fingerprint")

    @property
    def spent(self) -> tuple[int, float]:
        """Steps and seconds of the whole experiment: the last level includes all earlier ones."""
        return max(self.costs.values(), default=(0, 0.0))


@dataclass(kw_only=True)
class RunningTrial:
    """A running trial: its experiments, seed by seed."""

    proposal: Proposal
    settings: TrialSettings
    task: TaskPlan
    """With the trial's own recipe."""
    by_seed: dict[int, list[Planned]]
    dense: dict[int, Planned]
    """The dense run of the suite's own recipe at each seed, whatever the trial's recipe is: all
    trials are compared with the same dense runs."""
    dense_steps: int = 0
    """Steps of these dense runs where the objective depends on them, so that they are part of the
    trial's cost; 0 elsewhere."""
    stage: int = 0
    """Number of finished seeds."""

    @property
    def experiments(self) -> Iterator[Planned]:
        """All of them, without the dense runs."""
        for planned in self.by_seed.values():
            yield from planned

    @property
    def steps(self) -> int:
        """Planned training steps, counted without sharing."""
        own = sum(sum(p.fits) + self.task.total_steps for p in self.experiments)
        return own + self.dense_steps


def plan_trial(goal: Goal, proposal: Proposal, registry: Registry, root: Path) -> RunningTrial:
    """The experiments of a proposal. UserError where its values do not fit together."""
    settings = goal.settings(proposal.params)
    task = _task(goal, settings, registry, root)
    suite = replace(goal.suite, seeds=goal.objective.seeds)
    strategy = build(goal.strategy, settings.params, f"strategy {goal.spec.label!r}")
    by_seed: dict[int, list[Planned]] = {seed: [] for seed in suite.seeds}
    for item in plan_unreported(suite, task, goal.spec, strategy, settings.densities):
        if "density" in goal.objective.names and settings.densities[-1] not in (
            item.experiment.densities
        ):
            continue  # densities are independent experiments here: only the trial's own is needed
        label = f"{goal.spec.label}#{proposal.number}"
        named = replace(item, experiment=replace(item.experiment, label=label))
        by_seed[item.experiment.seed].append(named)
    dense = registry.get("strategies", dense_spec().use)()
    return RunningTrial(
        proposal=proposal,
        settings=settings,
        task=task,
        by_seed=by_seed,
        dense={
            item.experiment.seed: item
            for item in plan_unreported(suite, goal.task, dense_spec(), dense, (1.0,))
        },
        dense_steps=goal.task.total_steps * len(suite.seeds) * goal.objective.needs_dense,
    )


def _task(goal: Goal, settings: TrialSettings, registry: Registry, root: Path) -> TaskPlan:
    spec = goal.task.spec
    if not settings.recipe:
        return goal.task
    recipe = with_values(spec.recipe, settings.recipe)
    if recipe == dict(spec.recipe):
        return goal.task
    name = f"{spec.recipe_name}#{digest(settings.recipe)[:6]}"
    return plan_task(replace(spec, recipe=recipe, recipe_name=name), registry, root)
