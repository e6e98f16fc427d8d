"""How long a plan takes on workers like this device, and how much disk."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.running.executors.simulated import Pace, SimulatedExecutor, World, end_of, works
from lth_bench.running.paces import measured_paces

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.plan import Plan, Planned
    from lth_bench.store.paths import Paths

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
    efficiency: float | None = None
    """Share of the workers' time in which they train, in [0, 1]; the rest they have no work."""
    measured: int = 0
    """Tasks whose pace is that of earlier runs; a few steps were timed of the others."""

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
    paths: Paths | None = None,
) -> Estimate:
    """The schedule of what is left, simulated: with the coordinator's own order of work, at the
    pace that each task had in the results at `paths`, or else has in a few steps now.
    """
    from lth_bench.running.provenance import device_name
    from lth_bench.system.devices import all_of, prepared

    device = all_of(devices)[0]
    todo = [
        p for p in plan.experiments if p.experiment.experiment_id not in done and p.fault is None
    ]
    paces: dict[tuple[str, str, str], Pace] = {}
    if paths is not None and cohort_size is None:
        paces = measured_paces(paths, (p.experiment for p in todo), device_name(all_of(devices)))
    measured, reason = len(paces), None
    for item in todo:
        task = item.experiment.task
        if task in paces:
            continue
        try:
            _require_data(item, registry, root)
            with prepared(device):
                paces[task] = _probe(item, registry, root, device, cohort_size)
        except Exception as error:  # a user's network, or a device that is full
            told = error.message if isinstance(error, UserError) else ""
            reason = told or f"a step of {'/'.join(task)} raises {type(error).__name__}: {error}"
            paces[task] = Pace(seconds=0.0)
    groups = {(*p.experiment.task, p.experiment.seed) for p in todo}
    seconds = efficiency = None
    if reason is None:
        seconds, efficiency = simulated_time(plan, todo, paces, len(devices))
    return Estimate(
        seconds=seconds,
        bytes=sum(p.bytes for p in todo) + plan.dense_bytes * len(groups),
        device=device,
        workers=len(devices),
        reason=reason,
        efficiency=efficiency,
        measured=measured,
    )


def expected_seconds(
    plan: Plan, todo: Sequence[Planned], paces: Mapping[tuple[str, str, str], Pace], workers: int
) -> float | None:
    """Seconds that these take at the paces of earlier runs, without timing anything now. None where
    a task's pace is not known.
    """
    if not todo or any(p.experiment.task not in paces for p in todo):
        return None
    return simulated_time(plan, todo, paces, workers)[0]


def simulated_time(
    plan: Plan, todo: Sequence[Planned], paces: Mapping[tuple[str, str, str], Pace], workers: int
) -> tuple[float, float]:
    """Seconds until these are done, and the share of them in which a worker trains, in [0, 1]."""
    if not todo:
        return 0.0, 1.0
    work = {w.experiment.experiment_id: w for w in works(todo, plan.dense_runs, paces)}
    executor = SimulatedExecutor(World(work=work, records=end_of), workers)
    executor.run(todo, lambda _: None)
    return executor.world.now, executor.efficiency


def _require_data(planned: Planned, registry: Registry, root: Path) -> None:
    """UserError where data would have to be downloaded: a plan leaves everything as it is."""
    from lth_bench.running.datasets import datasets

    for one in datasets([planned], registry):
        find = getattr(one.dataset, "find", None)
        try:
            there = find is None or find(root)
        except OSError:
            continue  # opening it says what is wrong with the folder
        if not there:
            raise UserError(
                f"a few steps are timed, but {one.name} is not in {root}; `lth-bench validate "
                f"SUITE --download` downloads it"
            )


def _probe(
    planned: Planned, registry: Registry, root: Path, device: str, given: int | None
) -> Pace:
    """The pace now, evaluations on the validation split included. Of a training over several
    devices one device's part is timed: what they send each other is left out.
    """
    from lth_bench.running.executors.worker import Worker, WorkerConfig
    from lth_bench.running.request import Execution
    from lth_bench.running.starts import keep_starts
    from lth_bench.system.temporary import temporary_folder
    from lth_bench.training.engine.cohort import Cohort
    from lth_bench.training.pending_fit import PendingFit
    from lth_bench.training.request import FitRequest

    with temporary_folder("lth-bench-plan-") as folder:
        config = WorkerConfig(
            device=device,
            artifacts=folder,
            data_root=root,
            execution=Execution(cohort_size=given),
        )
        keep_starts([planned], config.artifacts)
        worker = Worker(config, registry)
        bench, _ = worker.bench(planned.experiment)
    width, recipe = bench.cohort_size(bench.recipe), bench.recipe.of_one_device
    request = FitRequest(
        values=bench.initial(0).values,
        mask=bench.dense_mask(),
        start=0,
        end=bench.total_steps,
        seed=0,
        recipe=recipe,
    )
    layout = bench.layout(recipe, width, bench.kind(request, width))
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
    return Pace(seconds=step_seconds + evaluation / bench.recipe.eval_every, size=width)
