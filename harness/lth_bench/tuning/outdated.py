"""Trials whose data has changed since: what is tried from now on cannot be compared with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.tuning.study import Proposal, Study
from lth_bench.tuning.trial import Outcome, plan_trial

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


def split_outdated(
    outcomes: Mapping[str, Outcome], fingerprints: Mapping[str, str]
) -> tuple[dict[str, Outcome], set[str]]:
    """The outcomes that are from the data as it is, and the ids of those that are not.

    `fingerprints` are today's, by the digest of a dataset's configuration. What did not record its
    data counts as today's, and so does what is from a dataset that nobody has looked at.
    """
    outdated = {
        identity
        for identity, o in outcomes.items()
        if o.fingerprint is not None and fingerprints.get(o.dataset, o.fingerprint) != o.fingerprint
    }
    return {k: o for k, o in outcomes.items() if k not in outdated}, outdated


def require_same_data(
    studies: Sequence[Study], outdated: set[str], registry: Registry, root: Path
) -> None:
    """UserError where a study has trials that were trained on other data than there is now."""
    for study in studies if outdated else ():
        for trial in study.trials:
            if not trial.state.is_finished():
                continue
            running = plan_trial(
                study.goal, Proposal(trial.number, trial.params, "sampler"), registry, root
            )
            if any(p.experiment.experiment_id in outdated for p in running.experiments):
                raise UserError(
                    f"the data of {study.goal.task.dataset_label} has changed since trials of the "
                    f"study {study.goal.name} were trained, so new ones cannot be compared with "
                    f"them; --restart begins its studies anew"
                )
