"""An ablation before it runs: whether it suits the strategy, what identifies it, what it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.lottery.ablated_runner import has_scores
from lth_bench.running.forecast import TrainingForecast, forecast
from lth_bench.suite.ablations import FROM_SCRATCH, OF_DATA

if TYPE_CHECKING:
    from lth_bench.running.task_plan import TaskPlan
    from lth_bench.suite.spec import StrategySpec


def ablation_of(
    spec: StrategySpec,
    strategy: Any,
    task: TaskPlan,
    densities: Sequence[float],
    rivals: Mapping[str, Any],
) -> dict[str, Any] | None:
    """What identifies the ablation: its name, and the steps that equal cost allows at the density.

    `rivals` are the suite's strategies on this task, by label. UserError, with its place in the
    suite, for an ablation that does not suit the strategy.
    """
    if spec.ablation is None:
        return None
    fault = _unsuitable(spec, strategy, task, rivals)
    if fault is not None:
        raise UserError(f"strategy {spec.label!r}: {fault}", (*spec.at, "ablations"))
    found: dict[str, Any] = {"name": spec.ablation}
    if spec.compared_to is not None:
        rival = rivals[spec.compared_to]
        sparsest = min((*densities, *(task.spec.densities if densities == (1.0,) else ())))
        found["steps"] = _whole_cost(spec.compared_to, rival, task, sparsest)
    return found


def ablated_fits(
    ablation: Mapping[str, Any],
    strategy: Any,
    expected: TrainingForecast,
    densities: Sequence[float],
    steps: int,
) -> tuple[int, ...]:
    """Steps of an ablation's trainings, about; `expected` are those of the strategy itself and
    `steps` the length of its recipe.
    """
    name, n = ablation["name"], len(densities)
    if name == "equal_cost":
        return (ablation["steps"],) * max(n, 1)  # the dense network has no density below 1
    if name == "inverted_score":  # skipped where there is none
        return expected.fits if has_scores(strategy) else ()
    if name == "other_order":  # with a dense run of its own
        return (steps, *expected.fits)
    if name in OF_DATA:  # the dense run and the search on that data, the tickets on the task's own
        return (steps, *expected.before_last(dynamic=False), *expected.fits[-1:] * n)
    assert name in FROM_SCRATCH
    found = expected.before_last(bool(getattr(strategy, "dynamic", False)))
    longer = name == "scratch_b"
    return (*found, *(int(steps / density) if longer else steps for density in densities))


def _unsuitable(
    spec: StrategySpec, strategy: Any, task: TaskPlan, rivals: Mapping[str, Any]
) -> str | None:
    if spec.ablation == "inverted_score" and spec.explicit and not has_scores(strategy):
        return (
            f"{spec.use} has no method `scores` that could be inverted; leave inverted_score out "
            f"of its ablations, or rank weights by a method of that name"
        )
    if getattr(strategy, "dense_only", False) and spec.use != "dense":
        return f"{spec.use} has no ticket whose search could be ablated; leave out its ablations"
    batch = task.recipe.get("batch_size", 128)
    if spec.ablation == "half_data" and task.facts and task.facts.train_size // 2 < batch:
        return (
            f"half of the {task.facts.train_size} training examples of {task.spec.label} is not "
            f"one batch of {batch}; lower batch_size, or leave half_data out"
        )
    if spec.compared_to is None:
        return None
    if getattr(strategy, "iterative", False) or not _trains_plainly(strategy, task):
        return (
            f"equal_cost lengthens a method's only training, or its dense run and its ticket's, "
            f"but {spec.use} trains otherwise; compare it at its own cost"
        )
    rival = rivals.get(spec.compared_to)
    if rival is None:
        return f"compared_to: {spec.compared_to!r} does not run on {task.spec.label}"
    if not getattr(rival, "iterative", False):
        return (
            f"compared_to must be the label of an iterative strategy, whose steps are known before "
            f"it runs, but {spec.compared_to!r} is not"
        )
    return None


def _trains_plainly(strategy: Any, task: TaskPlan) -> bool:
    """Whether its ticket trains for the whole schedule; or from where its search ends, as
    Early-Bird's does, so that the two make one training.
    """
    total = task.total_steps

    def declared(method: str, otherwise: int) -> Any:
        return getattr(strategy, method, lambda _: otherwise)(total)

    start = declared("start_step", 0)
    return bool(declared("search_steps", 0) + declared("train_steps", total - start) == total)


def _whole_cost(label: str, rival: Any, task: TaskPlan, density: float) -> int:
    """Steps of an iterative strategy up to its ticket of a density: the dense run, the rounds
    before it and its own training. 0 where the task cannot run.
    """
    if task.fault is not None:
        return 0
    levels = [d for d in task.spec.densities if density <= d < 1]
    found = forecast(
        f"strategy {label!r}",
        rival,
        counts=task.layer_counts,
        kinds=task.layer_kinds,
        densities=levels,
        total_steps=task.total_steps,
    )
    return task.total_steps + sum(found.fits)
