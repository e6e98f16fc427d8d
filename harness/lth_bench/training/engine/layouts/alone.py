"""Cohort size 1: the plain network, and on a CPU three fast paths for sequential networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.layouts.best import BestStates
from lth_bench.training.engine.loss import is_plain, step_loss
from lth_bench.training.engine.network import EVAL_BATCH, Network, loss_and_correct_sums
from lth_bench.training.engine.sequential import SequentialByHand, stages_of
from lth_bench.training.engine.sparse_input.batches import SparseBatchSource
from lth_bench.training.engine.sparse_input.linear import sparse_stages, trains_so
from lth_bench.training.engine.sparse_sequential import DENSITY, SparseSequential, sparse_layers
from lth_bench.training.input.batches import BatchSource
from lth_bench.training.input.sparse_images import SparseBatch
from lth_bench.training.input.task_data import Examples, TaskData
from lth_bench.training.optimizers import direct_step, make_optimizer, to_start
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest, Parametrize, Penalty, Values


class Plain(Layout):
    """One member, trained like any PyTorch network. The only layout that supports `parametrize`."""

    variant = "plain"

    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        module = self.network.module
        kept = module.state_dict(keep_vars=True)
        parameters = dict(module.named_parameters())
        return dict(parameters), {k: v for k, v in kept.items() if k not in parameters}

    def member(self, tensor: Tensor, slot: int) -> Tensor:
        return tensor

    def backward(self, x: Tensor, y: Tensor) -> None:
        outputs = self.network.forward(x, self.masks[0], self.parametrize)
        loss = step_loss(self.network.objective, outputs, y, self.recipe.label_smoothing)
        self.losses += loss.detach()
        for penalty in self.penalties.values():
            loss = loss + penalty(self.parameters)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub

    def evaluated(self) -> Tensor:
        data = self.data
        return self.network.evaluated(data.val, data, self.masks[0], self.parametrize)

    def outputs(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        about = (self.data.val, self.data, self.masks[0], self.parametrize)
        for outputs, y in self.network.outputs(*about):
            yield 0, outputs, y


class ByHand(Plain):
    """Like `Plain`, bit for bit, with a hand-written backward pass when autograd is not needed."""

    @classmethod
    def takes(cls, network: Network, recipe: Recipe) -> bool:
        """Whether this network can be trained with this layout."""
        by_hand = network.device.type == "cpu" and is_plain(network.objective)
        return by_hand and recipe.in_full and stages_of(network.module) is not None

    def __init__(self, network: Network, data: TaskData, recipe: Recipe, cohort_size: int) -> None:
        super().__init__(network, data, recipe, cohort_size)
        stages = stages_of(network.module)
        assert stages is not None
        self._sequential = SequentialByHand(stages)

    def backward(self, x: Tensor, y: Tensor) -> None:
        if self.penalties or self.parametrize is not None:
            super().backward(x, y)
            return
        x = x.to(self.network.dtype).flatten(1)
        self.losses += self._sequential.backward(x, y, self.recipe.label_smoothing)


class KeptOnly(Layout):
    """One member whose pruned weights are neither stored nor computed.

    Only for trainings without callbacks between backward and update: the mask is fixed, and pruned
    weights have no gradients here. Equals `Plain` up to rounding.
    """

    variant = "kept_only"

    @classmethod
    def takes(cls, network: Network, request: FitRequest, limit: float = DENSITY) -> bool:
        """Whether this training can and should use this layout: the largest layer's density is at
        most `limit`.
        """
        callbacks = (request.on_step, request.penalty, request.parametrize)
        if any(c is not None for c in callbacks) or not request.recipe.in_full:
            return False
        if not is_plain(network.objective):
            return False
        stages = stages_of(network.module) if network.device.type == "cpu" else None
        return stages is not None and bool(sparse_layers(stages, request.mask, limit))

    def __init__(self, network: Network, data: TaskData, recipe: Recipe, cohort_size: int) -> None:
        stages = stages_of(network.module)
        assert stages is not None and cohort_size == 1
        self._stages = stages
        self._sequential = SparseSequential(stages, Mask.ones(network.layers), frozenset())
        super().__init__(network, data, recipe, cohort_size)

    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return self._sequential.parameters, {}

    def member(self, tensor: Tensor, slot: int) -> Tensor:
        return tensor

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
        assert not penalties and parametrize is None
        sparse = sparse_layers(self._stages, masks[0])
        self._sequential = SparseSequential(self._stages, masks[0], sparse)
        self.parameters = self._sequential.parameters
        self.optimizer = make_optimizer(list(self.parameters.values()), self.recipe)
        to_start(self.optimizer)
        self._step = direct_step(self.optimizer)
        self._factors, self._open = {}, {}
        self.best = BestStates(self)  # its tensors have other shapes
        super().begin(seeds, starts, values, masks, penalties=penalties, parametrize=parametrize)

    def packed(self, values: Values) -> Values:
        return self._sequential.pack(values)

    def part(self, tensors: Mapping[str, Tensor], slot: int) -> dict[str, Tensor]:
        return self._sequential.unpack(tensors)

    def set_mask(self, slot: int, mask: Mask) -> None:
        dense = {n: kept for n, kept in mask.kept.items() if n not in self._sequential.sparse}
        super().set_mask(slot, Mask(dense, mask.held, mask.layers))
        self.masks[slot] = mask

    def gradients(self, slot: int) -> dict[str, Tensor]:
        raise AssertionError("a training with on_step has dense gradients")

    def optimizer_state(self, slot: int) -> dict[str, dict[str, Any]]:
        raise AssertionError("a training with on_step has dense optimizer state")

    def backward(self, x: Tensor, y: Tensor) -> None:
        x = x.to(self.network.dtype)
        self.losses += self._sequential.backward(x, y, self.recipe.label_smoothing)

    @torch.no_grad()
    def evaluated(self) -> Tensor:
        return loss_and_correct_sums(self._logits(self.data.val))

    def _logits(self, split: Examples) -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(0, len(split), EVAL_BATCH):
            x, y = self.data.normalise(split.x[i : i + EVAL_BATCH]), split.y[i : i + EVAL_BATCH]
            yield self._sequential.logits(x.to(self.network.dtype)), y


class SparseInput(Layout):
    """One member whose first layer skips the images' background. Equals `Plain` up to rounding."""

    variant = "sparse_input"

    @classmethod
    def takes(cls, network: Network, data: TaskData, request: FitRequest) -> bool:
        """Whether this training can and should use this layout."""
        if request.penalty is not None or request.parametrize is not None:
            return False  # these need autograd
        return leaves_out_background(network, data, request.recipe)

    def make_batch_source(self) -> BatchSource:
        assert self.cohort_size == 1
        return SparseBatchSource(self.data, self.recipe, self.network.dtype)

    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        sequential = self.network.sparse_input_sequential(self.data)
        assert sequential is not None
        self._sequential = sequential
        return sequential.parameters, {}

    def member(self, tensor: Tensor, slot: int) -> Tensor:
        return self._sequential.usual(tensor)

    def backward(self, x: SparseBatch, y: Tensor) -> None:
        self.losses += self._sequential.backward(x, y, self.recipe.label_smoothing)

    def evaluated(self) -> Tensor:
        found = self.network.sparse_logits(self._sequential, self.data.val, self.data)
        return loss_and_correct_sums(found)


def leaves_out_background(network: Network, data: TaskData, recipe: Recipe) -> bool:
    """Whether trainings of this network on this dataset can and should skip the background."""
    if not is_plain(network.objective):
        return False
    return trains_so(recipe) and sparse_stages(network.module, data, network.device) is not None
