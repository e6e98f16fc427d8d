"""The content of a journal by key, with the position of each line. The last record of a
key counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lth_bench.store.journal import decode, whole_lines
from lth_bench.store.subset import planned

WORTH = {
    "ok": 3, "skipped": 3, "diverged": 3, "failed": 2, "oom": 1, "timeout": 1,
    "complete": 3, "pruned": 3,
}  # fmt: skip
"""3: a result, which a rerun does not change. 2: the method's failure. 1: the machine's. Else 0."""

_TASK = (
    "suite", "label", "model", "dataset", "recipe",
    "source_model", "source_dataset", "source_recipe",
)  # fmt: skip
"""Of plans that agree in these fields, the last one counts."""


_SEPARATOR = "\x1f"


@dataclass(frozen=True, kw_only=True)
class PlannedEarlier:
    """A run of a suite, or the last plan of an experiment."""

    offset: int
    group: str
    """Plans are ordered within it: a suite, or a suite's label on a task."""
    at: str
    run_id: str
    config_id: str

    @property
    def when(self) -> tuple[str, str]:
        """Sort key for the plans of several journals."""
        return self.at, self.run_id


class Result(NamedTuple):
    """The result of an experiment, or of one of its places (target density, control)."""

    offset: int
    experiment: str
    status: str
    score: Any
    """The task's primary metric on the test split, for a ticket that has one."""

    @property
    def worth(self) -> int:
        """Greater is better; see WORTH."""
        return WORTH.get(self.status, 0)

    @property
    def final(self) -> bool:
        """Whether a rerun would keep it."""
        return self.worth == 3

    @property
    def outcome(self) -> tuple[str, Any]:
        """What two results of the same place are compared by."""
        return self.status, self.score


@dataclass(kw_only=True)
class History:
    """The last record of every key, in the order of the journal."""

    runs: dict[str, PlannedEarlier] = field(default_factory=dict)
    """By run_id."""
    plans: dict[str, PlannedEarlier] = field(default_factory=dict)
    """By suite and experiment_id."""
    places: dict[str, Result] = field(default_factory=dict)
    """Reported tickets, by experiment_id, target density and control."""
    rounds: dict[str, Result] = field(default_factory=dict)
    """Intermediate tickets, by ticket_id."""
    outcomes: dict[str, Result] = field(default_factory=dict)
    """By experiment_id."""
    trials: dict[str, Result] = field(default_factory=dict)
    """Of tuning, by study_id and number."""
    others: dict[str, int] = field(default_factory=dict)
    """Offsets of records of kinds that this version does not know, by a hash of the line."""

    def add(self, record: dict[str, Any], line: bytes, offset: int) -> None:
        """Add the journal's next record."""
        kind = record["record"]
        experiment = str(record.get("experiment_id"))
        status = str(record.get("status"))
        if kind == "run":
            run = str(record.get("run_id"))
            place = PlannedEarlier(
                offset=offset,
                group=str(record.get("suite")),
                at=_at(record),
                run_id=run,
                config_id="",
            )
            _put(self.runs, run, place)
        elif kind == "planned":
            for plan in planned(record):
                key = plan_key(plan)
                group = _joined(plan.get(name) for name in _TASK)
                if plan.get("scored_on", "test") != "test":  # a trial's, which replaces no other
                    group = _joined((group, plan.get("experiment_id")))
                run, config = str(record.get("run_id")), str(plan.get("config_id"))
                _put(
                    self.plans,
                    key,
                    PlannedEarlier(
                        offset=offset, group=group, at=_at(record), run_id=run, config_id=config
                    ),
                )
        elif kind == "ticket":
            metrics = record.get("metrics")
            score = metrics.get("test_accuracy") if isinstance(metrics, dict) else None
            result = Result(offset, experiment, status, record.get("score", score))
            if record.get("reported"):
                density, control = record.get("target_density"), record.get("control") or "none"
                _put(self.places, _joined((experiment, density, control)), result)
            else:
                _put(self.rounds, str(record.get("ticket_id")), result)
        elif kind == "experiment":
            _put(self.outcomes, experiment, Result(offset, experiment, status, None))
        elif kind == "trial":
            key = _joined((record.get("study_id"), record.get("number")))
            state = str(record.get("state"))
            _put(self.trials, key, Result(offset, "", state, record.get("values")))
        else:
            self.others[hashlib.blake2b(line.strip(), digest_size=16).hexdigest()] = offset

    def experiments(self) -> set[str]:
        """Every experiment_id that was planned or has a result."""
        return {key.rpartition(_SEPARATOR)[2] for key in self.plans} | {*self.outcomes}


def read_history(journal: Path) -> History:
    """Read a journal once. UserError for a line that is not a record."""
    history = History()
    for offset, line in whole_lines(journal):
        history.add(decode(line, journal, offset), line, offset)
    return history


def plan_key(plan: dict[str, Any]) -> str:
    """Suite and experiment_id of a planned experiment."""
    return _joined((plan.get("suite"), plan.get("experiment_id")))


def task_of(group: str) -> str:
    """A plan's group in words."""
    suite, label, model, dataset, recipe, *_ = group.split(_SEPARATOR)
    return f"{label} on {model} · {dataset} · {recipe} in suite {suite}"


def _joined(parts: Iterable[object]) -> str:
    return _SEPARATOR.join(map(str, parts))


def _at(record: dict[str, Any]) -> str:
    return str(record.get("at") or "")


def _put(found: dict[str, Any], key: str, value: object) -> None:
    """Insert at the end, since it is the last record of its key."""
    found.pop(key, None)
    found[key] = value
