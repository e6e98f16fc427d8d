"""All members side by side on the device, each as the plain network: branches of one CUDA graph."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from lth_bench.training.behaviour import evaluating, hooked
from lth_bench.training.engine.layouts.stacked import Stacked
from lth_bench.training.engine.loss import step_loss
from lth_bench.training.engine.network import Network, loss_and_correct_sums
from lth_bench.training.engine.stacking.stacks import ByMember
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.recipe import Recipe


class Branches(Stacked):
    """Members computed by the network's own kernels, each on its own stream between a fork and a
    join. Captured, these become parallel branches of one graph. A member gets the same bits as
    alone.

    For convolutions on a GPU, which have no good stacked form: grouped convolutions are slower than
    separate ones in sequence, and a small convolution alone leaves most of the GPU idle. Batches,
    optimizer, masks and snapshots still operate on the whole stack.
    """

    variant = "branches"
    how = ByMember
    stack: ByMember

    @classmethod
    def takes(cls, network: Network) -> bool:
        """Whether this network can be trained with this layout: its forward pass has no side
        effects.
        """
        side_effects = network.side_effects
        return (
            not side_effects.generators
            and not side_effects.rebound_buffers
            and not hooked(network.module)
        )

    def __init__(self, network: Network, data: TaskData, recipe: Recipe, cohort_size: int) -> None:
        super().__init__(network, data, recipe, cohort_size)
        self._streams = (
            [torch.cuda.Stream(reader=self.device) for _ in range(cohort_size)]  # type: ignore[no-untyped-call]
            if self.device.type == "cuda"
            else []
        )
        trained = {k: p for k, p in self.parameters.items() if p.requires_grad}
        # each member's leaves, and the tensors that gather their gradients for the optimizer
        self._leaves = [
            {k: p.detach()[slot].requires_grad_() for k, p in trained.items()}
            for slot in range(cohort_size)
        ]
        self._gathered = {k: torch.zeros_like(p) for k, p in trained.items()}
        self._gradients = [
            {k: g[slot] for k, g in self._gathered.items()} for slot in range(cohort_size)
        ]
        self._each = torch.zeros(cohort_size, dtype=network.dtype, device=self.device)
        self._known: set[torch.Size] = set()
        """Shapes of the batches so far."""

    def backward(self, x: Tensor, y: Tensor) -> None:
        batches = zip(self.stack.by_member(x), self.stack.by_member(y), strict=True)
        used: set[str] = set()
        # What the network or the objective makes at its first batch of a shape and keeps for later
        # ones (constants, causal masks, tables of positions) belongs to all members. So that batch
        # is computed in sequence: made in one branch, no other branch would wait for it.
        forks = x.shape in self._known
        self._known.add(x.shape)
        for slot, (inputs, targets) in enumerate(batches):
            with self._branch(slot) if forks else contextlib.nullcontext():
                used |= self._backward_of(slot, inputs, targets)
        if forks:
            self._join()
        self.losses += self._each
        for key, gradient in self._gathered.items():
            # as in training alone, an unused parameter has no gradient and is not updated
            self.parameters[key].grad = gradient if key in used else None

    def _backward_of(self, slot: int, x: Tensor, y: Tensor) -> set[str]:
        """Compute one member's loss and gradients. Returns the names of the parameters with a
        gradient.
        """
        leaves, gradients = self._leaves[slot], self._gradients[slot]
        outputs, smoothing = self._logits_of(slot, x), self.recipe.label_smoothing
        loss = step_loss(self.network.objective, outputs, y, smoothing)
        self._each[slot].copy_(loss.detach())
        if slot in self.penalties:
            frozen = {k: p.detach()[slot] for k, p in self.parameters.items() if k not in leaves}
            loss = loss + self.penalties[slot]({**frozen, **leaves})
        made: tuple[Tensor | None, ...] = torch.autograd.grad(
            loss, list(leaves.values()), allow_unused=True
        )
        found = {k: g for k, g in zip(leaves, made, strict=True) if g is not None}
        torch._foreach_copy_([gradients[k] for k in found], list(found.values()))
        for key in gradients.keys() - found.keys():
            gradients[key].zero_()
        return set(found)

    def _logits_of(self, slot: int, x: Tensor) -> Tensor:
        with self.network.autocast():
            out = self.stack.one(slot, self._leaves[slot], self.network.as_input(x))
        return out.to(self.network.dtype)

    @contextlib.contextmanager
    def _branch(self, slot: int) -> Iterator[None]:
        """Kernels launched in this block run on the member's stream, after everything before the
        fork.
        """
        if not self._streams:
            yield
            return
        stream = self._streams[slot]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            yield

    def _join(self) -> None:
        for stream in self._streams:
            torch.cuda.current_stream(self.device).wait_stream(stream)

    @torch.no_grad()
    def evaluated(self) -> Tensor:
        # in sequence: an evaluation batch fills the device
        with evaluating(self.stack.module):
            found = [
                loss_and_correct_sums(self._validation_of(slot)) for slot in range(self.cohort_size)
            ]
        return torch.cat(found, 1)

    def outputs(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        with evaluating(self.stack.module):
            for slot in range(self.cohort_size):
                for outputs, y in self._validation_of(slot):
                    yield slot, outputs, y

    def _validation_of(self, slot: int) -> Iterator[tuple[Tensor, Tensor]]:
        data, split = self.data, self.data.val
        size = self.network.evaluation_batch()
        for i in range(0, len(split), size):
            x, y = data.normalise(split.x[i : i + size]), split.y[i : i + size]
            yield self._logits_of(slot, x), y
