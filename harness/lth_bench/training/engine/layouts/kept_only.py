"""Cohort size 1 on a CPU, a sequential network of linear layers at a low density."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.training.engine.direct import direct_step
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.layouts.best import BestStates
from lth_bench.training.engine.sequential import stages_of
from lth_bench.training.engine.sparse_sequential import DENSITY, SparseSequential, sparse_layers
from lth_bench.training.input.task_data import Examples, TaskData
from lth_bench.training.network import EVAL_BATCH, Network, losses_and_rights
from lth_bench.training.optimizers import make_optimizer, to_start
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest, Parametrize, Penalty, Values


class KeptOnly(Layout):
    """One member, whose pruned weights are neither stored nor computed.

    Only for trainings that nobody changes or looks into between backward and update: the mask
    stays, and pruned weights have no gradients here. The same as `Plain` up to rounding.
    """

    variant = "kept_only"

    @classmethod
    def takes(cls, network: Network, request: FitRequest, limit: float = DENSITY) -> bool:
        """Whether this training can and should be run so: the largest layer has at most this
        density.
        """
        callbacks = (request.on_step, request.penalty, request.parametrize)
        if any(c is not None for c in callbacks) or request.recipe.dtype == "bfloat16":
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
        self.best = BestStates(self)  # of other shapes
        super().begin(seeds, starts, values, masks, penalties, parametrize)

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
        raise AssertionError("a training with on_step has dense optimiser state")

    def backward(self, x: Tensor, y: Tensor) -> None:
        x = x.to(self.network.dtype)
        self.losses += self._sequential.backward(x, y, self.recipe.label_smoothing)

    @torch.no_grad()
    def evaluated(self) -> Tensor:
        return losses_and_rights(self._logits(self.data.val))

    def _logits(self, split: Examples) -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(0, len(split), EVAL_BATCH):
            x, y = self.data.normalise(split.x[i : i + EVAL_BATCH]), split.y[i : i + EVAL_BATCH]
            yield self._sequential.logits(x.to(self.network.dtype)), y
