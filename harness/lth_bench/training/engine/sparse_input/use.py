"""Where leaving out the background pays."""

from __future__ import annotations

import torch
from torch import nn

from lth_bench.training.engine.sequential import Stage, stages_of
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.recipe import Recipe

SMALLEST = 100_000
"""Weights that the first layer must have."""
SMALLEST_BATCH = 16
"""Images; smaller batches take longer (1.1 to 1.4 times at one image, 1.0 at 8 to 16)."""
MOSTLY = 0.7
"""Share of the training images that must be background."""
MOST = 2**27
"""Pixels of the training images that may differ from it: they take 1 GB."""


def sparse_stages(
    module: nn.Module, data: TaskData, device: torch.device
) -> tuple[Stage, ...] | None:
    """The stages of a sequential network whose first layer is faster without the background, or
    None.

    A function of the network, the data and the kind of machine, never of where the data lies, so
    that a rerun computes the same way.
    """
    background = data.background
    if device.type != "cpu" or background is None or background.share < MOSTLY:
        return None
    if background.others > MOST or "fbgemm" not in engines():
        return None  # fbgemm has the fast kernel
    stages = stages_of(module)
    large = stages is not None and stages[0].linear.weight.numel() >= SMALLEST
    return stages if large else None


def trains_so(recipe: Recipe) -> bool:
    """Whether a recipe's batches are images as they are, and enough of them."""
    plain = not (recipe.crop or recipe.flip) and recipe.dtype != "bfloat16"
    return plain and recipe.batch_size >= SMALLEST_BATCH


def engines() -> list[str]:
    """The libraries of kernels that this build of torch has for this CPU."""
    found: list[str] = torch.backends.quantized.supported_engines
    return found
