"""Where leaving out the background pays."""

from __future__ import annotations

import torch
from torch import nn

from lth_bench.training.chain import Link, links_of
from lth_bench.training.data import TaskData

LARGEST = 100_000
"""Weights that the first layer must have."""
MOSTLY = 0.7
"""Share of the training images that must be background."""


def sparse_links(
    module: nn.Module, data: TaskData, device: torch.device
) -> tuple[Link, ...] | None:
    """The links of a chain whose first layer is faster without the background; else None.

    A function of the network, the data and the machine, so that a rerun computes the same way.
    """
    if device.type != "cpu" or data.background is None or data.background.share < MOSTLY:
        return None
    if "fbgemm" not in engines():
        return None  # it has the fast kernel
    links = links_of(module)
    large = links is not None and links[0].linear.weight.numel() >= LARGEST
    return links if large else None


def engines() -> list[str]:
    """The libraries of kernels that this build of torch has for this CPU."""
    found: list[str] = torch.backends.quantized.supported_engines
    return found
