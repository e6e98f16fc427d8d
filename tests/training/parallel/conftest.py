"""Experiments on one device and on two, of which the second is another process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_bench.data.root import data_root
from lth_bench.running.executors.ranks import FollowerProcess
from lth_bench.running.executors.worker import Worker, WorkerConfig
from lth_bench.running.plan import plan_suite
from lth_bench.running.progress import Note, Recorded
from lth_bench.running.request import RunRequest, prepare
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.parallel.leader import RankLeader
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
    notes: list[str]
    """What its user is told."""

    def require_equal(self, other: Ran) -> None:
        """The same values and curves, but for rounding, and the same masks."""
        assert (self.status, self.reason) == (other.status, other.reason) == ("ok", None)
        assert len(self.trained) == len(other.trained) > 0
        for a, b in zip(self.trained, other.trained, strict=True):
            assert a.variant != b.variant == "data_parallel"
            assert (a.step, a.start, a.best.step) == (b.step, b.start, b.best.step)
            for values, others in ((a.values, b.values), (a.best.values, b.best.values)):
                assert values.keys() == others.keys()
                for key, value in values.items():
                    assert (value.double() - others[key].double()).abs().max() < 1e-12, key
            for name, kept in a.mask.kept.items():
                assert torch.equal(kept, b.mask.kept[name])
                assert not b.values[f"{name}.weight"][~kept].any()
            for p, q in zip(a.curve, b.curve, strict=True):
                losses = (q.train_loss, q.val_loss)
                assert (p.train_loss, p.val_loss) == pytest.approx(losses, rel=1e-12)


class Places:
    """Workers with one device and with two; each keeps its trainings apart."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._leaders: list[RankLeader] = []
        self._made = 0
        self.workers = {n: self.worker(n) for n in (1, 2)}

    def worker(self, devices: int, plugins: tuple[Path, ...] = ()) -> Worker:
        """A worker with so many CPU processes, and trainings of its own."""
        ranks = ("cpu",) * devices if devices > 1 else ()
        self._made += 1
        own = self._folder / f"artifacts-{devices}-{self._made}"
        config = WorkerConfig(
            device="cpu", ranks=ranks, artifacts=own, data_root=data_root(), plugins=plugins
        )
        leader = None
        if ranks:
            leader = RankLeader(partial(FollowerProcess, config), ranks)
            self._leaders.append(leader)
        return Worker(config, leader=leader)

    def leader(self, worker: Worker) -> RankLeader:
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
        plugins = worker.config.plugins
        request = RunRequest.from_arguments(suite=path, overrides=changed, plugins=plugins)
        loaded, registry = prepare(request)
        found: list[Trained] = []
        records: list[dict[str, Any]] = []
        notes: list[str] = []
        fit = Workbench.fit

        def kept(bench: Workbench, *given: Any, **named: Any) -> Trained:
            found.append(fit(bench, *given, **named))
            return found[-1]

        def note(event: object) -> None:
            if isinstance(event, Recorded):
                records.append(event.record)
            elif isinstance(event, Note):
                notes.append(event.message)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Workbench, "fit", kept)
            for planned in plan_suite(loaded, registry, data_root()).experiments:
                worker.run(planned.experiment, note)
        ends = [r for r in records if r["record"] == "experiment"]
        bad = [r for r in ends if r["status"] != "ok"]
        end = (bad or ends)[-1]
        return Ran(end["status"], end["reason"], found, notes)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """Those of a module's tests, which share the second process."""
    made = Places(tmp_path_factory.mktemp("places"))
    yield made
    made.close()
