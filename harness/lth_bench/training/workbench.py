"""A task on a device, and the one door to training: `fit`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.structure import UnitGroup, unit_groups
from lth_bench.training.cache import TrainingCache
from lth_bench.training.engine import OnEval, Outcome, Training
from lth_bench.training.keys import digest, hash_mask, hash_tensors, numerics
from lth_bench.training.network import Network
from lth_bench.training.randomness import seeded
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest
from lth_bench.training.resident import ResidentData
from lth_bench.training.state import State, Trained

MEMORY = 8
"""Finished trainings kept in memory, for the experiments of one (task, seed)."""


class Workbench:
    """One task (model, dataset, recipe) on one device, with the trainings it has done."""

    def __init__(
        self,
        model: Any,
        model_config: Mapping[str, object],
        data: ResidentData,
        data_config: Mapping[str, object],
        recipe: Recipe,
        device: torch.device,
        cache: TrainingCache,
    ) -> None:
        self.model, self.data, self.recipe, self.device = model, data, recipe, device
        self.cache = cache
        self._config = {"model": dict(model_config), "data": dict(data_config)}
        shape = data.input_shape
        with seeded("shape"):
            module = model.build(shape, data.classes)
        self.network = Network(module, shape, data.classes, device, recipe.dtype)
        self.layers = self.network.layers
        self.shapes = {k: tuple(v.shape) for k, v in self.network.module.state_dict().items()}
        self.total_steps = recipe.total_steps(len(data.train))
        self._recent: dict[str, Outcome] = {}
        self._training = False

    def initial(self, seed: int, purpose: str = "init") -> State:
        """The values before training: a function of the model and the seed alone."""
        with seeded(purpose, digest(self._config["model"]), seed):
            module = self.model.build(self.data.input_shape, self.data.classes)
        state = module.to(self.network.dtype).state_dict()
        values = {k: v.detach().to(self.device) for k, v in state.items()}
        return State(values, 0, self.layers)

    @cached_property
    def units(self) -> tuple[UnitGroup, ...]:
        """Groups of coupled units; UserError for a network whose units cannot be removed."""
        return unit_groups(self.network.module, self.data.input_shape)

    def dense_mask(self) -> Mask:
        """The mask that keeps everything."""
        return Mask.ones(self.layers, self.device)

    def key(self, request: FitRequest, callbacks: Mapping[str, object] | None) -> str:
        """The content address of a training. Wanted checkpoints and `until` are not in it."""
        return digest(
            {
                "task": self._config,
                "seed": request.seed,
                "values": hash_tensors(request.values),
                "mask": hash_mask(request.mask),
                "start": request.start,
                "end": request.end,
                "recipe": recipe_config(request.recipe),
                "numerics": numerics(self.device, request.recipe.dtype),
                "callbacks": dict(callbacks) if callbacks is not None else None,
            }
        )

    def fit(
        self,
        request: FitRequest,
        callbacks: Mapping[str, object] | None = None,
        on_eval: OnEval | None = None,
    ) -> Trained:
        """Train, or return what was trained already under the same key.

        `callbacks` identifies `on_step`, `penalty` and `parametrize` where there are any. A
        training that `until` stops is a prefix and has the address of a training up to there.
        """
        if self._training:
            raise ValueError("fit cannot be called inside a training (on_step, until, on_eval, …)")
        values = {k: v.detach().clone().to(self.device) for k, v in request.values.items()}
        request.mask.require(self.layers)
        mask = request.mask.to(self.device)
        mask.apply_(values)
        request = dataclasses.replace(request, values=values, mask=mask)
        if request.until is not None:
            # where it stops is known only afterwards
            outcome = self._train(request, on_eval)
            key = self.key(dataclasses.replace(request, end=outcome.step), callbacks)
            if callbacks is None:  # otherwise nobody would ask for it again
                self._keep(key, dataclasses.replace(outcome, stopped=False))
            return self._trained(key, request, outcome)
        key = self.key(request, callbacks)
        found = self._find(key, request.checkpoints)
        if found is None:
            with self.cache.lease(key):
                found = self._find(key, request.checkpoints)
                if found is None:
                    # what an earlier run wanted stays, or two suites would undo each other's work
                    wanted = request.checkpoints | self.cache.kept(key)
                    request = dataclasses.replace(request, checkpoints=wanted)
                    outcome = self._train(request, on_eval)
                    self.cache.put(key, outcome)
                    self._remember(key, outcome)
                    return self._trained(key, request, outcome)
        return dataclasses.replace(self._trained(key, request, found), reused=True)

    def _train(self, request: FitRequest, on_eval: OnEval | None) -> Outcome:
        # the network is one, so trainings cannot nest; and whether a training runs or is found
        # must not show in the numbers that a hook draws afterwards
        self._training = True
        try:
            with seeded("training"):
                return Training(self.network, self.data, request).run(on_eval)
        finally:
            self._training = False

    def _keep(self, key: str, outcome: Outcome) -> None:
        """Keep a training that was not looked for, unless it is known."""
        with self.cache.lease(key):
            if self._find(key, frozenset()) is None:
                self.cache.put(key, outcome)
                self._remember(key, outcome)

    def checkpoint(self, key: str, step: int) -> State | None:
        """A kept state in mid-training, or None."""
        found = self._find(key, frozenset({step}))
        if found is None:
            return None
        values = {k: v.to(self.device) for k, v in found.checkpoints[step].items()}
        return State(values, step, self.layers)

    def _find(self, key: str, checkpoints: frozenset[int]) -> Outcome | None:
        recent = self._recent.get(key)
        if recent is not None and checkpoints <= recent.checkpoints.keys():
            return recent
        found = self.cache.get(key, self.layers, self.shapes, checkpoints)
        if found is not None:
            self._remember(key, found)
        return found

    def _remember(self, key: str, outcome: Outcome) -> None:
        self._recent[key] = outcome
        while len(self._recent) > MEMORY:
            self._recent.pop(next(iter(self._recent)))

    def _trained(self, key: str, request: FitRequest, outcome: Outcome) -> Trained:
        def on_device(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
            # copies: a strategy that changes them must not change what others are given
            return {k: v.to(self.device, copy=True) for k, v in values.items()}

        return Trained(
            values=on_device(outcome.values),
            step=outcome.step,
            layers=self.layers,
            mask=Mask(outcome.mask.kept, outcome.mask.held, self.layers).to(self.device),
            start=request.start,
            curve=outcome.curve,
            best=State(on_device(outcome.best), outcome.best_step, self.layers),
            cost=outcome.cost,
            stopped=outcome.stopped,
            key=key,
            device=str(self.device),
        )


def recipe_config(recipe: Recipe) -> dict[str, object]:
    """A recipe as JSON, fields at their default left out so that a new option keeps old keys."""
    from lth_bench.params import canonical

    return canonical(recipe)
