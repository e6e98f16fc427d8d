"""What a network does beside computing: random draws, modes, hooks, and its layout in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from lth_bench.data.info import InputShape
from lth_bench.models.examples import random
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
        x = random(EXAMPLES, input_shape, dtype)
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


MODULE_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
TENSOR_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode inside. Afterwards every part is in the mode that it was in, so that a part that
    its author holds in eval mode (a frozen batch norm, say) stays there.
    """
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        module.train(before[0][1])  # a network may do more in its own `train`
        for part, training in before:
            part.training = training


def hooked(module: nn.Module) -> bool:
    """Whether a part or a parameter has hooks, or a part's `forward` was replaced: then something
    sees or changes what flows that is not in the network's layers.
    """
    return any(
        "forward" in vars(part) or any(getattr(part, hooks, None) for hooks in MODULE_HOOKS)
        for part in module.modules()
    ) or any(getattr(p, hooks, None) for p in module.parameters() for hooks in TENSOR_HOOKS)


def takes_channels_last(module: nn.Module, input_shape: tuple[int, ...]) -> bool:
    """Whether the network takes images and has convolutions, and its forward pass does not care
    how their outputs lie in memory. `x.view(len(x), -1)` after a convolution cares: it raises.
    """
    images = InputShape.of(input_shape).kind == "images"
    if not images or not any(p.ndim == 4 for p in module.parameters()):
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
