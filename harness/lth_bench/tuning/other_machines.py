"""Trials of a study that other machines have run: recorded here too, so that what is compared in
the end, and what it cost, is the whole study's and not one machine's share.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.store.journal import Journal, whole_lines
from lth_bench.store.paths import Paths
from lth_bench.tuning.record import trial_record
from lth_bench.tuning.study import Proposal, State, Study, Told, origin_of
from lth_bench.tuning.trial import plan_trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from lth_bench.plugins import Registry

STATES: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def record_others(
    journal: Journal, study: Study, registry: Registry, root: Path, run_id: str
) -> int:
    """Write the finished trials of the study that the journal lacks, as the store has them, and how
    many these are. Their experiments are written as planned: the results are on the machine that
    ran them.
    """
    known = _numbers(journal.paths, study.goal.study_id)
    missing = [t for t in study.trials if t.state.name in STATES and t.number not in known]
    for trial in missing:
        _record(journal, study, trial, registry, root, run_id)
    return len(missing)


def _record(
    journal: Journal, study: Study, trial: FrozenTrial, registry: Registry, root: Path, run_id: str
) -> None:
    proposal = Proposal(trial.number, dict(trial.params), origin_of(trial))
    try:
        running = plan_trial(study.goal, proposal, registry, root)
        experiments = [item.experiment for item in running.experiments]
    except UserError:  # its values go together with nothing, which is why it failed
        experiments = []
    if experiments:
        planned = [e.planned_record() for e in experiments]
        journal.append({"record": "planned", "run_id": run_id, "experiments": planned})
    spent = trial.user_attrs.get("spent") or {}
    told = Told(
        STATES[trial.state.name],
        tuple(trial.values or ()),
        int(spent.get("steps", 0)),
        float(spent.get("seconds", 0.0)),
        spent.get("reason"),
    )
    course = sorted(trial.intermediate_values.items())
    ids = [e.experiment_id for e in experiments]
    journal.append(trial_record(study, proposal, told, course, ids, run_id))


def _numbers(paths: Paths, study_id: str) -> set[int]:
    """Of the study's trials that the journal has."""
    found = set()
    for _, line in whole_lines(paths.journal):
        if line.startswith(b'{"record":"trial"'):
            record = json.loads(line)
            if record.get("study_id") == study_id:
                found.add(record.get("number"))
    return found
