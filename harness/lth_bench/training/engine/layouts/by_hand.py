"""Cohort size 1 on a CPU, for a sequential network of linear layers and ReLU."""

from __future__ import annotations

from torch import Tensor

from lth_bench.training.engine.layouts.plain import Plain
from lth_bench.training.engine.sequential import SequentialByHand, stages_of
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.network import Network
from lth_bench.training.recipe import Recipe


class ByHand(Plain):
    """As `Plain`, bit for bit, with the network's own backward where autograd is not asked for."""

    @classmethod
    def takes(cls, network: Network, recipe: Recipe) -> bool:
        """Whether this network can be trained so."""
        cpu = network.device.type == "cpu"
        return cpu and recipe.dtype != "bfloat16" and stages_of(network.module) is not None

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
