"""Optimizers by name: torch.optim's, in their fused form.

A whole step of LeNet-300-100 at batch size 60 with Adam, one thread: fused 1.27 ms, foreach 1.54,
plain loop 1.57 (2-core AVX2 machine, 400 steps each in one run).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lth_bench.training.recipe import Recipe

LANES = 16
"""float32 numbers in a CPU's widest SIMD vector (AVX-512)."""


_ADD_GROUP = inspect.unwrap(torch.optim.Optimizer.add_param_group)
"""The undecorated method: torch's wrapper for compiled code would import the compiler, a second
per process."""


class SGD(torch.optim.SGD):
    """torch.optim's, without importing the compiler."""

    add_param_group = _ADD_GROUP


class Adam(torch.optim.Adam):
    """torch.optim's, without importing the compiler."""

    add_param_group = _ADD_GROUP


class AdamW(torch.optim.AdamW):
    """torch.optim's, without importing the compiler."""

    add_param_group = _ADD_GROUP


def make_optimizer(
    parameters: Sequence[Tensor], recipe: Recipe, cohort_size: int = 1
) -> torch.optim.Optimizer:
    """The recipe's optimizer over (stacked) parameters. The learning rate is set before
    every step.
    """
    cuda = parameters[0].device.type == "cuda"
    # a captured step reads its learning rate from the device
    lr = torch.tensor(recipe.lr, device=parameters[0].device) if cuda else recipe.lr
    # On a CPU the fused kernels round differently in the remainder after the last full SIMD
    # vector, so a member's bits would depend on its slot.
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
    """Reset an optimizer to its initial state, in place if it has state already.

    Zero momentum also gives torch.optim.SGD's first step: its buffer becomes the gradient.
    """
    # in one launch, which dominates the cost of small operations
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


def direct_step(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """A faster equivalent of `optimizer.step` at the groups' current learning rates.

    Needs SGD, Adam or AdamW in fused form on a CPU, with state allocated (zeros before the first
    step); otherwise, and while a gradient is missing, it is `optimizer.step` itself.
    """
    groups = optimizer.param_groups
    if type(optimizer) not in (SGD, Adam, AdamW) or len(groups) != 1 or not groups[0]["fused"]:
        return optimizer.step
    group = groups[0]
    parameters = group["params"]
    if any(p.device.type != "cpu" for p in parameters) or group.get("amsgrad"):
        return optimizer.step
    state = [optimizer.state[p] for p in parameters]
    adam = not isinstance(optimizer, torch.optim.SGD)
    names = ["exp_avg", "exp_avg_sq", "step"] if adam else ["momentum_buffer"]
    if not adam and not group["momentum"]:
        names = []
    if any(entries.get(name) is None for entries in state for name in names):
        return optimizer.step
    lists = [[entries[name] for entries in state] for name in names]
    fused = torch._fused_adamw_ if group.get("decoupled_weight_decay") else torch._fused_adam_

    @torch.no_grad()
    def step() -> None:
        gradients = [p.grad for p in parameters]
        if any(g is None for g in gradients):
            optimizer.step()
        elif adam:
            averages, squares, steps = lists
            torch._foreach_add_(steps, 1)
            beta1, beta2 = group["betas"]
            fused(
                parameters,
                gradients,
                averages,
                squares,
                [],
                steps,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=group["maximize"],
            )
        else:
            torch._fused_sgd_(
                parameters,
                gradients,
                lists[0] if lists else [],
                weight_decay=group["weight_decay"],
                momentum=group["momentum"],
                lr=group["lr"],
                dampening=group["dampening"],
                nesterov=group["nesterov"],
                maximize=group["maximize"],
                is_first_step=False,
            )

    return step
