"""Width 1 on a CPU, a chain of linear layers on images that are mostly background."""

from __future__ import annotations

from torch import Tensor

from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.sparse_input.batches import SparseFeed
from lth_bench.training.engine.sparse_input.images import SparseBatch
from lth_bench.training.engine.sparse_input.use import sparse_links, trains_so
from lth_bench.training.input.batches import Feed
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

    def make_feed(self) -> Feed:
        assert self.width == 1
        return SparseFeed(self.data, self.recipe, self.network.dtype)

    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        chain = self.network.sparse_chain(self.data)
        assert chain is not None
        self._chain = chain
        return chain.parameters, {}

    def member(self, tensor: Tensor, slot: int) -> Tensor:
        return self._chain.usual(tensor)

    def backward(self, x: SparseBatch, y: Tensor) -> None:
        self.losses += self._chain.backward(x, y, self.recipe.label_smoothing)

    def evaluated(self) -> Tensor:
        found = self.network.sparse_logits(self._chain, self.data.val, self.data)
        return losses_and_rights(found)


def leaves_out_background(network: Network, data: TaskData, recipe: Recipe) -> bool:
    """Whether trainings of this network on these images can and should be run so."""
    return trains_so(recipe) and sparse_links(network.module, data, network.device) is not None
