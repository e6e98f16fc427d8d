"""Does a network train in a stack as it does alone? Tested on two members for one step."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lth_bench.data.info import Targets
from lth_bench.models.examples import random
from lth_bench.objectives import CrossEntropy, Objective
from lth_bench.training.behaviour import EXAMPLES, evaluating, hooked, side_effects_of
from lth_bench.training.engine.loss import member_losses, step_loss
from lth_bench.training.engine.stacking.stacks import ByLayer, ByVmap, Stack
from lth_bench.training.randomness import seeded

MEMBERS = 2
RATE = 0.05
"""Learning rate of the test step."""
TOLERANCE = 1e-9
"""Relative to the tensor's largest entry, in float64: a wrong stack is off by about 1."""
SMALL = 1e-4
"""Tensors whose largest entry is below this are compared relative to it instead."""


def how_it_stacks(
    module: nn.Module,
    input_shape: tuple[int, ...],
    objective: Objective | None = None,
    targets: Targets = "class",
    outputs: int = 2,
) -> str | None:
    """The stacking method, `explicit` or `vmap`; None for a network that trains alone.

    These train alone: networks that draw random numbers in their forward pass (dropout), since the
    numbers would depend on the slot; networks with hooks, which may do anything; and networks that
    `torch.func` cannot stack or that give other results there than alone. `explicit` is preferred
    where its results are right.

    The step minimises `objective`, cross-entropy by default; `targets` and `outputs` are the
    dataset's.

    `module` must be in the modes that it trains in. Frozen parameters are frozen here too, and
    submodules held in eval mode are in eval mode.
    """
    if hooked(module) or side_effects_of(module, input_shape).generators:
        return None
    with seeded("stack"):
        twin = copy.deepcopy(module).to("cpu", torch.float64)
        loss = _Loss(objective or CrossEntropy(), targets, outputs)
        members = [_member(twin, input_shape, loss) for _ in range(MEMBERS)]
        try:
            alone = [_alone(twin, member, loss) for member in members]
            if not _agree(_together(ByVmap(twin, MEMBERS), members, loss), alone):
                return None
        except Exception:  # an operation cannot be stacked, for any reason
            return None
        try:
            agree = _agree(_together(ByLayer(twin, MEMBERS), members, loss), alone)
        except Exception:  # the network's own code cannot handle the stacked rows
            return "vmap"
    return "explicit" if agree else "vmap"


@dataclass(frozen=True)
class _Member:
    """A member's own values, so that mixed-up members are detected, and two batches."""

    values: dict[str, Tensor]
    x: Tensor
    """[2, N, …]."""
    y: Tensor
    """[2, N, …]; classes and tokens are below the number of classes of any task."""


@dataclass(frozen=True)
class _Loss:
    """What the step minimises."""

    objective: Objective
    targets: Targets
    outputs: int

    def some(self, x: Tensor) -> Tensor:
        """Targets for two batches x [2, N, …]."""
        n = x.shape[:2]
        match self.targets:
            case "class":
                return torch.randint(0, min(2, self.outputs), n)
            case "labels":
                return torch.randint(0, 2, (*n, self.outputs), dtype=torch.uint8)
            case "values":
                return torch.randn(*n, self.outputs, dtype=torch.float64)
            case "tokens":
                return torch.randint(0, min(2, self.outputs), x.shape)

    def alone(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Of one member."""
        return step_loss(self.objective, outputs, y, 0.0)

    def together(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Of all of them, summed."""
        return member_losses(self.objective, outputs, y, 0.0).sum()


def _member(module: nn.Module, input_shape: tuple[int, ...], loss: _Loss) -> _Member:
    values = {
        k: v + 0.1 * torch.rand_like(v) if v.is_floating_point() else v.clone()
        for k, v in module.state_dict().items()
    }
    x = random(2 * EXAMPLES, input_shape, torch.float64).view(2, EXAMPLES, *input_shape)
    return _Member(values, x, loss.some(x))


Seen = dict[str, Tensor]
"""A member's tensors after a step, and its outputs."""


def _alone(module: nn.Module, member: _Member, loss: _Loss) -> Seen:
    twin = copy.deepcopy(module)
    twin.load_state_dict(member.values)
    logits = twin(member.x[0].clone())
    loss.alone(logits, member.y[0]).backward()  # type: ignore[no-untyped-call]  # torch's stub
    _update(list(twin.parameters()))
    after = {k: v.detach().clone() for k, v in twin.state_dict().items()}
    after |= {f"gradient of {k}": _gradient(p) for k, p in twin.named_parameters()}
    with torch.no_grad():
        again = twin(member.x[1].clone())
        with evaluating(twin):
            judged = twin(member.x[1].clone())
    return {**after, "logits": logits.detach(), "again": again, "judged": judged}


def _together(stack: Stack, members: list[_Member], loss: _Loss) -> list[Seen]:
    with torch.no_grad():
        for key, tensor in stack.tensors.items():
            tensor.copy_(torch.stack([m.values[key] for m in members]))
    x = torch.stack([m.x for m in members], dim=2 if stack.example_major else 1).flatten(1, 2)
    logits = stack.forward(x[0].clone())
    y = torch.stack([m.y[0] for m in members])
    loss.together(logits, y).backward()  # type: ignore[no-untyped-call]  # torch's stub
    _update(list(stack.parameters.values()))
    found = {k: v.detach().clone() for k, v in stack.tensors.items()}
    found |= {f"gradient of {k}": _gradient(p) for k, p in stack.parameters.items()}
    with torch.no_grad():
        again = stack.forward(x[1].clone())
        with evaluating(stack.module):
            judged = stack.forward(x[1].clone())
    found |= {"logits": logits.detach(), "again": again, "judged": judged}
    return [{k: v[slot] for k, v in found.items()} for slot in range(len(members))]


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


@torch.no_grad()
def _update(parameters: list[Tensor]) -> None:
    for parameter in parameters:
        if parameter.grad is not None:
            parameter -= RATE * parameter.grad


def _agree(found: list[Seen], expected: list[Seen]) -> bool:
    return all(
        one.keys() == other.keys() and all(_near(one[k], v) for k, v in other.items())
        for one, other in zip(found, expected, strict=True)
    )


def _near(a: Tensor, b: Tensor) -> bool:
    """Values that are not finite never agree."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not b.is_floating_point() or not b.numel():
        return torch.equal(a, b)
    # the gradient of a bias before batch norm is only rounding error
    scale = max(SMALL, float(b.abs().max()))
    return bool(((a - b).abs() <= TOLERANCE * scale).all())
