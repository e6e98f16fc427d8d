"""A strategy with its parameters, and the experiments that the contracts judge, each played once.

Most contracts look at the same few experiments, so a case keeps them. A case costs one to three
seconds, most of it in six-step trainings.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from lth_bench.errors import UserError
from lth_bench.executors.pool import Pool
from lth_bench.params import build
from lth_bench.testing.bench import WatchedBench
from lth_bench.testing.contract import Fault, NotApplicable
from lth_bench.testing.elsewhere import Report, elsewhere
from lth_bench.testing.experiment import one_thread, record
from lth_bench.testing.networks import Kind, TinyNetwork
from lth_bench.testing.recording import Recording
from lth_bench.testing.stopping import Stopped, Stopping
from lth_bench.training.saving import Saving
from lth_bench.training.widths import Widths

DENSITIES = (0.5, 0.2)
"""What most experiments ask for."""
ONE = (0.3,)
"""What the experiments ask for that only have to work: other networks, a dead layer."""
STACKED = Widths(None, given=2)
"""Cohorts of two."""
HANDFUL = 8
"""Weights that remain at the sparsest density tried."""


class Case:
    """A strategy under test.

    `params` are what a suite would write. `network` is the tiny network on which most contracts
    are judged: `linear`, `conv`, `batch_norm` or `residual`; the contracts about networks have
    their own.
    """

    def __init__(
        self,
        cls: type[Any],
        params: Mapping[str, object] | None = None,
        network: Kind = "batch_norm",
    ) -> None:
        self.cls, self.params, self.network = cls, dict(params or {}), network
        self._on: dict[str, Recording] = {}
        self._process = elsewhere()

    def __repr__(self) -> str:
        return f"Case({self.cls.__qualname__}, {self.params})"

    def flag(self, name: str) -> bool:
        """A declaration on the class, such as `dynamic`."""
        return bool(getattr(self.cls, name, False))

    @property
    def densities(self) -> tuple[float, ...]:
        """1.0 alone for a strategy that reports the dense run only."""
        return (1.0,) if self.flag("dense_only") else DENSITIES

    def strategy(self) -> Any:
        """A new instance, as each experiment has one. Fault where the parameters do not fit."""
        try:
            return build(self.cls, self.params, f"strategy {self.cls.__qualname__!r}")
        except UserError as error:
            raise Fault("parameters", error.message) from error

    def bench(self, kind: Kind | None = None, dead: bool = False) -> WatchedBench:
        """A new workbench, on which nothing but the dense runs is done."""
        return WatchedBench.fresh(TinyNetwork(kind or self.network, dead))

    def require(self, *recordings: Recording) -> None:
        """NotApplicable unless these experiments ran to their end."""
        for recording in recordings:
            if recording.fault is not None:
                raise NotApplicable(
                    f"not judged: the experiment ended early, see {recording.fault.contract!r}"
                )

    @cached_property
    def base(self) -> Recording:
        """Seed 0, alone, with nothing trained before."""
        self._bench = self.bench()
        first = self._play(self._bench)
        # at once, so that a strategy with a memory of other experiments is not met here
        self.again = self._play(self.bench(), poisoned=True)
        return first

    again: Recording
    """The same once more, with another test split. Read `base` first."""

    @cached_property
    def once_more(self) -> Recording:
        """The same with the usual test split, to tell why `again` differs."""
        return self._play(self.bench())

    @cached_property
    def other_seed(self) -> Recording:
        """Seed 1, on the bench of `base`."""
        _ = self.base
        return self._play(self._bench, 1)

    @cached_property
    def after(self) -> Recording:
        """Seed 0 after seed 1, with each of its trainings found already done."""
        _ = self.other_seed
        return self._play(self._bench)

    @cached_property
    def padded(self) -> Recording:
        """Seed 0 at the width of cohorts, with nobody beside it."""
        return self._stacked(0)[0]

    @cached_property
    def beside(self) -> Recording:
        """Seed 0 at the width of cohorts, side by side with seed 1."""
        return self._stacked(0, 1)[0]

    def _stacked(self, *seeds: int) -> list[Recording]:
        """Experiments on one bench as a worker runs them, their trainings in cohorts."""
        _ = self.base
        bench, pool = self.bench(), Pool()
        bench.widths, bench.wait = STACKED, pool.wait
        found: dict[int, Recording] = {}

        def job(seed: int) -> None:
            found[seed] = self._play(bench, seed)

        with one_thread(), torch.random.fork_rng(devices=[]):
            for seed in seeds:
                pool.start(partial(job, seed))
            while len(pool):
                pool.serve(bench)
        return [found[seed] for seed in seeds]

    @cached_property
    def resumed(self) -> tuple[Recording, int]:
        """Seed 0 with each of its trainings stopped in mid-way, each time gone on with by a new
        instance on a new bench, as a worker would after a crash; and how often that was.
        """
        _ = self.base
        finished = self.bench().cache
        with tempfile.TemporaryDirectory(prefix="lth-bench-conformance-") as folder:
            partials = Stopping(Path(folder))
            while True:
                bench = self.bench()
                bench.cache, bench.partials, bench.saving = finished, partials, Saving(every=0.0)
                try:
                    return self._play(bench), partials.stops
                except Stopped:
                    continue

    def on(self, kind: Kind) -> Recording:
        """Seed 0 on a network."""
        if kind == self.network:
            return self.base
        if kind not in self._on:
            _ = self.base
            densities = self.densities if self.flag("dense_only") else ONE
            self._on[kind] = self._play(self.bench(kind), owner=kind, densities=densities)
        return self._on[kind]

    @cached_property
    def dead_layer(self) -> Recording:
        """Seed 0 with a dead layer in the network."""
        _ = self.base
        return self._play(self.bench(dead=True), owner="dead_layer", densities=ONE)

    @cached_property
    def extremes(self) -> Recording:
        """Seed 0 with one weight less than all, and with a handful of them."""
        _ = self.base
        bench = self.bench()
        total = bench.total
        densities = ((total - 1) / total, HANDFUL / total)
        return self._play(bench, densities=densities, owner="extreme_densities")

    @cached_property
    def elsewhere(self) -> Report:
        """What a fresh process makes of the class and its parameters: seed 0 once more."""
        try:
            strategy = self.strategy()
        except Fault:
            strategy = None
        return self._process.ask(self.cls, self.params, strategy, self.network, self.densities)

    def _play(
        self,
        bench: WatchedBench,
        seed: int = 0,
        owner: str = "",
        poisoned: bool = False,
        densities: tuple[float, ...] | None = None,
    ) -> Recording:
        try:
            strategy = self.strategy()
        except Fault as fault:
            return Recording(fault=fault)
        with one_thread():
            return record(
                strategy, bench, densities or self.densities, seed, owner or self.network, poisoned
            )
