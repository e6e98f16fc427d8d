"""What a network does besides computing its outputs: random numbers, modes, hooks,
memory layout.
"""

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
class SideEffects:
    """Side effects of a network's forward pass, as found by `side_effects_of`."""

    generators: frozenset[str]
    """Global random generators that it draws from: `torch` (as dropout does), `numpy`, `random`."""
    rebound_buffers: tuple[str, ...]
    """Buffers that it replaces by a new tensor, instead of updating them in place."""


def side_effects_of(module: nn.Module, input_shape: tuple[int, ...]) -> SideEffects:
    """Found by one forward pass of a CPU copy; `module` must be in the modes that it trains in. A
    network that raises here is assumed to draw random numbers: it then trains alone, where the
    error is attributed correctly.
    """
    with seeded("habits"):
        # in its own precision, which the network's code may rely on
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
            return SideEffects(frozenset(before), ())
        after = global_states()
        return SideEffects(
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
    """Eval mode within the block. Afterwards every submodule is back in its own mode, so that one
    held in eval mode (such as a frozen batch norm) stays there.
    """
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        module.train(before[0][1])  # a network may override `train`
        for part, training in before:
            part.training = training


def hooked(module: nn.Module) -> bool:
    """Whether a submodule or parameter has hooks, or a `forward` was replaced, so that activations
    are read or changed outside of the network's layers.
    """
    return any(
        "forward" in vars(part) or any(getattr(part, hooks, None) for hooks in MODULE_HOOKS)
        for part in module.modules()
    ) or any(getattr(p, hooks, None) for p in module.parameters() for hooks in TENSOR_HOOKS)


def takes_channels_last(module: nn.Module, input_shape: tuple[int, ...]) -> bool:
    """Whether the network takes images and has convolutions, and its forward pass works for any
    memory format of their outputs. `x.view(len(x), -1)` after a convolution does not: it raises.
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
