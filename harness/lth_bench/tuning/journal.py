"""Tuning and the journal: earlier outcomes are read from it, finished trials are written to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.plugins.source import source_hash
from lth_bench.store.journal import Journal, bad_record, decode, is_ticket, whole_lines
from lth_bench.store.paths import Paths
from lth_bench.training.keys import digest
from lth_bench.tuning.study import Proposal, RunningStudy, TrialResult, TrialStatus, origin_of
from lth_bench.tuning.trial import ExperimentOutcome, plan_trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from lth_bench.plugins import Registry

_ID = re.compile(rb'"experiment_id":"([0-9a-f]+)"')


def earlier_outcomes(paths: Paths, done: frozenset[str]) -> dict[str, ExperimentOutcome]:
    """experiment_id → outcome of the experiments scored on validation that ended with a status in
    `done`, so that none is run twice.

    UserError for a record without a field that is read here.
    """
    found: dict[str, ExperimentOutcome] = {}
    for offset, line in whole_lines(paths.journal):
        if is_ticket(line):
            # tickets are most of a journal; those of reported results need no parsing
            match = _ID.search(line)
            if match is None or match[1].decode() not in found:
                continue
        record = decode(line, paths.journal, offset)
        try:
            _take(found, record)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            why = f"a field is missing or of the wrong type: {type(error).__name__} {error}"
            raise bad_record(paths.journal, offset, why) from error
    return {key: outcome for key, outcome in found.items() if outcome.status in done}


def _take(found: dict[str, ExperimentOutcome], record: dict[str, Any]) -> None:
    if record["record"] == "planned":
        for item in record["experiments"]:
            if item.get("scored_on") == "validation":
                dataset = digest((item.get("config") or {}).get("dataset"))
                metric = str(item.get("metric", "accuracy"))
                outcome = ExperimentOutcome(dataset=dataset, metric=metric)
                found.setdefault(item["experiment_id"], outcome)
    elif record["record"] in ("ticket", "experiment") and record["experiment_id"] in found:
        found[record["experiment_id"]].take(record)


def split_outdated(
    outcomes: Mapping[str, ExperimentOutcome], fingerprints: Mapping[str, str]
) -> tuple[dict[str, ExperimentOutcome], set[str]]:
    """The outcomes on the data as it is now, and the ids of those on data that has since changed.

    `fingerprints` are the current ones, by the digest of a dataset's configuration. An outcome
    without a recorded fingerprint counts as current, and so does one on a dataset that has no
    current fingerprint.
    """
    outdated = {
        identity
        for identity, o in outcomes.items()
        if o.fingerprint is not None and fingerprints.get(o.dataset, o.fingerprint) != o.fingerprint
    }
    return {k: o for k, o in outcomes.items() if k not in outdated}, outdated


def require_same_data(
    studies: Sequence[RunningStudy], outdated: set[str], registry: Registry, root: Path
) -> None:
    """UserError where a study has trials on data that has since changed."""
    for study in studies if outdated else ():
        for trial in study.trials:
            if not trial.state.is_finished():
                continue
            running = plan_trial(
                study.goal, Proposal(trial.number, trial.params, "sampler"), registry, root
            )
            if any(p.experiment.experiment_id in outdated for p in running.experiments):
                raise UserError(
                    f"the data of {study.goal.task.dataset_label} has changed since trials of "
                    f"study {study.goal.name} were trained, so new trials cannot be compared with "
                    f"them; start its studies again with --restart"
                )


def trial_record(
    study: RunningStudy,
    proposal: Proposal,
    result: TrialResult,
    *,
    intermediate: Sequence[tuple[int, float]],
    experiment_ids: Sequence[str],
    run_id: str,
    progress: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A finished trial as the journal record `trial`, see `store.records`; steps and seconds are
    counted without sharing.

    `intermediate` are (number of results, objective over them), a result for each seed and density.
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
        "state": result.state,
        "reason": result.reason,
        "origin": proposal.origin,
        "params": dict(proposal.params),
        "distributions": {d.name: distribution_to_json(d.distribution()) for d in goal.dimensions},
        "objectives": list(goal.objective.names),
        "directions": list(goal.objective.directions),
        "values": list(result.values),
        "intermediate": [list(point) for point in intermediate],
        "densities": list(goal.objective.densities),
        "seeds": list(goal.objective.seeds),
        "steps": result.steps,
        "seconds": result.seconds,
        "experiment_ids": list(experiment_ids),
        "budget": goal.tune.budget.given,
        "sampler": goal.tune.sampler,
        "pruner": goal.tune.pruner,
        "source_hash": source_hash(goal.strategy),
        **({"progress": progress} if progress is not None else {}),
    }


STATES: dict[str, TrialStatus] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def record_others(
    journal: Journal, study: RunningStudy, registry: Registry, root: Path, run_id: str
) -> int:
    """Write the finished trials of the study that the journal lacks, as the study storage has them,
    and return how many there are. So the final comparison and the cost are the whole study's and
    not one machine's share.

    Their experiments are written as planned: the results are on the machine that ran them.
    """
    known = _numbers(journal.paths, study.goal.study_id)
    missing = [t for t in study.trials if t.state.name in STATES and t.number not in known]
    for trial in missing:
        _record(journal, study, trial, registry=registry, root=root, run_id=run_id)
    return len(missing)


def _record(
    journal: Journal,
    study: RunningStudy,
    trial: FrozenTrial,
    *,
    registry: Registry,
    root: Path,
    run_id: str,
) -> None:
    proposal = Proposal(trial.number, dict(trial.params), origin_of(trial))
    try:
        running = plan_trial(study.goal, proposal, registry, root)
        experiments = [item.experiment for item in running.experiments]
    except UserError:  # its values do not fit together, which is why it failed
        experiments = []
    if experiments:
        planned = [e.planned_record() for e in experiments]
        journal.append({"record": "planned", "run_id": run_id, "experiments": planned})
    spent = trial.user_attrs.get("spent") or {}
    result = TrialResult(
        state=STATES[trial.state.name],
        values=tuple(trial.values or ()),
        steps=int(spent.get("steps", 0)),
        seconds=float(spent.get("seconds", 0.0)),
        reason=spent.get("reason"),
    )
    intermediate = sorted(trial.intermediate_values.items())
    ids = [e.experiment_id for e in experiments]
    journal.append(
        trial_record(
            study, proposal, result, intermediate=intermediate, experiment_ids=ids, run_id=run_id
        )
    )


def _numbers(paths: Paths, study_id: str) -> set[int]:
    """Numbers of the study's trials that the journal has."""
    found = set()
    for _, line in whole_lines(paths.journal):
        if line.startswith(b'{"record":"trial"'):
            record = json.loads(line)
            if record.get("study_id") == study_id:
                found.add(record.get("number"))
    return found
