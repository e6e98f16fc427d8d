"""What a network does in a forward pass beside computing: tried once, in the mode it trains in."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from lth_bench.system.blame import ends_the_run
from lth_bench.training.randomness import global_states, seeded

EXAMPLES = 3


@dataclass(frozen=True)
class Habits:
    """Found out by `habits_of`."""

    draws: frozenset[str]
    """The global generators that it draws from: `torch` (dropout does), `numpy`, `random`."""
    rebinds: tuple[str, ...]
    """Buffers for which it puts another tensor in place, instead of writing into the one there."""


def habits_of(module: nn.Module, input_shape: tuple[int, ...]) -> Habits:
    """From a forward pass of a copy on the CPU; `module` is in the mode that it trains in. One that
    raises here is taken to draw: so it trains alone, where it is said whose error that is.
    """
    with seeded("habits"):
        # in its own precision, which the network's code may count on
        kinds = {p.dtype for p in module.parameters() if p.is_floating_point()}
        dtype = kinds.pop() if kinds else torch.float32
        twin = copy.deepcopy(module).to("cpu", dtype)
        x = torch.randn(EXAMPLES, *input_shape, dtype=dtype)
        buffers, before = dict(twin.named_buffers()), global_states()
        try:
            twin(x)
        except BaseException as error:
            if ends_the_run(error):
                raise
            return Habits(frozenset(before), ())
        after = global_states()
        return Habits(
            frozenset(kind for kind, state in before.items() if after[kind] != state),
            tuple(k for k, b in twin.named_buffers() if buffers.get(k) is not b),
        )
