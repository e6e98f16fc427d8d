"""Studies without trainings, and tunings whose worker is this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import pytest

from lth_bench.params import Range
from lth_bench.running.task_plan import TaskPlan
from lth_bench.suite.load import suite_of
from lth_bench.suite.spec import Suite
from lth_bench.tuning.dimension import Dimension, number
from lth_bench.tuning.goal import Goal
from lth_bench.tuning.objective import StudyObjective

SUITE = """
schema_version = 1

[suite]
name = "small"
densities = [0.4, 0.1]
seeds = [0, 1]

[[tasks]]
model = { name = "mlp", hidden = [12] }
dataset = "digits"
recipe = "short"

[recipes.short]
optimizer = "adam"
lr = 5e-3
batch_size = 50
steps = 12
val_size = 297
eval_every = 6

[[strategies]]
use = "imp"
params = { prune_rate = 0.6 }

[[strategies]]
use = "snip"

[[strategies]]
use = "dense"
"""


@dataclass(frozen=True, eq=False)
class Method:
    """A strategy of two numbers."""

    a: Annotated[float, Range(0, 1)] = 0.9
    b: Annotated[float, Range(0, 10)] = 5.0


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Suite]:
    """`read(tune, overrides…)`: the small suite with this text after it."""

    def make(tune: str = "", *overrides: str, text: str = SUITE) -> Suite:
        return suite_of(text + tune, tmp_path / "small.toml", overrides)

    return make


@pytest.fixture
def goal(read: Callable[..., Suite]) -> Callable[..., Goal]:
    """`goal(tune)`: a study of `Method`, for which nothing is trained."""

    def make(tune: str = "budget = { trials = 6 }", dimensions: Any = None, **changes: Any) -> Goal:
        suite = read(f"\n[tune]\n{tune}\n")
        spec = suite.tasks[0]
        task = TaskPlan(
            spec=spec, model={}, dataset={}, recipe={}, model_label="mlp", dataset_label="digits",
            total_steps=10, source="", layer_counts={}, layer_kinds={},
        )  # fmt: skip
        dims: tuple[Dimension, ...] = dimensions or (
            number("a", "float", 0.9, (("a",),), low=0.0, high=1.0),
            number("b", "float", 5.0, (("b",),), low=0.0, high=10.0),
        )
        tuning = suite.tune
        seeds = tuning.seeds_beside(suite.seeds)
        objective = StudyObjective(tuning.objectives, (0.4, 0.1), seeds, tuning.margin)
        strategy = replace(suite.strategies[0], use="method", label="method", params={})
        made = Goal(
            suite=suite,
            tune=tuning,
            task=task,
            spec=strategy,
            strategy=Method,
            own=Method(),
            dimensions=dims,
            objective=objective,
        )
        return replace(made, **changes)

    return make


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Experiments run in this process, one after the other; the list of those that were run."""
    from lth_bench.running.executors import local
    from lth_bench.running.executors.worker import Worker

    ran: list[Any] = []

    class Inline:
        def __init__(self, config: Any, devices: Any) -> None:
            # nothing to measure
            alone = replace(config.execution, cohort_size=1)
            self.worker = Worker(replace(config, execution=alone))

        def run(self, schedule: Any, handle: Any) -> None:
            from lth_bench.running.executors.schedule import Schedule
            from lth_bench.running.progress import ExperimentStarted

            schedule = schedule if isinstance(schedule, Schedule) else Schedule(schedule)
            while items := schedule.take(1, 1, None, None).items:
                for item in items:
                    ran.append(item.experiment)
                    handle(ExperimentStarted(item.experiment))
                    self.worker.run(item.experiment, handle)
                    schedule.done(item)

    monkeypatch.setattr(local, "LocalExecutor", Inline)
    return ran


class Quiet:
    """No display; it keeps the results."""

    def __init__(self) -> None:
        self.results: list[Any] = []

    def __call__(self, event: Any) -> None:
        from lth_bench.running.progress import TrialEnded

        if isinstance(event, TrialEnded):
            self.results.append(event)


@pytest.fixture
def tune(inline: list[Any]) -> Callable[..., Any]:
    """`tune(suite, results)`: spend the budget; the summary, with the results of the trials."""
    from lth_bench.plugins import load_registry
    from lth_bench.running.request import Execution, RunRequest, SuiteSelection
    from lth_bench.tuning.run import tune_suite

    def run(suite: Suite, results: Path, progress: Any = None, **options: Any) -> Any:
        request = RunRequest(
            selection=SuiteSelection(suite=suite.path),
            execution=Execution(results=results, device="cpu", workers=1),
        )
        quiet = progress or Quiet()
        return tune_suite(suite, load_registry(), request, emit=quiet, **options)

    return run
