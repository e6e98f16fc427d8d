"""Experiments on one device and on two, of which the second is another process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lth_bench.data.root import data_root
from lth_bench.running.executors.ranks import FollowerProcess
from lth_bench.running.executors.worker import Worker, WorkerConfig
from lth_bench.running.plan import plan_suite
from lth_bench.running.progress import Recorded
from lth_bench.running.request import RunRequest, prepare
from lth_bench.training.parallel.leader import Leader
from lth_bench.training.state import Trained

SUITE = """
schema_version = 1
[suite]
name = "tiny"
version = 1
densities = [0.3]
seeds = 1
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
[recipes.short]
lr = 0.1
momentum = 0.9
weight_decay = 1e-3
label_smoothing = 0.1
batch_size = 40
steps = 100
val_size = 97
eval_every = 30
crop = 1
flip = true
dtype = "float64"
[[strategies]]
use = "dense"
"""


@dataclass
class Ran:
    """One experiment."""

    status: str
    reason: str | None
    trained: list[Trained]
    """What each of its fits gave, in order."""


class Places:
    """Workers with one device and with two; each keeps its trainings apart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._leaders: list[Leader] = []
        self.workers = {n: self.worker(n) for n in (1, 2)}

    def worker(self, devices: int, **changes: Any) -> Worker:
        """A worker with so many CPU processes, and trainings of its own."""
        ranks = ("cpu",) * devices if devices > 1 else ()
        own = self._folder / f"artifacts-{devices}-{len(self._leaders)}"
        config = WorkerConfig(device="cpu", ranks=ranks, artifacts=own, data_root=data_root())
        leader = None
        if ranks:
            leader = Leader(partial(FollowerProcess, replace(config, **changes)), ranks)
            self._leaders.append(leader)
        return Worker(config, leader=leader)

    def leader(self, worker: Worker) -> Leader:
        """Of a worker with several devices."""
        assert worker._leader is not None
        return worker._leader

    def close(self) -> None:
        """End all followers."""
        for leader in self._leaders:
            leader.close()

    def run(self, devices: int, *overrides: str, use: str = "", suite: str = SUITE) -> Ran:
        """Run the experiments of a suite, with `use` instead of its strategies."""
        return self.run_on(self.workers[devices], devices, *overrides, use=use, suite=suite)

    def run_on(
        self, worker: Worker, devices: int, *overrides: str, use: str = "", suite: str = SUITE
    ) -> Ran:
        """The same, on this worker."""
        path = self._folder / "suite.toml"
        if use:
            suite = suite.replace('use = "dense"', use)
        path.write_text(suite)
        changed = (*overrides, *([f"recipes.short.devices={devices}"] if devices > 1 else []))
        loaded, registry = prepare(RunRequest.from_arguments(suite=path, overrides=changed))
        found: list[Trained] = []
        records: list[dict[str, Any]] = []
        for planned in plan_suite(loaded, registry, data_root()).experiments:
            bench, _ = worker.bench(planned.experiment)
            fit: Callable[..., Trained] = type(bench).fit

            def kept(*given: Any, fit: Any = fit, bench: Any = bench, **named: Any) -> Trained:
                found.append(fit(bench, *given, **named))
                return found[-1]

            bench.fit = kept  # type: ignore[method-assign]
            worker.run(
                planned.experiment,
                lambda e: records.append(e.record) if isinstance(e, Recorded) else None,
            )
            del bench.fit
        return Ran(records[-1]["status"], records[-1]["reason"], found)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Those of a module's tests, which share the second process."""
    made = Places(tmp_path_factory.mktemp("places"))
    yield made
    made.close()
