"""Whether a network computes with its channels last in memory."""

from __future__ import annotations

import copy

import torch
from torch import nn

from lth_bench.training.randomness import seeded

EXAMPLES = 3


def takes_channels_last(module: nn.Module, input_shape: tuple[int, int, int]) -> bool:
    """Whether the network has convolutions, and its forward pass does not care how their outputs
    lie in memory. `x.view(len(x), -1)` after a convolution cares: it raises.
    """
    if not any(p.ndim == 4 for p in module.parameters()):
        return False
    parameter = next(module.parameters())
    module = copy.deepcopy(module).to(memory_format=torch.channels_last)
    with seeded("channels_last"), torch.no_grad():
        x = torch.randn(EXAMPLES, *input_shape).to(parameter)
        try:
            module.train()(x)
        except RuntimeError:
            return False
    return True
