"""What every layout does: load members, take steps, enforce masks, read one member, evaluate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.training.engine.layouts.best import BestStates, copies
from lth_bench.training.engine.layouts.captured import SEVERAL, Captured
from lth_bench.training.engine.loss import evaluate_members, is_plain
from lth_bench.training.engine.network import Network
from lth_bench.training.graphs import captures
from lth_bench.training.input.batches import BatchSource, make_batch_source
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.optimizers import direct_step, make_optimizer, to_start
from lth_bench.training.randomness import seed_global, seed_of
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import Parametrize, Penalty, Values


class Layout(ABC):
    """The parameters, buffers and optimizer state of `cohort_size` members, and their training
    step.

    A step is `forward_backward` followed by `update`. Both operate on tensors at fixed addresses
    and read nothing back to the host: on a GPU each is captured once as a CUDA graph and replayed,
    also for every later cohort of this layout. Callbacks run between the two. `advance` takes steps
    without callbacks, several per graph.
    """

    variant: ClassVar[str]
    """How the layout computes, as recorded with every training."""

    example_major: ClassVar[bool] = False
    """Whether a batch's rows are ordered by example, then by member."""

    def __init__(self, network: Network, data: TaskData, recipe: Recipe, cohort_size: int) -> None:
        self.network, self.data, self.recipe, self.cohort_size = network, data, recipe, cohort_size
        self.device = network.device
        # a captured graph must work for every mask
        self.static = captures(network.device)
        self.batch_source = self.make_batch_source()
        self.penalties: dict[int, Penalty] = {}
        self.parametrize: Parametrize | None = None
        self.masks: dict[int, Mask] = {}
        self.parameters, self.buffers = self.make_tensors()
        self.optimizer = make_optimizer(list(self.parameters.values()), recipe, cohort_size)
        to_start(self.optimizer)
        self._step = direct_step(self.optimizer)
        self.losses = torch.zeros(cohort_size, device=self.device, dtype=torch.float64)
        """Sum of each member's training losses since `begin`: [cohort size]."""
        self._evaluated = torch.zeros(2, cohort_size, device=self.device, dtype=torch.float64)
        self.best = BestStates(self)
        self._factors: dict[str, Tensor] = {}
        self._covered: set[str] = set()
        self._open: dict[str, list[bool]] = {}
        self._masked: list[Tensor] = []
        self._by: list[Tensor] = []
        self.graphs = Captured(
            self.device,
            self._forward_backward,
            self._update,
            lambda: [*self.parameters.values(), self.losses],
        )
        self._grads: list[Tensor | None] = []
        self._lr = float("nan")
        self._seeds: Sequence[int] = ()
        self._starts: Sequence[int] = ()

    def make_batch_source(self) -> BatchSource:
        """The source of the batches given to `backward`."""
        return make_batch_source(self.data, self.recipe, self.cohort_size, self.example_major)

    @abstractmethod
    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Parameters (autograd leaves) and buffers, keyed as in the state dict."""

    @abstractmethod
    def member(self, tensor: Tensor, slot: int) -> Tensor:
        """A view of one member's part of a parameter, buffer, gradient or optimizer state."""

    @abstractmethod
    def backward(self, x: Any, y: Tensor) -> None:
        """Process one batch from the source: add to `losses`, and leave all members' gradients in
        the parameters' `.grad`.
        """

    @abstractmethod
    def evaluated(self) -> Tensor:
        """[2, cohort size], float64: summed validation losses, and number of correct examples."""

    def part(self, tensors: Mapping[str, Tensor], slot: int) -> dict[str, Tensor]:
        """One member's part of tensors stored as the layout's are, in the state dict's shapes."""
        return {k: self.member(t, slot) for k, t in tensors.items()}

    def packed(self, values: Values) -> Values:
        """A member's values in the layout's own storage format."""
        return values

    def evaluate(self, live: Sequence[int]) -> dict[int, tuple[float, float]]:
        """Validation loss and primary metric of these slots. Waits for the device once for plain
        cross-entropy, and three times otherwise.
        """
        if not is_plain(self.network.objective):
            return evaluate_members(self.network.objective, self.outputs(), live)
        if self._evaluates_by_graph:
            found = self.graphs.evaluation(self.evaluated, self._evaluated)
        else:
            found = self.evaluated()
        losses, rights = found.tolist()
        n = len(self.data.val)
        return {slot: (losses[slot] / n, rights[slot] / n) for slot in live}

    def outputs(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """A slot, its outputs [n, …] and their targets [n, …], batch by batch until every slot has
        had the validation split, in eval mode.
        """
        raise AssertionError(f"{self.variant} takes plain cross-entropy alone")

    @property
    def _evaluates_by_graph(self) -> bool:
        # `parametrize` is a different function in every cohort
        resident = isinstance(self.data.val.x, Tensor)
        return self.static and resident and self.parametrize is None

    def begin(
        self,
        seeds: Sequence[int],
        starts: Sequence[int],
        values: Sequence[Values],
        masks: Sequence[Mask],
        *,
        penalties: Mapping[int, Penalty],
        parametrize: Parametrize | None = None,
    ) -> None:
        """Load `cohort_size` members into the slots, with fresh optimizer state."""
        self.penalties, self.parametrize = dict(penalties), parametrize
        self._seeds, self._starts = seeds, starts
        # before the capture, whose warm-up uses the masks, and before the values are loaded, which
        # the previous members' masks must not touch
        self._set_masks(masks)
        if self._can_replay:
            self.batch_source.begin(seeds, starts)
            self.batch_source.load(0)
            self._capture()
            # a cohort that ran without replay left its own gradient tensors there
            for parameter, gradient in zip(self.parameters.values(), self._grads, strict=True):
                parameter.grad = gradient
        self.batch_source.begin(seeds, starts)
        self._load(values)
        self.enforce()
        to_start(self.optimizer)
        self.losses.zero_()
        self.best.keep(range(self.cohort_size))

    @torch.no_grad()
    def _load(self, values: Sequence[Values]) -> None:
        packed = [self.packed(v) for v in values]
        for key, tensor in self.tensors().items():
            if self.cohort_size == 1:
                self.member(tensor, 0).copy_(packed[0][key])
            else:
                tensor.copy_(torch.stack([v[key] for v in packed]))

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers."""
        return {**self.parameters, **self.buffers}

    def advance(
        self, done: int, steps: int, lr: Callable[[int], float], stop: Callable[[], bool]
    ) -> int:
        """Take up to `steps` whole steps, starting `done` steps after `begin`.

        `lr(n)` is the learning rate of the n-th step since `begin`; `stop()` is checked after every
        launch. Returns the number of steps taken, at least 1.
        """
        taken = 0
        while taken < steps:
            taken += self._some(done + taken, steps - taken, lr)
            if stop():
                break
        return taken

    def _some(self, done: int, steps: int, lr: Callable[[int], float]) -> int:
        """Take one step, or `SEVERAL` in one launch if nothing changes between them."""
        if steps >= SEVERAL and self._replays and (graph := self.graphs.several) is not None:
            rate = lr(done)
            same = self.batch_source.ahead(done) >= SEVERAL and lr(done + SEVERAL - 1) == rate
            if same and all(lr(done + i) == rate for i in range(1, SEVERAL - 1)):
                self.batch_source.load(done, SEVERAL)
                self._set_lr(rate)
                graph()
                return SEVERAL
        self.forward_backward(done)
        self.update(lr(done))
        return 1

    def forward_backward(self, done: int) -> None:
        """Batch, forward and backward of the step that follows `done` steps since `begin`."""
        self.batch_source.load(done)
        drawn = {"torch"} if self.parametrize is not None else set()
        if generators := self.network.side_effects.generators | drawn:
            # random numbers are a function of (seed, step); such a training has cohort size 1
            seed_global(self.forward_seed(done), self.device, generators)
        if self._replays:
            assert self.graphs.step is not None
            self.graphs.step[0]()
        else:
            self._forward_backward()

    def forward_seed(self, done: int) -> int:
        """Seeds what the forward pass draws, after `done` steps since `begin`."""
        return seed_of("forward", self._seeds[0], self._starts[0] + done)

    def changed(self) -> None:  # noqa: B027  # nothing follows where the tensors are all there is
        """What a callback asked for was written into a member's tensors."""

    def update(self, lr: float) -> None:
        """The optimizer update at this learning rate, then the masks."""
        self._set_lr(lr)
        if self._replays:
            assert self.graphs.step is not None
            self.graphs.step[1]()
        else:
            self._update()

    def _set_lr(self, lr: float) -> None:
        if lr != self._lr:
            for group in self.optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(lr)
                else:
                    group["lr"] = lr
            self._lr = lr

    @property
    def _can_replay(self) -> bool:
        """Whether a captured graph can be replayed for this cohort's steps."""
        plain = (
            not self.penalties
            and self.parametrize is None
            and not self.network.side_effects.generators
        )
        return self.static and self.graphs.possible and self.batch_source.static and plain

    @property
    def _replays(self) -> bool:
        return self.graphs.step is not None and self._can_replay

    def _forward_backward(self) -> None:
        x, y = self.batch_source.batch()
        for parameter in self.parameters.values():
            parameter.grad = None
        self.backward(x, y)

    def _update(self) -> None:
        self._step()
        self.enforce()

    def _capture(self) -> None:
        """Capture the step unless already done. Overwrites what the slots held."""
        if self.graphs.step is None:
            for key, parameter in self.parameters.items():
                self._factors.setdefault(key, torch.ones_like(parameter))
            self._masked = list(self.parameters.values())
            self._by = [self._factors[k] for k in self.parameters]
            self.graphs.capture_step(several=self.batch_source.at_once >= SEVERAL)
            self._grads = [p.grad for p in self.parameters.values()]

    def _set_masks(self, masks: Sequence[Mask]) -> None:
        """Set the masks of all slots."""
        if not self.static or self.cohort_size == 1:
            for slot, mask in enumerate(masks):
                self.set_mask(slot, mask)
            return
        self.masks = dict(enumerate(masks))
        parts = [mask.items_by_key() for mask in masks]
        covered = {key: None for part in parts for key in part}
        with torch.no_grad():
            for key in covered:
                factor = self._factors.setdefault(key, torch.ones_like(self.parameters[key]))
                missing = any(key not in p for p in parts)
                whole = torch.ones_like(factor[0], dtype=torch.bool) if missing else factor[0]
                factor.copy_(torch.stack([p.get(key, whole) for p in parts]))
            for key in self._covered - covered.keys():  # covered by the previous members' masks
                self._factors[key].fill_(1.0)
        self._covered = set(covered)
        self._enforce_all()

    def set_mask(self, slot: int, mask: Mask) -> None:
        """Set the mask of a slot, and enforce it."""
        self.masks[slot] = mask
        parts = mask.items_by_key()
        self._covered |= parts.keys()
        with torch.no_grad():
            for key in {*parts, *self._factors}:
                parameter = self.parameters[key]
                if key not in parts:
                    self.member(self._factors[key], slot).fill_(1.0)
                    self._kept_all(key)[slot] = True
                    continue
                whole = not self.static and bool(parts[key].all())
                if whole and key not in self._factors:
                    continue
                factor = self._factors.setdefault(key, torch.ones_like(parameter))
                self.member(factor, slot).copy_(parts[key])
                self._kept_all(key)[slot] = whole
        self._enforce_all()

    def _enforce_all(self) -> None:
        """Record which parameters are masked, and enforce the masks."""
        names = [k for k in self.parameters if k in self._factors]
        names = [k for k in names if self.static or not all(self._kept_all(k))]
        self._masked = [self.parameters[k] for k in names]
        self._by = [self._factors[k] for k in names]
        self.enforce()

    def _kept_all(self, key: str) -> list[bool]:
        return self._open.setdefault(key, [True] * self.cohort_size)

    @torch.no_grad()
    def enforce(self) -> None:
        """Set pruned weights to zero, in one call for all layers."""
        if self._masked and self.parametrize is None:
            torch._foreach_mul_(self._masked, self._by)

    def live(self, slot: int) -> dict[str, Tensor]:
        """Views of a member's current parameters and buffers."""
        return self.part({k: t.detach() for k, t in self.tensors().items()}, slot)

    def snapshots(self, slots: Sequence[int]) -> list[dict[str, Tensor]]:
        """Copies of these members' current values, with pruned weights at +0.0."""
        return copies(self, self.tensors(), slots, [self.masks[slot] for slot in slots])

    def gradients(self, slot: int) -> dict[str, Tensor]:
        """A member's dense gradients by parameter; zeros for parameters without a gradient."""
        found = {}
        for key, parameter in self.parameters.items():
            whole = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            found[key] = self.member(whole, slot)
        return found

    def optimizer_state(self, slot: int) -> dict[str, dict[str, Any]]:
        """Views of a member's optimizer state by parameter, named as in torch.optim.

        Adam's `step` counts the training's steps and is shared by all members.
        """
        return self._optimizer_state(slot)

    def _optimizer_state(self, slot: int) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for key, parameter in self.parameters.items():
            state = self.optimizer.state[parameter]
            found[key] = {
                name: self.member(value, slot) if value.shape == parameter.shape else value
                for name, value in state.items()
            }
        return found

    @torch.no_grad()
    def state(self, slot: int) -> dict[str, Tensor]:
        """A member's state that carries over from step to step, without its mask: CPU copies of
        parameters, buffers, optimizer state and summed loss.
        """
        views = self._whole(slot)
        return {k: v.detach().to("cpu", copy=True).contiguous() for k, v in views.items()}

    def accepts(self, slot: int, state: Mapping[str, Tensor]) -> bool:
        """Whether `state` fits a member in this slot under the slot's current mask."""
        views = self._whole(slot)
        return views.keys() == state.keys() and all(
            v.shape == state[k].shape and v.dtype == state[k].dtype for k, v in views.items()
        )

    @torch.no_grad()
    def restore(self, slot: int, state: Mapping[str, Tensor]) -> None:
        """Load a saved state, after its mask was set. All members must be at the same step."""
        for key, view in self._whole(slot).items():
            view.copy_(state[key])

    def _whole(self, slot: int) -> dict[str, Tensor]:
        found = {f"value/{k}": self.member(t.detach(), slot) for k, t in self.tensors().items()}
        for key, entries in self._optimizer_state(slot).items():
            found |= {f"{n}/{key}": v for n, v in entries.items() if isinstance(v, Tensor)}
        return {**found, "loss": self.losses[slot]}
