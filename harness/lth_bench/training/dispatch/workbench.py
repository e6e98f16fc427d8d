"""A task on a device, and its `fit`."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.models.declared import declared_by
from lth_bench.objectives import CrossEntropy, Objective
from lth_bench.params import canonical
from lth_bench.structure import UnitGroup, unit_groups
from lth_bench.structure.connections import Connections, Unsupported
from lth_bench.system.blame import build_error, ends_the_run, place_of, training_error
from lth_bench.training.checkpoints.cache import TrainingCache
from lth_bench.training.checkpoints.checkpoint import CheckpointStore
from lth_bench.training.checkpoints.policy import CheckpointPolicy
from lth_bench.training.dispatch.serving import Work, cohort_size_of, serve
from lth_bench.training.engine.cohort_size import CohortSizes, Stacking
from lth_bench.training.engine.layouts import Layout, LayoutType, kind_of, make_layout
from lth_bench.training.engine.layouts.alone import leaves_out_background
from lth_bench.training.engine.network import Network, require_finite
from lth_bench.training.graphs import PeakMemory, current
from lth_bench.training.input.ablated import AblatedView
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.keys import device_name, digest, hash_mask, hash_tensors, numerics
from lth_bench.training.parallel.layout import DataParallel
from lth_bench.training.parallel.refusals import Spread, spread_over
from lth_bench.training.pending_fit import ALONE, FitContext, PendingFit
from lth_bench.training.randomness import seeded
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest
from lth_bench.training.start import started, without_start
from lth_bench.training.state import OnEval, Outcome, State, Trained

MEMORY = 2**28
"""Approximate bytes of finished trainings cached in memory."""
LAYOUTS = 2
"""Layouts cached on the device, with their captured steps."""


class Workbench:
    """One task (model, dataset, recipe) on one device, with its finished trainings."""

    def __init__(
        self,
        *,
        model: Any,
        model_config: Mapping[str, object],
        data: TaskData,
        data_config: Mapping[str, object],
        recipe: Recipe,
        device: torch.device,
        cache: TrainingCache,
        cohort_sizes: CohortSizes | None = None,
        checkpoint_policy: CheckpointPolicy | None = None,
        objective: Objective | None = None,
        objective_config: Mapping[str, object] | None = None,
        start: Mapping[str, Tensor] | None = None,
        spread: Spread | None = None,
    ) -> None:
        """`checkpoint_policy` decides when trainings write checkpoints; a process's benches share
        one. `objective` is cross-entropy by default; `objective_config` is its name and parameters,
        or None for cross-entropy. `start` has initial values by state-dict key, of the file that
        `model_config` names. `spread` makes layouts over several devices.
        """
        self.model, self.data, self.recipe, self.device = model, data, recipe, device
        self.cache = cache
        self._config = {"model": dict(model_config), "data": dict(data_config)}
        if objective_config is not None:  # so that trainings of plain cross-entropy keep their keys
            self._config["objective"] = dict(objective_config)
        self.objective = (objective or CrossEntropy()).bound(data.train.y, data.info)
        """Bound to the training split."""
        self._drawn = without_start(model_config)
        self._start, self._spread = dict(start or {}), spread
        self.view: AblatedView | None = None
        """What the training data lacks; see dispatch/variant.py."""
        shape = data.input_shape
        with self._building(), seeded("shape"):
            module = model.build(shape, data.classes)
            self.network = Network(
                module=module,
                input_shape=shape,
                classes=data.classes,
                device=device,
                dtype=recipe.dtype,
                objective=self.objective,
                targets=data.info.targets,
                declared=declared_by(model, model_config),
            )
        self.layers = self.network.layers
        self.shapes = {k: tuple(v.shape) for k, v in self.network.module.state_dict().items()}
        self.total_steps = recipe.total_steps(len(data.train))
        self.cohort_sizes = cohort_sizes or CohortSizes(None, given=1)
        self.memory = PeakMemory(device)
        """Device memory that cohorts use."""
        self.trained = Work()
        """What was trained here, whichever experiment pays for it."""
        self.checkpoint_store = CheckpointStore(cache.root)
        """Checkpoints of unfinished trainings, from earlier runs and from workers that died."""
        self.checkpoint_policy = checkpoint_policy or CheckpointPolicy()
        self.connections_if_known: Connections | str | None = None
        """None until `connections` is first called."""
        self.variants: dict[str, Workbench] = {}  # see dispatch/variant.py
        self._serving = False
        self.forget()

    def forget(self) -> None:
        """Drop cached trainings and layouts from memory."""
        self._recent: dict[str, Outcome] = {}
        self.forget_layouts()

    def forget_layouts(self) -> None:
        """Free the layouts on the device."""
        self._layouts: dict[tuple[Recipe, int, LayoutType], Layout] = {}

    def layout(self, recipe: Recipe, cohort_size: int, kind: LayoutType) -> Layout:
        """The layout for cohorts of this recipe, cohort size and kind."""
        if recipe.devices > 1:
            return spread_over(recipe, self._spread)(self, recipe)
        key = (recipe, cohort_size, kind)
        found = self._layouts.pop(key, None)
        if found is None:
            while len(self._layouts) >= LAYOUTS:
                self._layouts.pop(next(iter(self._layouts)))
            found = make_layout(self.network, self.data, recipe, cohort_size, kind)
        self._layouts[key] = found  # most recently used last
        return found

    def cohort_size(self, recipe: Recipe) -> int:
        """The cohort size under this recipe; 1 in few bits, which no stacked layout rounds to, and
        over several devices.
        """
        return 1 if recipe.bits or recipe.devices > 1 else self._stacking(recipe).size

    def kind(self, request: FitRequest, cohort_size: int) -> LayoutType:
        """The layout class of a training in cohorts of this size."""
        if request.recipe.devices > 1:
            return DataParallel
        stacks = self._stacking(request.recipe).stacks if cohort_size > 1 else None
        return kind_of(self.network, self.data, request, cohort_size, stacks)

    def _stacking(self, recipe: Recipe) -> Stacking:
        return self.cohort_sizes.of(self._cohort_size_key(recipe), self.network, self.data, recipe)

    def limit_cohort_size(self, recipe: Recipe, cohort_size: int) -> None:
        """Use at most this cohort size from now on: the device ran out of memory."""
        self.cohort_sizes.limit(self._cohort_size_key(recipe), cohort_size)

    def _cohort_size_key(self, recipe: Recipe) -> str:
        # only what affects the cost of a step; not the learning rate, nor the number of steps
        step = {
            f: getattr(recipe, f)
            for f in ("optimizer", "momentum", "nesterov", "batch_size", "crop", "flip")
        }
        if recipe.resized_crop is not None:
            step["resized_crop"] = list(self.data.train.x.shape[1:])
        shape: list[object] = [*self.data.input_shape, self.data.classes]
        if self.data.info.inputs != "images":
            shape.append(self.data.info.inputs)
        if "objective" in self._config:
            shape.append(self._config["objective"])
        device = numerics(self.device, recipe.dtype)
        # the fast paths for a training alone depend on the data
        alone = ["sparse_input"] if leaves_out_background(self.network, self.data, recipe) else []
        return digest([self._drawn, shape, step, device, *alone])

    def initial(self, seed: int, purpose: str = "init") -> State:
        """The values before training: a function of the model and the seed alone, apart from those
        that a start fixes, which only purpose `reinit` draws too.

        TrainingError if a trainable value is NaN or infinite: no method could start from that.
        """
        with seeded(purpose, digest(self._drawn), seed), self._building():
            module = self.model.build(self.data.input_shape, self.data.classes)
            state = module.to(self.network.dtype).state_dict()
            require_finite(module, f"built in {self._built}")
        values = {k: v.detach().to(self.device) for k, v in state.items()}
        if purpose != "reinit":
            values = started(values, self._start)
        return State(values, 0, self.layers)

    @cached_property
    def units(self) -> tuple[UnitGroup, ...]:
        """Groups of coupled units. UserError if the network's units cannot be removed."""
        return unit_groups(self.network.module, self.data.input_shape)

    def effective_density(self, mask: Mask) -> float | None:
        """Fraction of the prunable weights that are kept and on a path from input to output; None
        if the network's connections are unknown.
        """
        found = self.connections
        return None if isinstance(found, str) else found.effective(mask).density

    @property
    def connections(self) -> Connections | str:
        """The network's connections from input to output, or the reason why they are unknown."""
        if self.connections_if_known is None:
            try:
                found: Connections | str
                found = Connections(self.network.module, self.data.input_shape, self.layers)
            except Unsupported as reason:
                found = f"no effective density: {reason}"
            self.connections_if_known = found
        return self.connections_if_known

    def dense_mask(self) -> Mask:
        """The mask that keeps every weight."""
        return Mask.ones(self.layers, self.device)

    def key(self, request: FitRequest, callbacks: Mapping[str, object] | None) -> str:
        """The content address of a training, without requested checkpoints and `until`."""
        return digest([self._address(request, callbacks), request.end])

    def _address(
        self, request: FitRequest, callbacks: Mapping[str, object] | None
    ) -> dict[str, object]:
        """Everything that decides a training's values and cost, except its end."""
        return {
            "task": self._config,
            **request.randomness,
            **request.counted,
            "values": hash_tensors(request.values),
            "mask": hash_mask(request.mask),
            "start": request.start,
            "recipe": canonical(request.recipe),  # without defaults: new options keep old keys
            "numerics": numerics(self.device, request.recipe.dtype),
            "callbacks": dict(callbacks) if callbacks is not None else None,
        }

    def fit(
        self,
        request: FitRequest,
        callbacks: Mapping[str, object] | None = None,
        on_eval: OnEval | None = None,
        *,
        context: FitContext = ALONE,
    ) -> Trained:
        """Train, or return the finished training with the same key.

        `callbacks` identifies `on_step`, `penalty` and `parametrize`; `context`: who asks, and how
        it waits. A training stopped by `until` is a prefix, and has the key of a training that ends
        there; with `request.search` it is also stored under the search's own key.
        """
        if self._serving:
            raise ValueError("fit cannot be called inside a training (on_step, until, on_eval, …)")
        values = {k: v.detach().clone().to(self.device) for k, v in request.values.items()}
        request.mask.require(self.layers)
        mask = request.mask.to(self.device).copy()
        mask.apply_(values)
        request = dataclasses.replace(request, values=values, mask=mask)
        whole = self._address(request, callbacks)
        one = PendingFit(
            request,
            on_eval,
            context=context,
            key=_key(whole, request),
            # `on_step` sees the end step, so only fits with the same end share a training
            training=digest(whole if request.on_step is None else [whole, request.end]),
            callbacks=callbacks,
            bench=self,
        )
        size = cohort_size_of(self, one)
        found = self.find(one.key, request.checkpoints, size) if one.key else None
        if found is not None:
            one.reuse(found)
        elif context.wait is not None:
            context.wait(one)
        else:
            while not one.done:
                self.serve([one])
        if one.error is not None:
            raise one.error
        return self._trained(one)

    def serve(self, waiting: Sequence[PendingFit]) -> None:
        """Serve at least one of the waiting fits, or wait briefly for another process. An error
        that affects all of them becomes each one's error.
        """
        self._serving = True  # a callback that called fit would wait for itself
        try:
            with current(self.device):
                serve(self, waiting)
        except BaseException as error:
            if ends_the_run(error):
                raise
            self.blame(waiting, error)
        finally:
            self._serving = False

    def blame(self, fits: Iterable[PendingFit], error: BaseException) -> None:
        """Set the error that ended a training on the fits that still wait."""
        found = training_error(error, self._built)
        for one in fits:
            if not one.done:
                one.error = found

    @property
    def _built(self) -> str:
        return place_of(type(self.model).build)

    @contextlib.contextmanager
    def _building(self) -> Iterator[None]:
        """For a block that calls the user's code to build a network."""
        try:
            yield
        except BaseException as error:
            if ends_the_run(error):
                raise
            raise build_error(error, self._built) from error

    def checkpoint(self, key: str, step: int) -> State | None:
        """A stored state during a training, or None."""
        found = self.find(key, frozenset({step}))
        if found is None:
            return None
        values = {k: v.to(self.device) for k, v in found.checkpoints[step].items()}
        return State(values, step, self.layers)

    def find(
        self, key: str, checkpoints: frozenset[int], cohort_size: int | None = None
    ) -> Outcome | None:
        """A finished training with at least these checkpoints, or None.

        One trained at another cohort size counts too, unless exact cohort sizes are required.
        """
        found = self._recent.get(key)
        if found is None or not checkpoints <= found.checkpoints.keys():
            found = self.cache.get(key, self.layers, self.shapes, checkpoints)
            if found is not None:
                self._remember(key, found)
        if (
            found is not None
            and self.cohort_sizes.exact
            and cohort_size not in (None, found.cohort_size)
        ):
            return None
        return found

    def keep(self, key: str, outcome: Outcome) -> None:
        """Store a finished training on disk, and cache it in memory."""
        self.cache.put(key, outcome)
        self._remember(key, outcome)

    def _remember(self, key: str, outcome: Outcome) -> None:
        self._recent[key] = outcome
        size = 4 * sum(math.prod(shape) for shape in self.shapes.values())
        # the final and the best state, plus an allowance of the same size
        while len(self._recent) > max(4, MEMORY // (4 * size)):
            self._recent.pop(next(iter(self._recent)))

    def _trained(self, one: PendingFit) -> Trained:
        request, outcome, key, memo = one.request, one.outcome, one.key, one.memo
        assert outcome is not None
        if request.until is not None:
            key = self.key(dataclasses.replace(request, end=outcome.step), one.callbacks)
        if outcome.memo is not None:  # a fresh copy, whether it was trained or found
            memo = outcome.memo.restored(self.device, self.layers)

        def on_device(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
            # copies: a strategy that changes them must not affect others
            return {k: v.to(self.device, copy=True) for k, v in values.items()}

        ended = outcome.mask
        return Trained(
            values=on_device(outcome.values),
            step=outcome.step,
            layers=self.layers,
            mask=Mask(ended.kept, ended.held, self.layers, ended.frozen).to(self.device),
            start=request.start,
            curve=outcome.curve,
            best=State(on_device(outcome.best), outcome.best_step, self.layers),
            cost=outcome.cost,
            stopped=outcome.stopped,
            key=key,
            reused=one.reused,
            memo=memo,
            device=outcome.device or str(self.device),
            device_name=outcome.device_name or device_name(self.device),
            peak_memory=outcome.peak_memory,
            cohort_size=outcome.cohort_size,
            variant=outcome.variant,
            operand_bits=request.recipe.operand_bits,
        )


def _key(whole: Mapping[str, object], request: FitRequest) -> str:
    """The content address of a request; "" for an anonymous search."""
    if request.until is None:
        return digest([whole, request.end])
    return digest([whole, request.end, dict(request.search)]) if request.search else ""
