"""Which random numbers a network draws while it trains."""

from __future__ import annotations

import copy

import torch
from torch import nn

from lth_bench.training.randomness import global_states, seeded

EXAMPLES = 3


def drawn(module: nn.Module, input_shape: tuple[int, ...]) -> frozenset[str]:
    """The global generators that a forward pass in training draws from: `torch` (dropout does),
    `numpy`, `random`.
    """
    with seeded("draws"):
        # in its own precision, which the network's code may count on
        kinds = {p.dtype for p in module.parameters() if p.is_floating_point()}
        dtype = kinds.pop() if kinds else torch.float32
        twin = copy.deepcopy(module).to("cpu", dtype)
        x = torch.randn(EXAMPLES, *input_shape, dtype=dtype)
        before = global_states()
        twin(x)
        after = global_states()
        return frozenset(kind for kind, state in before.items() if after[kind] != state)
