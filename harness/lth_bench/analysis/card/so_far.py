"""What a run has found so far: the best mean of each task at its headline density. No verdicts:
those are the card's, when the run has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isclose
from statistics import fmean
from typing import Any

from lth_bench.analysis.evidence.subject import Task
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.task_names import spoken

Seeds = dict[str, dict[int, float]]
"""Label → seed → value."""


@dataclass(frozen=True, kw_only=True)
class Leader:
    """The best method of a task so far."""

    task: str
    """As a person would say it: `MLP on digits`."""
    density: float
    label: str
    measure: Measure
    value: float
    """Mean over its seeds so far."""
    n: int
    """Seeds so far, which other methods may have more or fewer of."""
    dense: float | None
    """Mean of the dense runs so far; None before the first."""


class BestSoFar:
    """Takes tickets as they come, and knows the best of each task."""

    def __init__(
        self, planned: Iterable[Mapping[str, Any]] = (), headline: float | None = None
    ) -> None:
        """`planned` are the plan's experiments (`PlannedExperiment`), `headline` the suite's."""
        self._planned = {str(plan["experiment_id"]): plan for plan in planned}
        self._values: dict[Task, Seeds] = defaultdict(lambda: defaultdict(dict))
        self._dense: dict[Task, dict[int, float]] = defaultdict(dict)
        densities: dict[Task, set[float]] = defaultdict(set)
        for plan in self._planned.values():
            if plan["strategy"] != "dense":
                densities[_task(plan)].update(d for d in plan["densities"] if d < 1)
        self.densities = {task: _headline(found, headline) for task, found in densities.items()}
        """Each task's headline density, as the card has it."""
        self._measures = {_task(plan): _measure(plan) for plan in self._planned.values()}
        self._names = spoken(list(self.densities))

    def add(self, planned: Iterable[Mapping[str, Any]]) -> None:
        """More of the plan's experiments, on the tasks that it has."""
        self._planned |= {str(plan["experiment_id"]): plan for plan in planned}

    def take(self, record: Mapping[str, Any]) -> bool:
        """A ticket's record; whether it counts: at the headline density, ok, and no control."""
        plan = self._planned.get(str(record.get("experiment_id")))
        if plan is None or not record.get("reported") or record.get("control") != "none":
            return False
        value = record.get("score")
        if value is None:
            value = (record.get("metrics") or {}).get("test_accuracy")
        if value is None or record.get("status") != "ok":
            return False
        task, seed = _task(plan), int(plan["seed"])
        if plan["strategy"] == "dense":
            self._dense[task][seed] = value
        elif task in self.densities and isclose(record["target_density"], self.densities[task]):
            found_on = _task(plan, "source_")
            label = plan["label"] if found_on == task else f"{plan['label']} from {found_on.title}"
            self._values[task][label][seed] = value
        else:
            return False
        return True

    def leaders(self) -> list[Leader]:
        """Of each task that has a value at its headline density, in the plan's order."""
        found = []
        for task, density in self.densities.items():
            if not (labels := self._values.get(task)):
                continue
            measure = self._measures[task]
            means = {label: fmean(seeds.values()) for label, seeds in labels.items()}
            best = max(means, key=lambda label: measure.sign * means[label])
            dense = self._dense.get(task)
            found.append(
                Leader(
                    task=self._names[task],
                    density=density,
                    label=best,
                    measure=measure,
                    value=means[best],
                    n=len(labels[best]),
                    dense=fmean(dense.values()) if dense else None,
                )
            )
        return found


def _task(plan: Mapping[str, Any], of: str = "") -> Task:
    return Task(*(str(plan[f"{of}{name}"]) for name in ("model", "dataset", "recipe")))


def _headline(densities: set[float], given: float | None) -> float:
    """The suite's, or the task's middle one: of an even number the sparser of the two."""
    if given in densities:
        assert given is not None
        return given
    ordered = sorted(densities, reverse=True)
    return ordered[len(ordered) // 2]


def _measure(plan: Mapping[str, Any]) -> Measure:
    name = f"test_{plan.get('metric') or 'accuracy'}"
    unit, higher = plan.get("metric_unit"), plan.get("higher_is_better", True)
    return Measure(name, "fraction" if unit is None else unit, bool(higher))
