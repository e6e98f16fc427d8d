"""A trial that has ended as a journal record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lth_bench.plugins.source import source_hash

if TYPE_CHECKING:
    from lth_bench.tuning.study import Proposal, Study, Told


def trial_record(
    study: Study,
    proposal: Proposal,
    told: Told,
    course: Sequence[tuple[int, float]],
    experiment_ids: Sequence[str],
    run_id: str,
) -> dict[str, Any]:
    """The record `trial`, see `store.records`; steps and seconds are without sharing.

    `course` is the objective after so many results, one a seed and density.
    """
    from optuna.distributions import distribution_to_json

    goal = study.goal
    model, dataset, recipe = goal.labels
    return {
        "record": "trial",
        "run_id": run_id,
        "study_id": goal.study_id,
        "study": goal.name,
        "suite": goal.suite.name,
        "label": goal.spec.label,
        "strategy": goal.spec.use,
        "model": model,
        "dataset": dataset,
        "recipe": recipe,
        "number": proposal.number,
        "state": told.state,
        "reason": told.reason,
        "origin": proposal.origin,
        "params": dict(proposal.params),
        "distributions": {d.name: distribution_to_json(d.distribution()) for d in goal.dimensions},
        "objectives": list(goal.objective.names),
        "directions": list(goal.objective.directions),
        "values": list(told.values),
        "intermediate": [list(point) for point in course],
        "densities": list(goal.objective.densities),
        "seeds": list(goal.objective.seeds),
        "steps": told.steps,
        "seconds": told.seconds,
        "experiment_ids": list(experiment_ids),
        "budget": goal.tune.budget.given,
        "sampler": goal.tune.sampler,
        "pruner": goal.tune.pruner,
        "source_hash": source_hash(goal.strategy),
    }
