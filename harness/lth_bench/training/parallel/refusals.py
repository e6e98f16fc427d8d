"""What cannot be spread over devices, found by trying it on a few examples."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lth_bench.errors import TrainingError
from lth_bench.models.examples import random
from lth_bench.objectives import Objective
from lth_bench.training.engine.loss import is_plain
from lth_bench.training.engine.network import Network
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.randomness import seeded
from lth_bench.training.recipe import Recipe

if TYPE_CHECKING:
    from lth_bench.training.dispatch.workbench import Workbench
    from lth_bench.training.parallel.layout import DataParallel

EXAMPLES = 4


Spread = Callable[["Workbench", Recipe], "DataParallel"]
"""Makes the layout of a task over several devices."""


def spread_over(recipe: Recipe, spread: Spread | None) -> Spread:
    """What was given. TrainingError where this process has one device."""
    if spread is None:
        raise TrainingError(
            f"the recipe has devices = {recipe.devices}, which the workers of `lth-bench run` can "
            f"use, but this process trains on one; set devices = 1"
        )
    return spread


def require_parallel(network: Network, data: TaskData, recipe: Recipe) -> None:
    """TrainingError where the mean over ranks would not be that of the batch."""
    one = f"but the recipe has devices = {recipe.devices}; set devices = 1"
    if rebound := network.side_effects.rebound_buffers:
        raise TrainingError(
            f"the network replaces its buffer {rebound[0]!r} in its forward pass, which would "
            f"differ from device to device, {one}, or update the buffer in place"
        )
    if _mixes_examples(network, data):
        name = type(network.objective).__name__
        raise TrainingError(
            f"objective {name}: the loss of an example depends on the others in the batch, of "
            f"which every device has its own, {one}"
        )


def _mixes_examples(network: Network, data: TaskData) -> bool:
    """Whether the loss of an example is another in half of the batch."""
    if is_plain(network.objective) or len(data.train) < EXAMPLES:
        return False
    y = data.train.y[:EXAMPLES]
    outputs = _tried(network)[1].to(y.device)
    half = EXAMPLES // 2
    whole = _losses(network.objective, outputs, y)
    part = _losses(network.objective, outputs[:half], y[:half])
    return not torch.allclose(whole[:half], part, rtol=1e-4, atol=1e-6, equal_nan=True)


def _losses(objective: Objective, outputs: Tensor, y: Tensor) -> Tensor:
    return objective.losses(outputs, y).detach().double()


def _tried(network: Network) -> tuple[nn.Module, Tensor]:
    """A CPU copy without gradients, and its outputs [n, …] for random inputs."""
    twin = copy.deepcopy(network.module).to("cpu")
    twin.zero_grad(set_to_none=True)
    with seeded("parallel"), torch.enable_grad():
        outputs: Tensor = twin(random(EXAMPLES, network.input_shape, network.dtype))
    return twin, outputs


def leaves_parameters_out(network: Network) -> bool:
    """Whether a parameter gets no gradient, which DistributedDataParallel has to be told."""
    twin, outputs = _tried(network)
    outputs.sum().backward()  # type: ignore[no-untyped-call]  # torch's stub
    return any(p.grad is None and p.requires_grad for p in twin.parameters())
