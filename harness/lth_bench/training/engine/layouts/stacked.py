"""Several members in one computation, with tensors stacked along a new first dimension."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench.training.behaviour import evaluating
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.loss import member_losses
from lth_bench.training.engine.network import EVAL_BATCH, Network
from lth_bench.training.engine.stacking.stacks import ByLayer, ByVmap, Stack
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.recipe import Recipe


class Stacked(Layout):
    """Common to both ways to compute a stack. Backward is plain autograd: the members' losses are
    summed, and each depends on that member's weights alone.
    """

    how: ClassVar[type[Stack]]

    def __init__(self, network: Network, data: TaskData, recipe: Recipe, cohort_size: int) -> None:
        self.stack = self.how(network.module, cohort_size)
        self.example_major = self.stack.example_major  # type: ignore[misc]
        super().__init__(network, data, recipe, cohort_size)

    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return self.stack.parameters, self.stack.buffers

    def member(self, tensor: Tensor, slot: int) -> Tensor:
        return tensor[slot]

    def _logits(self, x: Tensor) -> Tensor:
        with self.network.autocast():
            return self.stack.forward(self.network.as_input(x)).to(self.network.dtype)

    def backward(self, x: Tensor, y: Tensor) -> None:
        logits = self._logits(x)
        smoothing = self.recipe.label_smoothing
        losses = member_losses(self.network.objective, logits, self.stack.by_member(y), smoothing)
        self.losses += losses.detach()
        total = losses.sum()
        for slot, penalty in self.penalties.items():
            total = total + penalty({k: p[slot] for k, p in self.parameters.items()})
        total.backward()  # type: ignore[no-untyped-call]  # torch's stub

    @torch.no_grad()
    def evaluated(self) -> Tensor:
        loss = torch.zeros(self.cohort_size, device=self.device, dtype=torch.float64)
        right = torch.zeros(self.cohort_size, device=self.device, dtype=torch.int64)
        for logits, y in self._validation():
            repeated = y.repeat(self.cohort_size)
            found = F.cross_entropy(logits.flatten(0, 1), repeated, reduction="none")
            loss += found.view(self.cohort_size, -1).sum(1)
            right += (logits.argmax(2) == y).sum(1)
        return torch.stack([loss, right.double()])

    def outputs(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        for outputs, y in self._validation():
            for slot, one in enumerate(outputs):
                yield slot, one, y

    def _validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Outputs [cohort size, n, …] and targets [n, …], batch by batch, in eval mode."""
        data, split = self.data, self.data.val
        size = self._evaluation_batch()
        with evaluating(self.stack.module):
            for i in range(0, len(split), size):
                x, y = data.normalise(split.x[i : i + size]), split.y[i : i + size]
                shape = x.shape
                x = x[:, None] if self.example_major else x[None]
                at = 1 if self.example_major else 0
                x = x.expand(*(self.cohort_size if d == at else n for d, n in enumerate(x.shape)))
                yield self._logits(x.reshape(-1, *shape[1:])), y

    def _evaluation_batch(self) -> int:
        """Examples per evaluation batch: on a CPU as many as keep the stack's activations in cache,
        on a GPU as many as fit in memory.
        """
        most = self.network.evaluation_batch(self.cohort_size)
        return most if self.static else max(1, min(most, EVAL_BATCH // self.cohort_size))


class Explicit(Stacked):
    """Stacked layer by layer."""

    variant = "stacked"
    how = ByLayer


class Vmapped(Stacked):
    """Stacked by `torch.func.vmap`."""

    variant = "vmap"
    how = ByVmap
