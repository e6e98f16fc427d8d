"""A strategy with its parameters, and the experiments that contracts judge, each run once.

Most contracts examine the same few experiments, so a case caches them. A case takes one to three
seconds, most of it in six-step trainings.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from lth_bench.errors import UserError
from lth_bench.lottery.reachable import reaches
from lth_bench.params import build
from lth_bench.running.executors.pool import Pool
from lth_bench.testing.bench import WatchedBench
from lth_bench.testing.contract import Fault, NotJudged
from lth_bench.testing.elsewhere import Report, elsewhere
from lth_bench.testing.experiment import one_thread, record
from lth_bench.testing.networks import NetworkKind, TinyNetwork
from lth_bench.testing.recording import Recording
from lth_bench.testing.suggest import as_options, suggestions
from lth_bench.testing.witness import Stopped, StoppingStore
from lth_bench.training.checkpoints.policy import CheckpointPolicy
from lth_bench.training.engine.cohort_size import CohortSizes
from lth_bench.training.pending_fit import PendingFit

DENSITIES = (0.5, 0.2)
"""Densities of most experiments."""
ONE = (0.3,)
"""Default of `single_density`."""
STACKED = CohortSizes(None, given=2)
"""Cohorts of two."""
HANDFUL = 8
"""Number of weights at the sparsest density tested."""


class Case:
    """A strategy under test.

    `params` are as in a suite. `network` is the tiny network on which most contracts are judged:
    `linear`, `conv`, `batch_norm` or `residual`; the contracts about networks use their own.
    `densities` default to those the class declares in `reaches`, or else 0.5 and 0.2.
    """

    def __init__(
        self,
        cls: type[Any],
        params: Mapping[str, object] | None = None,
        network: NetworkKind = "batch_norm",
        densities: Sequence[float] = (),
    ) -> None:
        self.cls, self.params, self.network = cls, dict(params or {}), network
        self._asked = tuple(sorted(densities, reverse=True))
        self._on: dict[str, Recording] = {}
        self._suggestions: dict[int, str] = {}
        self._process = elsewhere()

    def __repr__(self) -> str:
        return f"Case({self.cls.__qualname__}, {self.params})"

    def flag(self, name: str) -> bool:
        """A declaration such as `dynamic`; a property where it follows from the parameters."""
        return bool(getattr(self.strategy(), name, False))

    @cached_property
    def reaches(self) -> tuple[float, ...]:
        """The densities that the strategy declares it reaches, from dense to sparse;
        empty for any.
        """
        try:
            return reaches(self.strategy()) or ()
        except (Fault, UserError):
            return ()  # the contracts on parameters and hooks report this

    @property
    def densities(self) -> tuple[float, ...]:
        """The densities to test; only 1.0 for a strategy that only reports the dense run."""
        return (1.0,) if self.flag("dense_only") else self._asked or self.reaches or DENSITIES

    @property
    def single_density(self) -> tuple[float, ...]:
        """The densities of experiments that only need to run: other networks, a dead layer."""
        chosen = self.flag("dense_only") or self._asked or self.reaches
        return self.densities[:1] if chosen else ONE

    def strategy(self) -> Any:
        """A new instance, as each experiment has its own. Fault if the parameters are invalid."""
        try:
            return build(self.cls, self.params, f"strategy {self.cls.__qualname__!r}")
        except UserError as error:
            raise Fault("parameters", error.message) from error

    def bench(
        self, kind: NetworkKind | None = None, dead: bool = False, **changed: Any
    ) -> WatchedBench:
        """A new workbench, with only the dense runs done."""
        return WatchedBench.fresh(TinyNetwork(kind or self.network, dead), **changed)

    def require(self, *recordings: Recording) -> None:
        """NotJudged unless these experiments ran to their end."""
        for recording in recordings:
            if recording.fault is not None:
                raise NotJudged(
                    f"not judged: the experiment ended early, see {recording.fault.contract!r}"
                )

    def require_happened(self, *recordings: Recording, since: int = 0) -> None:
        """NotJudged if one of the strategy's callbacks did nothing in these experiments; suggests
        parameters under which it would.
        """
        for recording in recordings:
            missing = recording.callbacks.missing(since)
            if missing:
                hint = self._suggested(since) or (
                    "choose parameters with --set under which it does, within six steps of which "
                    "four are an epoch"
                )
                raise NotJudged(f"not judged: {missing}; {hint}")

    def _suggested(self, since: int) -> str:
        """For example `--set update_every=1 would judge it`; "" if nothing is found."""
        if since not in self._suggestions:
            self._suggestions[since] = ""
            for change in suggestions(self.cls, self.params):
                case = Case(self.cls, {**self.params, **change}, self.network, self._asked)
                tried = case._play(case.bench())
                if tried.fault is None and not tried.callbacks.missing(since):
                    self._suggestions[since] = f"{as_options(change)} would judge it"
                    break
        return self._suggestions[since]

    @cached_property
    def base(self) -> Recording:
        """Seed 0, alone, with nothing trained before."""
        self._bench = self.bench()
        first = self._play(self._bench)
        # immediately, before other experiments could affect a strategy that remembers them
        self.rerun = self._play(self.bench(), poisoned=True)
        return first

    rerun: Recording
    """`base` repeated with a different test split. Read `base` first."""

    @cached_property
    def clean_rerun(self) -> Recording:
        """`base` repeated with the usual test split, to find out why `rerun` differs."""
        return self._play(self.bench())

    @cached_property
    def other_seed(self) -> Recording:
        """Seed 1, on the bench of `base`."""
        _ = self.base
        return self._play(self._bench, 1)

    @cached_property
    def after_other_seed(self) -> Recording:
        """Seed 0 after seed 1, with all of its trainings found finished."""
        _ = self.other_seed
        return self._play(self._bench)

    @cached_property
    def padded(self) -> Recording:
        """Seed 0 alone in a padded cohort."""
        return self._stacked(0)[0]

    @cached_property
    def beside_other_seed(self) -> Recording:
        """Seed 0 in a cohort with seed 1."""
        return self._stacked(0, 1)[0]

    def _stacked(self, *seeds: int) -> list[Recording]:
        """Run experiments on one bench as a worker does, their trainings in cohorts."""
        _ = self.base
        bench, pool = self.bench(cohort_sizes=STACKED), Pool()
        found: dict[int, Recording] = {}

        def job(seed: int) -> None:
            found[seed] = self._play(bench, seed, wait=pool.wait)

        with one_thread(), torch.random.fork_rng(devices=[]):
            for seed in seeds:
                pool.start(partial(job, seed))
            while len(pool):
                pool.serve(bench)
        return [found[seed] for seed in seeds]

    @cached_property
    def resumed(self) -> tuple[Recording, int]:
        """Seed 0 with each training interrupted and resumed by a new instance on a new bench, as
        after a worker's crash; and the number of interruptions.
        """
        _ = self.base
        finished = self.bench().cache
        with tempfile.TemporaryDirectory(prefix="lth-bench-conformance-") as folder:
            partials = StoppingStore(Path(folder))
            while True:
                bench = self.bench(
                    cache=finished,
                    checkpoint_store=partials,
                    checkpoint_policy=CheckpointPolicy(every=0.0),
                )
                try:
                    return self._play(bench), partials.stops
                except Stopped:
                    continue

    def on_network(self, kind: NetworkKind) -> Recording:
        """Seed 0 on another network."""
        if kind == self.network:
            return self.base
        if kind not in self._on:
            _ = self.base
            self._on[kind] = self._play(self.bench(kind), owner=kind, densities=self.single_density)
        return self._on[kind]

    @cached_property
    def dead_layer(self) -> Recording:
        """Seed 0 with a dead layer in the network."""
        _ = self.base
        return self._play(self.bench(dead=True), owner="dead_layer", densities=self.single_density)

    @cached_property
    def extremes(self) -> Recording:
        """Seed 0 with all weights but one, and with a handful."""
        _ = self.base
        bench = self.bench()
        total = bench.total
        densities = ((total - 1) / total, HANDFUL / total)
        return self._play(bench, densities=densities, owner="extreme_densities")

    @cached_property
    def in_new_process(self) -> Report:
        """What a new process finds: importing, unpickling, and seed 0 once more."""
        try:
            strategy = self.strategy()
        except Fault:
            strategy = None
        return self._process.ask(self.cls, self.params, strategy, self.network, self.densities)

    def _play(
        self,
        bench: WatchedBench,
        seed: int = 0,
        *,
        owner: str = "",
        poisoned: bool = False,
        densities: tuple[float, ...] | None = None,
        wait: Callable[[PendingFit], None] | None = None,
    ) -> Recording:
        try:
            strategy = self.strategy()
        except Fault as fault:
            return Recording(fault=fault)
        with one_thread():
            return record(
                strategy,
                bench,
                densities=densities or self.densities,
                seed=seed,
                owner=owner or self.network,
                poisoned=poisoned,
                wait=wait,
            )
