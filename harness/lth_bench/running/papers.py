"""What of a paper's suite this machine can run: data and plugins that are there, and the time.

A suite that reproduces a paper has the paper's own task and a short one, on data that is small or
comes with lth-bench. They are told apart by their data, which `-d` selects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.params import build
from lth_bench.suite.spec import Claim, Component, Suite

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


@dataclass(frozen=True, kw_only=True)
class PaperPart:
    """The tasks of a suite on one dataset."""

    dataset: str
    """Its label, which `lth-bench run SUITE -d` takes."""
    claims: tuple[Claim, ...]
    """Those about it."""
    obstacle: str | None
    """Why it cannot run here; None where it can."""
    trainings: int
    """Of all its experiments; 0 where it cannot run. So are the next two."""
    steps: int
    seconds: float | None
    """About how long they take on this device; None where not asked for, or not told."""


def parts(
    suite: Suite, registry: Registry, root: Path, devices: Sequence[str] = ()
) -> list[PaperPart]:
    """By dataset, in the order of the suite. With `devices` a few steps of each task are timed."""
    datasets = dict.fromkeys(task.dataset.label for task in suite.tasks)
    return [_part(suite, label, registry, root, devices) for label in datasets]


def _part(
    suite: Suite, label: str, registry: Registry, root: Path, devices: Sequence[str]
) -> PaperPart:
    from lth_bench.running.estimate import estimate_plan
    from lth_bench.running.plan import plan_suite
    from lth_bench.suite.check import check
    from lth_bench.suite.select import select

    claims = tuple(claim for claim in suite.claims if claim.of.task[1] == label)
    trainings = steps = 0
    seconds = obstacle = None
    try:
        part = select(suite, datasets=[label])
        absent = [s.use for s in part.strategies if s.use not in registry.groups["strategies"]]
        if absent:
            raise UserError(f"needs {', '.join(absent)}, a strategy that is not installed")
        check(part, registry)
        obstacle = missing(part.tasks[0].dataset, registry, root)
        if obstacle is None:
            plan = plan_suite(part, registry, root)
            obstacle = next(iter(plan.faults.values()), None)
            trainings, steps = plan.trainings, plan.steps
            if devices and obstacle is None:
                told = estimate_plan(plan, set(), registry=registry, root=root, devices=devices)
                seconds = told.seconds
    except UserError as error:  # such as a strategy of a package that is not installed
        obstacle = error.message
    return PaperPart(
        dataset=label,
        claims=claims,
        obstacle=obstacle,
        trainings=trainings,
        steps=steps,
        seconds=seconds,
    )


def missing(dataset: Component, registry: Registry, root: Path) -> str | None:
    """Why there is no data below the root; None where it is there, or needs no files."""
    made = build(registry.get("datasets", dataset.name), dataset.params, "dataset")
    find = getattr(made, "find", None)
    if find is None or find(root):
        return None
    return f"{dataset.label} is not in {root}; the first run that needs it downloads it"
