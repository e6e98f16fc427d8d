"""The ticket: what a hook receives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from lth_bench.errors import Unreachable, UserError
from lth_bench.masks import Layer, Mask, count_at
from lth_bench.structure import UnitGroup, require_units
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.pending_fit import ALONE, FitContext
from lth_bench.training.randomness import generator
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import (
    DenseGradients,
    FitRequest,
    OnStep,
    Parametrize,
    Penalty,
    Until,
)
from lth_bench.training.state import CurvePoint, OnEval, RewindPoint, State, Trained

Role = Literal["search", "train"]


@dataclass(kw_only=True)
class CostLedger:
    """The trainings an experiment has requested, each with its purpose."""

    search: list[Trained] = field(default_factory=list)
    train: list[Trained] = field(default_factory=list)
    role: Role = "search"
    calls: int = 0
    batches: int = 0
    """Batches of training data that hooks have asked for, outside of trainings."""

    def add(self, trained: Trained) -> None:
        """Count a training once under the role of the running hook."""
        known = any(t.key == trained.key for t in (*self.search, *self.train))
        if not known:
            # without tensors, which over many rounds would fill the device
            best = State({}, trained.best.step, trained.layers)
            receipt = replace(trained, values={}, best=best, mask=Mask({}), memo={})
            (self.search if self.role == "search" else self.train).append(receipt)

    def retire(self) -> None:
        """End a round: its training becomes part of the search for the next."""
        self.search.extend(self.train)
        self.train.clear()


class DenseRun:
    """The task's unpruned training at this seed, trained on first use."""

    def __init__(
        self,
        bench: Workbench,
        seed: int,
        ledger: CostLedger,
        *,
        checkpoints: frozenset[int] = frozenset(),
        context: FitContext = ALONE,
        on_eval: OnEval | None = None,
        order: int | None = None,
    ) -> None:
        """It keeps its state at `checkpoints` and tells `on_eval`; `order` is as in `Ticket`."""
        self._bench, self._seed, self._checkpoints, self._ledger = bench, seed, checkpoints, ledger
        self._order = order
        self._context, self._on_eval = context, on_eval
        self.asked: Trained | None = None
        """The whole run, once it has been asked for."""

    def request(self, end: int, checkpoints: frozenset[int]) -> FitRequest:
        """The training up to a step."""
        bench = self._bench
        return FitRequest(
            values=bench.initial(self._seed).values,
            mask=bench.dense_mask(),
            start=0,
            end=end,
            seed=self._seed,
            recipe=bench.recipe,
            checkpoints=checkpoints,
            order=self._order,
        )

    @property
    def trained(self) -> Trained:
        """The whole run."""
        if self.asked is None:
            request = self.request(self._bench.total_steps, self._checkpoints)
            self.asked = self._fit(request)
        self._ledger.add(self.asked)
        return self.asked

    @property
    def values(self) -> Mapping[str, Tensor]:
        """Parameters and buffers at the end of the run."""
        return self.trained.values

    def at(self, step: int) -> State:
        """The run's state after `step` updates, 0 ≤ step ≤ the length of training.

        Step 0 is free. A step that was not planned is trained up to there.
        """
        total = self._bench.total_steps
        if not 0 <= step <= total:
            raise ValueError(
                f"step must be from 0 to {total}, the length of the dense run, but got {step}"
            )
        if step == 0:
            return self._bench.initial(self._seed)
        if step == total:
            return self.trained
        if self.asked is None:
            # an experiment that needs only this much of the dense run pays only for this much
            prefix = self._fit(self.request(step, frozenset()))
            self._ledger.add(prefix)
            return prefix
        if step in self._checkpoints:
            kept = self._bench.checkpoint(self.asked.key, step)
            if kept is not None:
                return kept
        # part of a run that is already counted
        return self._fit(self.request(step, frozenset()))

    def _fit(self, request: FitRequest) -> Trained:
        return self._bench.fit(request, on_eval=self._on_eval, context=self._context)


class StepMatrix(NamedTuple):
    """A value for every pair of steps of a search."""

    steps: tuple[int, ...]
    """The n steps of training."""
    values: list[list[float]]
    """n rows of n."""


@dataclass(kw_only=True)
class Ticket:
    """A round's facts, data and trainings, as given to its hooks.

    In `select_mask`, `mask` is the previous round's final mask (ones at first) and `trained` the
    last state of the training behind it (the dense run at first). The later hooks see the new mask;
    `train` and `score` also see `start`. There is no access to the test split.
    """

    bench: Workbench = field(repr=False)
    seed: int
    """The experiment's seed."""
    target: float
    """The density to reach, in (0, 1]."""
    round: int
    """Number of rounds finished before this one."""
    mask: Mask
    """The current mask: which weights are kept."""
    dense: DenseRun = field(repr=False)
    """The unpruned training of this task and seed: `.values`, `.trained`, `.at(step)`."""
    ledger: CostLedger = field(repr=False)
    context: FitContext = field(default=ALONE, repr=False)
    before: Trained | None = field(default=None, repr=False)
    start: RewindPoint | None = field(default=None, repr=False)
    """Where this ticket's training starts; set after `rewind_point`."""
    memo: dict[str, Any] = field(default_factory=dict, repr=False)
    """Passes data between the hooks of one round."""
    on_eval: Callable[[Ticket, CurvePoint], None] | None = field(default=None, repr=False)
    order: int | None = field(default=None, repr=False)
    """What decides the order of the data, of trainings by default; None for the seed."""
    copy: Trained | None = field(default=None, repr=False)
    """In `score` of the control `reorder`: the same ticket trained in its own data order."""
    pruned: Mapping[str, Tensor] | None = field(default=None, repr=False)
    """Values at the end of the training that the mask was chosen after; None without one."""
    matrices: dict[str, StepMatrix] = field(default_factory=dict, repr=False)
    """The matrices recorded by `keep_matrix` in this round."""

    @property
    def trained(self) -> Trained:
        """The training behind `mask`, at its last step: the previous round's, or the dense run."""
        return self.before if self.before is not None else self.dense.trained

    @property
    def initial(self) -> State:
        """Parameters and buffers before any training: a function of model and seed."""
        return self.bench.initial(self.seed)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The prunable layers in the network's order; kind is conv, linear or output."""
        return self.bench.layers

    @property
    def recipe(self) -> Recipe:
        """The task's training recipe."""
        return self.bench.recipe

    @property
    def device(self) -> torch.device:
        """The device of values and masks."""
        return self.bench.device

    @property
    def prunable(self) -> int:
        """Number of prunable weights, including pruned ones."""
        return sum(layer.numel for layer in self.layers)

    @property
    def target_count(self) -> int:
        """Number of weights at the target: round(target × prunable)."""
        return count_at(self.target, self.prunable)

    @property
    def total_steps(self) -> int:
        """Length of the recipe's schedule in steps."""
        return self.bench.total_steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps in one pass over the training split."""
        return self.recipe.steps_per_epoch(self.train_size)

    @property
    def train_size(self) -> int:
        """Examples in the training split."""
        return len(self.bench.data.train)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Sizes of one example: [C, H, W] of an image."""
        return self.bench.data.input_shape

    @property
    def classes(self) -> int:
        """Number of classes, or of whatever else a network has an output for."""
        return self.bench.data.classes

    @property
    def units(self) -> tuple[UnitGroup, ...]:
        """The network's groups of coupled channels and neurons, without the output layer's.

        Unreachable for a network that has none, or whose units cannot be removed one by one: the
        strategy's rows are then skipped with this reason.
        """
        try:
            return require_units(self.bench.units, self.bench.network.module)
        except UserError as refusal:
            raise Unreachable(refusal.message) from refusal

    def module(self, values: Mapping[str, Tensor] | None = None) -> nn.Module:
        """A separate network on the device, in training mode, with these or the initial values."""
        return self.bench.network.twin(self.initial.values if values is None else values)

    def batches(self, size: int, purpose: str = "batches") -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of the training split: inputs [N, …] as the network takes them, normalised float
        [N, C, H, W] of images, and targets [N, …].

        Not augmented, each example once, in an order that depends on (seed, purpose).
        """
        data, n = self.bench.data, self.train_size
        if not 1 <= size <= n:
            raise ValueError(
                f"size must be from 1 to {n}, the examples in the training split, but got {size}"
            )
        order = torch.randperm(n, generator=self.data_stream(purpose)).to(self.device)
        for i in range(0, n - size + 1, size):
            self.ledger.batches += 1
            index = order[i : i + size]
            x = self.bench.network.as_input(data.normalise(data.train.x[index]))
            yield x, data.train.y[index]

    def stream(self, purpose: str) -> torch.Generator:
        """A CPU random generator for one purpose, the same for every strategy at this seed."""
        return generator("ticket", purpose, self.seed)

    def data_stream(self, purpose: str) -> torch.Generator:
        """The same for choosing training examples, which differs where their order does."""
        return generator("ticket", purpose, self.seed if self.order is None else self.order)

    def fit(
        self,
        values: Mapping[str, Tensor] | None = None,
        mask: Mask | None = None,
        *,
        start: int | None = None,
        end: int | None = None,
        recipe: Recipe | None = None,
        penalty: Penalty | None = None,
        parametrize: Parametrize | None = None,
        on_step: OnStep | None = None,
        every: int = 1,
        dense_gradients: DenseGradients = "on_change",
        until: Until | None = None,
        target_independent: bool = False,
        order: int | None = None,
    ) -> Trained:
        """Train. Every argument defaults to the ticket's own value.

        `start` and `end` are absolute steps of the schedule; beyond its end the last learning
        rate holds. Every `every` steps `on_step` runs between backward and update and may return
        a `Change`, and `until` may stop the training. Their only memory is their view's `memo`;
        that of `until`, or else of `on_step`, is returned as `Trained.memo`. `penalty` adds a term
        to the loss; `parametrize` maps trainables and mask to the weights that the network uses.
        What it draws from torch's global generator depends on the data order and the step alone; in
        evaluations, and for the values that the training returns, gradients are off.
        `dense_gradients` says when the method needs gradients of pruned weights, which then count
        as FLOPs: by default at the steps where `on_step` returns a `Change`.

        Set `target_independent` if `on_step`, `penalty` and `parametrize` do not depend on the
        ticket's target density: then all densities of a strategy share the training.

        `order` decides the order of the data, its augmentation, and what a forward pass draws
        (dropout), by default the ticket's seed: two trainings that differ in it alone are the
        copies of an instability analysis.

        Trainings are content-addressed: one that was done before, by any strategy, is returned
        immediately.
        """
        point = self.start
        if values is None:
            values = point.values if point is not None else self.initial.values
        if start is None:
            start = point.step if point is not None else 0
        end = self.total_steps if end is None else end
        for name in ("dtype", "val_size"):
            if recipe is not None and getattr(recipe, name) != getattr(self.recipe, name):
                raise ValueError(
                    f"recipe.{name} must be the task's own, "
                    f"{getattr(self.recipe, name)!r}, but got {getattr(recipe, name)!r}"
                )
        request = FitRequest(
            values=values,
            mask=self.mask if mask is None else mask,
            start=start,
            end=end,
            seed=self.seed,
            recipe=self.recipe if recipe is None else recipe,
            penalty=penalty,
            parametrize=parametrize,
            on_step=on_step,
            until=until,
            every=every,
            dense_gradients=dense_gradients,
            order=self.order if order is None else order,
        )
        private = any(f is not None for f in (penalty, parametrize, on_step))
        identity: dict[str, object] | None = None
        mine = {**self.context.identity, "call": self.ledger.calls, "every": every}
        if private:
            identity = {**mine, "target": None if target_independent else self.target}
        if until is not None:  # it may stop each density's search at another step
            request = replace(request, search={**mine, "target": self.target})
        if private or until is not None:
            self.ledger.calls += 1
        heard = partial(self.on_eval, self) if self.on_eval is not None else None
        trained = self.bench.fit(request, identity, heard, context=self.context)
        self.ledger.add(trained)
        return trained

    def validate(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """`loss` and the objective's metrics of these parameters and buffers under the mask, on the
        validation split, without training.
        """
        masked = {key: value.detach().clone() for key, value in values.items()}
        self.mask.apply_(masked)
        self.bench.network.load(masked)
        found = self.bench.network.evaluate(self.bench.data.val, self.bench.data, self.mask)
        return {"loss": found.loss, **found.metrics}

    def keep_matrix(self, name: str, steps: Sequence[int], values: Tensor) -> None:
        """Record a value for every pair of steps of the search, for the report to draw.

        `values` is [n, n] for n `steps` of training, for example the distances between the masks at
        these steps. At most 256 steps; stored to six decimals. Call it in `select_mask`; the
        matrices of reported tickets go into the table `matrices`.

        ValueError for another shape, and for values that are not finite.
        """
        n = len(steps)
        if n > 256 or values.shape != (n, n) or not bool(torch.isfinite(values).all()):
            raise ValueError(
                f"a matrix needs one finite value for every pair of at most 256 steps, but got "
                f"{n} steps and values of shape {list(values.shape)}"
            )
        rows = [[round(x, 6) for x in row] for row in values.tolist()]
        self.matrices[name] = StepMatrix(tuple(map(int, steps)), rows)

    def after_selection(self, mask: Mask) -> Ticket:
        """This ticket with the mask from `select_mask`."""
        return replace(self, mask=mask)

    def after_rewinding(self, start: RewindPoint) -> Ticket:
        """This ticket with the point from `rewind_point`."""
        return replace(self, start=start)
