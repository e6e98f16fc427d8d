"""Cohort size 1 on a CPU, a sequential network on images that are mostly background."""

from __future__ import annotations

from torch import Tensor

from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.sparse_input.batches import SparseBatchSource
from lth_bench.training.engine.sparse_input.images import SparseBatch
from lth_bench.training.engine.sparse_input.use import sparse_stages, trains_so
from lth_bench.training.input.batches import BatchSource
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.network import Network, losses_and_rights
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest


class SparseInput(Layout):
    """One member, whose first layer leaves out the images' background. The same as `Plain` up to
    rounding.
    """

    variant = "sparse_input"

    @classmethod
    def takes(cls, network: Network, data: TaskData, request: FitRequest) -> bool:
        """Whether this training can and should be run so."""
        if request.penalty is not None or request.parametrize is not None:
            return False  # they want autograd
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
        return losses_and_rights(found)


def leaves_out_background(network: Network, data: TaskData, recipe: Recipe) -> bool:
    """Whether trainings of this network on these images can and should be run so."""
    return trains_so(recipe) and sparse_stages(network.module, data, network.device) is not None
