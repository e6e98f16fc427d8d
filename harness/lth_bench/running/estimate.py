"""How long a plan takes on this device, and how much disk: a few real steps of each task."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.plan import Plan, Planned

PROBE_SECONDS = 0.5
"""Time spent on the steps of one task, after a first one that warms up."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimate of what is left. `seconds` is None where it cannot be told, with the reason."""

    seconds: float | None
    bytes: int
    device: str
    workers: int
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def estimate_plan(
    plan: Plan,
    done: set[str],
    *,
    registry: Registry,
    root: Path,
    devices: Sequence[str],
    cohort_size: int | None = None,
) -> Estimate:
    """Sum of the remaining steps at each task's own measured rate, over the workers."""
    from lth_bench.system.devices import prepare_process

    device = devices[0]
    prepare_process(device)
    rates: dict[tuple[str, str, str], tuple[float, float]] = {}
    seconds, size, longest = 0.0, 0, 0.0
    reason = None
    opened = set()
    for item in plan.experiments:
        e = item.experiment
        if e.experiment_id in done or item.fault is not None:
            continue
        if e.task not in rates:
            try:
                rates[e.task] = _probe(item, registry, root, device, cohort_size)
            except Exception as error:  # a user's network, or a device that is full
                task = "/".join(e.task)
                told = error.message if isinstance(error, UserError) else ""
                reason = told or f"a step of {task} raises {type(error).__name__}: {error}"
                rates[e.task] = (float("nan"), float("nan"))
        step_seconds, waiting_seconds = rates[e.task]
        steps = sum(item.fits)
        group = (*e.task, e.seed)
        if group not in opened:
            opened.add(group)
            steps += plan.dense_runs[group]
            size += plan.dense_bytes
        size += item.bytes
        seconds += steps * step_seconds
        longest = max(longest, steps * waiting_seconds)
    total = None if reason else max(seconds / len(devices), longest)
    return Estimate(seconds=total, bytes=size, device=device, workers=len(devices), reason=reason)


def _probe(
    planned: Planned, registry: Registry, root: Path, device: str, given: int | None
) -> tuple[float, float]:
    """Seconds a step of one training among many, and of one that the others wait for; evaluations
    on the validation split included.
    """
    import tempfile

    from lth_bench.running.executors.worker import Worker, WorkerConfig
    from lth_bench.running.request import Execution
    from lth_bench.running.starts import keep_starts
    from lth_bench.training.engine.cohort import Cohort
    from lth_bench.training.pending_fit import PendingFit
    from lth_bench.training.request import FitRequest

    with tempfile.TemporaryDirectory() as folder:
        config = WorkerConfig(
            device=device,
            artifacts=Path(folder),
            data_root=root,
            execution=Execution(cohort_size=given),
        )
        keep_starts([planned], config.artifacts)
        worker = Worker(config, registry)
        bench, _ = worker.bench(planned.experiment)
    width = bench.cohort_size(bench.recipe)
    request = FitRequest(
        values=bench.initial(0).values,
        mask=bench.dense_mask(),
        start=0,
        end=bench.total_steps,
        seed=0,
        recipe=bench.recipe,
    )
    layout = bench.layout(bench.recipe, width, bench.kind(request, width))
    cohort = Cohort(layout, [[PendingFit(request)] for _ in range(width)])
    cohort.update(cohort.members)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < PROBE_SECONDS and steps < 200:
        cohort.update(cohort.members)
        layout.losses.tolist()  # waits for the device
        steps += 1
    step_seconds = (time.perf_counter() - began) / steps
    layout.evaluate(range(width))  # what is made once is made
    began = time.perf_counter()
    layout.evaluate(range(width))
    evaluation = time.perf_counter() - began
    bench.data.close()
    together = step_seconds + evaluation / bench.recipe.eval_every
    return together / width, together
