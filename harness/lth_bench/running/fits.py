"""Which trainings an experiment is expected to take beyond the dense run, its controls too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lth_bench.lottery.reachable import is_reachable
from lth_bench.plugins.contract import trains_dense
from lth_bench.running.ablation_plan import ablated_fits
from lth_bench.running.forecast import TrainingForecast, control_fits, forecast
from lth_bench.suite.ablations import OF_DATA

if TYPE_CHECKING:
    from lth_bench.running.sources import PlannedSource
    from lth_bench.running.task_plan import TaskPlan


class ExpectedFits(NamedTuple):
    """The trainings of one experiment."""

    fits: tuple[int, ...] = ()
    """Steps of each, in order."""
    shared: int = 0
    """How many of them, the first ones, are the same at every density: a search, and before it an
    ablation's own dense run."""


def expected_fits(
    name: str,
    strategy: Any,
    task: TaskPlan,
    densities: Sequence[float],
    *,
    controls: Sequence[str] = (),
    ablation: Mapping[str, Any] | None = None,
    source: PlannedSource | None = None,
) -> ExpectedFits:
    """Of a strategy on a task without a fault, for densities from dense to sparse. UserError as of
    `forecast`, with the strategy's `name`.
    """
    found_on = task if source is None else source.task
    total = sum(found_on.layer_counts.values())
    own = not getattr(strategy, "dense_only", False) or trains_dense(type(strategy))
    reached = [d for d in densities if own and is_reachable(strategy, d, total)]

    def on(where: TaskPlan) -> TrainingForecast:
        return forecast(
            name,
            strategy,
            counts=where.layer_counts,
            kinds=where.layer_kinds,
            densities=reached,
            total_steps=where.total_steps,
        )

    expected = on(found_on)
    iterative = getattr(strategy, "iterative", False)
    if ablation is not None:
        fits = ablated_fits(ablation, strategy, expected, reached, task.total_steps)
        own_dense = ablation["name"] in (*OF_DATA, "other_order")
        apart = iterative or ablation["name"] == "equal_cost" or not fits
        return ExpectedFits(fits, 0 if apart else own_dense + expected.searches)
    beside = control_fits(name, strategy, controls, len(reached), task.total_steps)
    if task.spec.decision_boundary and not own:  # the second dense network
        beside += (task.total_steps,)
    if source is None:
        return ExpectedFits(expected.fits + beside, 0 if iterative else expected.searches)
    dynamic = bool(getattr(strategy, "dynamic", False))
    # what is found on a task of the suite is trained there; a mask that training decides is trained
    # plainly here
    found = () if source.listed else expected.before_last(dynamic)
    ticket = (task.total_steps,) if dynamic else on(task).fits[-1:]
    return ExpectedFits((*found, *ticket * len(reached), *beside))
