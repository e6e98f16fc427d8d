"""Simulated workers under the real coordinator: hand-worked schedules."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from close import close

from lth_bench.lottery import Experiment
from lth_bench.running.executors.simulated import Pace, SimulatedExecutor, World, end_of, works
from lth_bench.running.plan import Planned
from lth_bench.running.progress import Event, ExperimentStarted, Recorded, WorkersUsed
from lth_bench.running.usage import WorkerUse, efficiency


def job(identity: int, *fits: int, task: str = "mlp", seed: int = 1, search: int = 0) -> Planned:
    """An experiment with trainings of so many steps, the first of which are a search."""
    experiment = Experiment(
        experiment_id=str(identity), config_id="c", suite="s", label="job", strategy="job",
        params={}, model={"name": task}, model_label=task, dataset={"name": "digits"},
        dataset_label="digits", recipe_name="short", recipe={}, seed=seed, densities=(0.5,),
        controls=(), iterative=False, source_hash="h", plugin_version="1",
    )  # fmt: skip
    named = {"search": "one search", "searching": search} if search else {}
    return Planned(experiment=experiment, fits=fits, bytes=1, **named)


def simulate(
    jobs: Sequence[Planned], workers: int, size: int = 1, dense: int = 0
) -> tuple[float, float, list[Event]]:
    """Seconds at a second a step, efficiency, and what was heard."""
    heard: list[Event] = []
    tasks = {p.experiment.task: Pace(seconds=1.0, size=size) for p in jobs}
    steps = {(*task, 1): dense for task in tasks}
    work = {w.experiment.experiment_id: w for w in works(jobs, steps, tasks)}
    executor = SimulatedExecutor(World(work=work, records=end_of), workers)
    executor.run(jobs, heard.append)
    ended = [e.record["experiment_id"] for e in heard if isinstance(e, Recorded)]
    assert sorted(ended) == sorted(work)
    return executor.world.now, executor.efficiency, heard


def test_one_worker_takes_the_sum() -> None:
    seconds, efficiency, _ = simulate([job(0, 3), job(1, 4, 5)], 1)
    assert seconds == close(12) and efficiency == close(1)


@pytest.mark.parametrize(("chains", "workers"), [(5, 2), (3, 2), (5, 3), (2, 2)])
def test_the_last_chains_are_shared_among_all_workers(chains: int, workers: int) -> None:
    """Five on two workers take two and a half chains' time, not three: the last one moves between
    two of its trainings, when the one under way ends.
    """
    seconds, efficiency, heard = simulate([job(i, *[1] * 8) for i in range(chains)], workers)
    assert 8 * chains / workers <= seconds <= 8 * chains / workers + 2
    assert efficiency == close(8 * chains / workers / seconds)
    moved = sum(isinstance(e, ExperimentStarted) for e in heard) > chains
    assert moved == (chains % workers > 0)


def test_all_wait_for_the_dense_run() -> None:
    seconds, efficiency, _ = simulate([job(0), job(1, 3), job(2, 3)], 2, dense=10)
    assert seconds == close(13)
    assert efficiency == close(16 / 26)


def test_a_cohort_takes_as_long_as_its_longest_member() -> None:
    seconds, *_ = simulate([job(i, 2 + i) for i in range(4)], 1, size=4)
    assert seconds == close(5)
    # five at two a time: the first two, the next two, then the last
    seconds, *_ = simulate([job(i, 2) for i in range(5)], 1, size=2)
    assert seconds == close(6)


def test_a_shared_search_is_trained_once() -> None:
    seconds, *_ = simulate([job(i, 10, 1, search=1) for i in range(3)], 1)
    assert seconds == close(13)


def test_workers_without_work_are_available_too() -> None:
    seconds, efficiency, _ = simulate([job(0, 6)], 3)
    assert seconds == close(6) and efficiency == close(1 / 3)


@pytest.mark.parametrize("workers", [1, 7, 64])
def test_no_schedule_beats_the_bounds(workers: int) -> None:
    jobs = [job(i, *([1 + i % 5] * (1 + i % 4)), task=f"t{i % 3}", seed=i % 9) for i in range(200)]
    seconds, efficiency, _ = simulate(jobs, workers)
    total, longest = sum(p.steps for p in jobs), max(p.steps for p in jobs)
    assert max(total / workers, longest) <= seconds * (1 + 1e-9)
    assert efficiency == close(total / workers / seconds)
    # list scheduling takes at most the sum of the two bounds
    assert seconds <= total / workers + longest


def used(heard: Sequence[Event]) -> Sequence[WorkerUse]:
    """What the coordinator accounts for in the end."""
    (last,) = [e for e in heard if isinstance(e, WorkersUsed) and e.final]
    return last.uses


@pytest.mark.parametrize("workers", [1, 7])
def test_the_coordinator_accounts_for_what_the_workers_did(workers: int) -> None:
    jobs = [job(i, *([1 + i % 5] * (1 + i % 4)), task=f"t{i % 3}", seed=i % 9) for i in range(200)]
    seconds, busy, heard = simulate(jobs, workers)
    uses = used(heard)
    assert [use.slot for use in uses] == list(range(workers))
    assert all(use.available_seconds == close(seconds) for use in uses)
    assert efficiency(uses) == close(busy)
    assert sum(use.experiments for use in uses) == 200
    assert all(use.units for use in uses) and not any(use.retries for use in uses)


def test_waiting_for_the_dense_run_is_not_having_nothing_left() -> None:
    _, _, heard = simulate([job(0), job(1, 3), job(2, 5)], 2, dense=10)
    first, second = used(heard)
    times = [(use.busy_seconds, use.queued_seconds, use.idle_seconds) for use in (first, second)]
    assert sorted(times) == [close((3, 10, 2)), close((15, 0, 0))]


def test_reports_come_while_it_runs() -> None:
    _, _, heard = simulate([job(i, 3) for i in range(5)], 1)
    assert sum(isinstance(e, WorkersUsed) for e in heard) > 1
