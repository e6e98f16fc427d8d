"""What coordination costs: the real coordinator, journal and fold, with simulated workers.

Folds are as rare as the short time of the simulation makes them; in a run that takes hours they
take up to 1% of its time (`FOLD_SHARE` in running/recorder.py).

`make bench ARGS="-k coordinator -s"`. Prints numbers and asserts none.
"""

from __future__ import annotations

import json
import runpy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_bench.lottery import Experiment
from lth_bench.running.executors.messages import pack, unpack
from lth_bench.running.executors.simulated import Pace, SimulatedExecutor, World, works
from lth_bench.running.plan import Planned
from lth_bench.running.progress import Event, Recorded
from lth_bench.running.recorder import Recorder, RunSummary
from lth_bench.running.stragglers import StragglerWatch
from lth_bench.store.journal import Journal
from lth_bench.store.paths import Paths

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
STRATEGIES = ("dense", "imp", "late_rewind", "one_shot", "early_bird", "snip", "rigl", "random")
WORKERS = 64
STEPS = 1000
"""Of a training, which takes two to four minutes."""


def planned(row: dict[str, Any]) -> Planned:
    """An experiment as the coordinator knows it; iterative ones train a round more."""
    names = ("experiment_id", "config_id", "suite", "label", "strategy", "params", "seed")
    experiment = Experiment(
        **{name: row[name] for name in names}, model={"name": row["model"]},
        model_label=row["model"], dataset={"name": row["dataset"]}, dataset_label=row["dataset"],
        recipe_name=row["recipe"], recipe={}, densities=tuple(row["densities"]), controls=(),
        iterative=row["iterative"], source_hash="h", plugin_version="1",
    )  # fmt: skip
    dense = row["label"] == "dense"
    fits = 0 if dense else len(row["densities"]) + row["iterative"]
    return Planned(experiment=experiment, fits=(STEPS,) * fits, bytes=1)


def resident() -> float:
    """This process's memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


@pytest.mark.parametrize("count", [2_000, 10_000])
def test_coordinator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """CPU time an experiment, memory at each quarter, and the workers' busy share."""
    tasks = [(f"net{i}", "digits", "short") for i in range(5)]
    scenario = RECORDS["Scenario"](
        tasks=tasks, strategies=STRATEGIES, seeds=range(count // 40), curve_points=10
    )
    rows = {row["experiment_id"]: row for row in scenario.experiments()}
    todo = [planned(row) for row in rows.values()]
    spent = 0.0

    def records(experiment: Experiment) -> Iterator[Any]:
        """As a worker would send them: making them is its own work, reading them is not."""
        nonlocal spent
        began = time.process_time()
        said = scenario.results(rows[experiment.experiment_id])
        texts = [json.dumps(pack(Recorded(record))) for record in said]
        spent += time.process_time() - began
        for text in texts:
            message = unpack(json.loads(text))
            assert isinstance(message, Recorded)
            yield message.record

    dense = {(*task, seed): STEPS for task in tasks for seed in scenario.seeds}
    paces = {task: Pace(seconds=0.1 * (1 + i / 3)) for i, task in enumerate(tasks)}
    world = World(
        work={w.experiment.experiment_id: w for w in works(todo, dense, paces)}, records=records
    )
    executor, paths = SimulatedExecutor(world, WORKERS), Paths(tmp_path / "results.duckdb")
    memory: list[float] = []
    folds: list[float] = []
    ended = 0
    with Journal(paths) as journal:
        journal.append(scenario.run())
        journal.append(scenario.planned())
        summary = RunSummary(run_id="run-1", suite="quickstart", planned=len(todo), reused=0)
        recorder = Recorder(
            journal=journal, paths=paths, run_id="run-1", summary=summary, emit=lambda _: None,
            watch=StragglerWatch(now=executor.now),
        )  # fmt: skip
        fold = recorder.fold

        def timed(final: bool = False) -> None:
            began, last = time.process_time(), recorder.folded
            fold(final)
            if recorder.folded != last:
                folds.append(time.process_time() - began)

        def heard(event: Event) -> None:
            nonlocal ended
            recorder.handle(event)
            if isinstance(event, Recorded) and event.ends:
                ended += 1
                if ended % (len(todo) // 4) == 0:
                    memory.append(resident())

        monkeypatch.setattr(recorder, "fold", timed)
        began = time.process_time()
        executor.run(todo, heard)
        timed(final=True)
        cpu = time.process_time() - began - spent
    assert summary.statuses == {"ok": len(todo)}
    print(
        f"\n{len(todo):,} experiments on {WORKERS} simulated workers, {world.now / 3600:.1f} h of "
        f"simulated time: {1e3 * cpu / len(todo):.2f} ms of CPU an experiment, of which "
        f"{1e3 * sum(folds) / len(todo):.2f} ms in {len(folds)} folds (the last took "
        f"{folds[-1]:.2f} s); memory at the quarters {', '.join(f'{m:.0f}' for m in memory)} MB; "
        f"workers busy {executor.efficiency:.1%} of the time"
    )
