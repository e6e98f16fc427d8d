"""A workbench for the tiny task: keeps trainings in memory and watches the tensors it lends."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lth_bench.masks import Layer, Mask
from lth_bench.structure import UnitGroup, unit_groups
from lth_bench.testing import task
from lth_bench.testing.networks import TinyNetwork
from lth_bench.testing.witness import Callbacks, Ledger
from lth_bench.training.checkpoints.cache import Lease, Shapes, TrainingCache
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.pending_fit import ALONE, FitContext
from lth_bench.training.request import Change, FitRequest, StepView, Watch
from lth_bench.training.state import OnEval, Outcome, State, Trained

CPU = torch.device("cpu")


class _Free:
    """A lease without competitors."""

    def release(self) -> None:
        """Nothing is held."""


class MemoryCache(TrainingCache):
    """Finished trainings in memory, without a disk."""

    def __init__(self) -> None:
        super().__init__(Path())
        self._outcomes: dict[str, Outcome] = {}

    def lease(self, key: str) -> Lease:
        """Always available: there is no other process."""
        return _Free()

    def put(self, key: str, outcome: Outcome) -> None:
        """Store a training."""
        self._outcomes[key] = outcome

    def kept(self, key: str) -> frozenset[int]:
        """The steps whose state is stored."""
        known = key in self._outcomes
        return frozenset(self._outcomes[key].checkpoints) if known else frozenset()

    def get(
        self, key: str, layers: object, shapes: Shapes, checkpoints: frozenset[int]
    ) -> Outcome | None:
        """A training with at least these checkpoints, or None."""
        found = self._outcomes.get(key) if checkpoints <= self.kept(key) else None
        if found is None:
            return None
        # a copied mask: writing into it must not affect other callers
        kept = {name: tensor.clone() for name, tensor in found.mask.kept.items()}
        mask = Mask(kept, found.mask.held, found.mask.layers, found.mask.frozen)
        return dataclasses.replace(found, mask=mask)

    def copy(self) -> MemoryCache:
        """A copy with the same trainings."""
        other = MemoryCache()
        other._outcomes.update(self._outcomes)
        return other


class WatchedBench(Workbench):
    """The task of one tiny network. `ledger` records lent tensors and detects changes to them."""

    ledger: Ledger
    callbacks: Callbacks
    _initial: dict[tuple[int, str], State]
    kept: MemoryCache
    """The dense runs, on a prototype."""

    @classmethod
    def fresh(cls, model: TinyNetwork, **changed: Any) -> WatchedBench:
        """A bench with only the dense runs done, and copies of everything that can change.

        `changed` overrides attributes, such as `cohort_sizes`.
        """
        # copied, since building one takes 20 ms, most of it to trace the network
        bench = copy.copy(_prototype(model))
        bench.network = copy.deepcopy(bench.network)
        bench.data = ResidentData(task.arrays(), task.VAL, CPU)
        bench.cache = _prototype(model).kept.copy()
        bench.ledger = Ledger()
        bench.callbacks = Callbacks()
        bench._initial = {}
        assert changed.keys() <= vars(bench).keys(), changed
        vars(bench).update(changed)
        bench.forget()
        return bench

    @property
    def units(self) -> tuple[UnitGroup, ...]:
        """Groups of coupled units, traced once per process since they do not depend on values."""
        return _units(self.model)

    @property
    def total(self) -> int:
        """Prunable weights."""
        return sum(layer.numel for layer in self.layers)

    def initial(self, seed: int, purpose: str = "init") -> State:
        """The same object for all callers, so that changes to it are detected."""
        key = (seed, purpose)
        if key not in self._initial:
            self._initial[key] = super().initial(seed, purpose)
            self.ledger.lend("the initial values (ticket.initial)", self._initial[key].values)
        return self._initial[key]

    def checkpoint(self, key: str, step: int) -> State | None:
        """A stored state of the dense run."""
        state = super().checkpoint(key, step)
        if state is not None:
            self.ledger.lend(f"the dense run's values (ticket.dense.at({step}))", state.values)
        return state

    def fit(
        self,
        request: FitRequest,
        callbacks: Mapping[str, object] | None = None,
        on_eval: OnEval | None = None,
        *,
        context: FitContext = ALONE,
    ) -> Trained:
        """Train, watching the views given to callbacks."""
        if request.on_step is not None:
            on_step = self.callbacks.counted(request.on_step, request.start)
            request = dataclasses.replace(request, on_step=self._watched_step(on_step))
        if request.until is not None:
            until = self.callbacks.watched(request.until)
            request = dataclasses.replace(request, until=self._watched_until(until))
        return super().fit(request, callbacks, on_eval, context=context)

    def _watched_step(self, on_step: Any) -> Any:
        def watched(view: StepView) -> Change | None:
            with self.ledger.watching(
                ("the values that on_step views", view.values),
                ("the gradients that on_step views", view.gradients),
                ("the mask that on_step views", view.mask.items_by_key()),
            ):
                return on_step(view)  # type: ignore[no-any-return]

        return watched

    def _watched_until(self, until: Any) -> Any:
        def watched(view: Watch) -> bool:
            with self.ledger.watching(("the values that until views", view.values)):
                return until(view)  # type: ignore[no-any-return]

        return watched


@cache
def _units(model: TinyNetwork) -> tuple[UnitGroup, ...]:
    data = task.arrays().info
    return unit_groups(model.build(data.input_shape, data.classes), data.input_shape)


@cache
def _prototype(model: TinyNetwork) -> WatchedBench:
    """A bench with the dense runs of seeds 0 and 1, which do not depend on the strategy."""
    data = ResidentData(task.arrays(), task.VAL, CPU)
    kept = MemoryCache()
    config = dataclasses.asdict(model)
    bench = WatchedBench(
        model=model,
        model_config=config,
        data=data,
        data_config={"name": "tiny"},
        recipe=task.RECIPE,
        device=CPU,
        cache=kept,
    )
    bench.kept = kept
    _ = bench.network.stacks, bench.connections  # computed once, and copied with the network
    for seed in (0, 1):
        start = Workbench.initial(bench, seed).values
        request = FitRequest(
            values=start,
            mask=bench.dense_mask(),
            start=0,
            end=bench.total_steps,
            seed=seed,
            recipe=bench.recipe,
        )
        Workbench.fit(bench, request)
    return bench


def outline(model: TinyNetwork) -> tuple[Layer, ...]:
    """The prunable layers of a network."""
    return _prototype(model).layers
