"""Optimisers by name. torch.optim's own, in their fused form.

LeNet-300-100's whole step at batch 60 with Adam, one thread: fused 1.27 ms, foreach 1.54, plain
loop 1.57 (2-core AVX2 machine, 400 steps each in one run).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor

from lth_bench.training.recipe import Recipe

LANES = 16
"""float32 numbers in a CPU's widest vector (AVX-512)."""


_ADD_GROUP = inspect.unwrap(torch.optim.Optimizer.add_param_group)
"""Without torch's wrapper for compiled code, which costs each process a second: it imports the
compiler."""


class SGD(torch.optim.SGD):
    """torch.optim's own, made without its compiler."""

    add_param_group = _ADD_GROUP


class Adam(torch.optim.Adam):
    """torch.optim's own, made without its compiler."""

    add_param_group = _ADD_GROUP


class AdamW(torch.optim.AdamW):
    """torch.optim's own, made without its compiler."""

    add_param_group = _ADD_GROUP


def make_optimizer(
    parameters: Sequence[Tensor], recipe: Recipe, cohort_size: int = 1
) -> torch.optim.Optimizer:
    """The recipe's optimiser over (stacked) parameters. The rate is set before every step."""
    cuda = parameters[0].device.type == "cuda"
    # a captured step reads its rate from the device
    lr = torch.tensor(recipe.lr, device=parameters[0].device) if cuda else recipe.lr
    # On a CPU the fused kernels round otherwise in what is left over after the last whole vector,
    # so that a member's bits would depend on its place in the stack.
    fused = cuda or cohort_size == 1 or all(p.numel() % LANES == 0 for p in parameters)
    how = {"fused": True} if fused else {"foreach": True}
    if recipe.optimizer == "sgd":
        return SGD(
            parameters,
            lr=lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            **how,
        )
    kind = Adam if recipe.optimizer == "adam" else AdamW
    return kind(
        parameters,
        lr=lr,
        betas=recipe.betas,
        weight_decay=recipe.weight_decay,
        capturable=cuda,
        **how,
    )


@torch.no_grad()
def to_start(optimizer: torch.optim.Optimizer) -> None:
    """The state of an optimiser that has done nothing yet, written in place where there is one.

    Zero momentum gives torch.optim.SGD's first step too: its buffer becomes the gradient.
    """
    # in one launch, where an operation costs its launch
    if there := [v for state in optimizer.state.values() for v in state.values()]:
        torch._foreach_zero_(there)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if state:
                continue
            if isinstance(optimizer, torch.optim.SGD):
                if group["momentum"]:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                continue
            on_device = group["capturable"] or group["fused"]
            device = parameter.device if on_device else torch.device("cpu")
            state["step"] = torch.zeros((), dtype=torch.float32, device=device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
