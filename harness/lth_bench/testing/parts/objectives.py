"""The contracts of an objective."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from lth_bench.data.info import DatasetInfo, Targets
from lth_bench.objectives import Objective
from lth_bench.testing.contract import Broken, NotApplicable, NotJudged, contract
from lth_bench.testing.parts.case import PartCase, call

N = 24
"""Examples of a split."""
STEPS = 300
"""Steps of a descent of the outputs."""


class ObjectiveCase(PartCase):
    """An objective under test, on made-up outputs and targets of each of its kinds."""

    group = "objectives"

    @cached_property
    def bound(self) -> dict[Targets, Objective | Broken]:
        """Kind of targets → the objective bound to some, or what is wrong with that."""
        found: dict[Targets, Objective | Broken] = {}
        for kind in self.made.targets:
            try:
                found[kind] = call("bound", self.made.bound, targets_of(kind), info_of(kind))
            except Broken as broken:
                found[kind] = broken
        return found

    @property
    def each(self) -> list[tuple[Objective, Tensor, Tensor]]:
        """Bound objective, outputs [N, …] and targets [N, …], by kind of targets."""
        sound = [(b, kind) for kind, b in self.bound.items() if isinstance(b, Objective)]
        if not sound:
            raise NotJudged("it cannot be bound to training targets")
        return [(b, outputs_of(kind), targets_of(kind)) for b, kind in sound]


def info_of(kind: Targets) -> DatasetInfo:
    """Of a small dataset with these targets."""
    if kind == "tokens":
        return DatasetInfo((5,), 4, N, N, inputs="tokens", vocabulary=4, targets="tokens")
    return DatasetInfo((6,), 3, N, N, inputs="features", targets=kind)


def targets_of(kind: Targets) -> Tensor:
    """The targets of `N` examples."""
    rng = torch.Generator().manual_seed(1)
    if kind == "class":
        return torch.arange(N) % 3
    if kind == "labels":
        return torch.randint(0, 2, (N, 3), generator=rng, dtype=torch.uint8)
    if kind == "values":
        return 2 * torch.randn(N, 3, generator=rng) + 1
    return torch.randint(0, 4, (N, 5), generator=rng)


def outputs_of(kind: Targets, members: tuple[int, ...] = ()) -> Tensor:
    """What a network that has learnt nothing answers, [*members, N, …]."""
    rng = torch.Generator().manual_seed(2)
    return torch.randn(*members, N, *info_of(kind).output_shape, generator=rng)


@contract(
    "bound takes what it needs from the training targets, and changes nothing",
    meet="return dataclasses.replace(self, …) from bound; raise UserError or ValueError with a "
    "reason where the targets cannot be learnt",
)
def bound(case: ObjectiveCase) -> None:
    """By default it returns the objective itself."""
    before = repr(case.made)
    for kind, found in case.bound.items():
        if isinstance(found, Broken):
            raise found
        if type(found) is not case.cls:
            raise Broken(f"bound must return a {case.cls.__name__}, but returned {found!r:.80}")
        again = case.made.bound(targets_of(kind), info_of(kind))
        if repr(again) != repr(found) or repr(case.made) != before:
            raise Broken("bound gives another objective the second time")


@contract(
    "losses gives a finite loss for each example, [N], whatever examples are beside it",
    meet="reduce over all dimensions but the first: (outputs - targets).abs().mean(1), not .mean()",
)
def losses(case: ObjectiveCase) -> None:
    """Of a batch, and of its examples alone."""
    for objective, outputs, targets in case.each:
        whole: object = call("losses", objective.losses, outputs, targets)
        if not isinstance(whole, Tensor) or whole.shape != (N,) or not whole.is_floating_point():
            found = f"{whole.dtype} {list(whole.shape)}" if isinstance(whole, Tensor) else whole
            raise Broken(f"of {N} examples losses gives {found!s:.80}, not floating point [{N}]")
        if not bool(whole.isfinite().all()):
            raise Broken("the loss of ordinary outputs is not finite")
        alone = [call("losses", objective.losses, outputs[i : i + 1], targets[i : i + 1])
                 for i in range(N)]  # fmt: skip
        if not torch.allclose(torch.cat(alone), whole, rtol=1e-4, atol=1e-5):
            raise Broken("an example's loss differs alone and in a batch")


@contract(
    "losses can be differentiated: gradients are finite, and not all zero",
    meet="use torch's operations on the outputs, without item(), numpy(), argmax or rounding",
)
def differentiable(case: ObjectiveCase) -> None:
    """With respect to the outputs."""
    for objective, outputs, targets in case.each:
        x = outputs.clone().requires_grad_()
        loss = call("losses", objective.losses, x, targets).mean()
        if not loss.requires_grad:
            raise Broken("the loss does not depend on the outputs in a way that torch can follow")
        call("backward", loss.backward)
        if x.grad is None or not bool(x.grad.isfinite().all()) or not bool(x.grad.any()):
            raise Broken("the gradient of the loss is zero everywhere, or not finite")


@contract(
    "trainings can be stacked: torch.func.vmap of losses gives what losses gives",
    meet="use operations on whole tensors, without branches on values; an objective that cannot be "
    "stacked is trained too, one network at a time",
)
def stackable(case: ObjectiveCase) -> None:
    """Several networks at once are several times as fast."""
    for objective, _, targets in case.each:
        kind = next(k for k, b in case.bound.items() if b is objective)
        outputs = outputs_of(kind, (2,))
        alone = torch.stack([objective.losses(one, targets) for one in outputs])
        try:
            stacked = vmap(objective.losses)(outputs, torch.stack((targets, targets)))
        except Exception as error:
            raise NotApplicable(
                f"vmap refuses it ({str(error).splitlines()[0]:.100}), so networks are trained "
                f"one at a time"
            ) from error
        if not torch.allclose(stacked, alone, rtol=1e-4, atol=1e-5):
            raise Broken("the losses of two stacked networks differ from those of each alone")


@contract(
    "measure gives every metric that the class names, as finite numbers; fractions in [0, 1]",
    meet="return {metric.name: float(…)} for exactly the entries of `metrics`, with unit "
    "'fraction' for those in [0, 1] and '' for others",
)
def metrics(case: ObjectiveCase) -> str:
    """Says which one ranks, and which way is better."""
    for objective, outputs, targets in case.each:
        found = measured(objective, outputs, targets)
        names = {metric.name for metric in objective.metrics}
        if more := sorted(set(found) - names):
            raise Broken(f"measure gives {', '.join(more)}, and `metrics` does not name it")
        for metric in objective.metrics:
            if metric.unit not in ("fraction", ""):
                raise Broken(f"the unit of {metric.name} must be 'fraction' or '', but is "
                             f"{metric.unit!r}")  # fmt: skip
            value = found[metric.name]
            if type(value) is not float or not math.isfinite(value):
                raise Broken(f"{metric.name} must be a finite float, but is {value!r:.80}")
            if metric.unit == "fraction" and not 0 <= value <= 1:
                raise Broken(f"{metric.name} is a fraction, but {value:g} is not in [0, 1]")
        with torch.no_grad():
            evidence = objective.evidence(outputs, targets)
        right = call("right", objective.right, evidence, targets)
        for name, which in right.items():
            if name not in names or which.dtype != torch.bool or which.shape != (N,):
                raise Broken(f"right must give a bool tensor [{N}] for names in `metrics`, but "
                             f"gives {name!r}")  # fmt: skip
            if not math.isclose(share := float(which.double().mean()), found[name], abs_tol=1e-9):
                raise Broken(f"{name} is {found[name]:g}, but {share:g} of the examples are right")
    first = case.made.primary
    return f"ranked by {first.name}, {'higher' if first.higher_is_better else 'lower'} is better"


@contract(
    "metrics depend neither on the order of examples nor on batches",
    meet="compute in `evidence` what belongs to one example, and in `measure` what belongs to the "
    "split, from all of it",
)
def whole_splits(case: ObjectiveCase) -> None:
    """In another order, and in batches of 7 instead of one."""
    for objective, outputs, targets in case.each:
        whole = measured(objective, outputs, targets)
        order = torch.randperm(N, generator=torch.Generator().manual_seed(3))
        ways = {
            "in another order": measured(objective, outputs[order], targets[order]),
            "in batches of 7": measured(objective, outputs, targets, 7),
        }
        for way, found in ways.items():
            for name, value in whole.items():
                if not math.isclose(found[name], value, rel_tol=1e-5, abs_tol=1e-6):
                    raise Broken(f"{name} is {value:g}, and {found[name]:g} {way}")


@contract(
    "a better prediction scores better: where the loss falls, the primary metric improves",
    meet="set higher_is_better of the first of `metrics` the right way round, and let the metric "
    "judge what the loss trains",
)
def direction(case: ObjectiveCase) -> str:
    """Outputs are descended by their loss alone, and measured before and after."""
    said = []
    for objective, outputs, targets in case.each:
        x = outputs.clone().requires_grad_()
        optimizer = torch.optim.Adam([x], lr=0.1)
        for _ in range(STEPS):
            (x.grad,) = torch.autograd.grad(objective.losses(x, targets).sum(), x)
            optimizer.step()
        first = objective.primary
        before, after = (measured(objective, o, targets)[first.name] for o in (outputs, x.detach()))
        better = after > before if first.higher_is_better else after < before
        if not better:
            way = "higher" if first.higher_is_better else "lower"
            raise Broken(
                f"{first.name} is {before:.4g} for random outputs and {after:.4g} for outputs that "
                f"minimise the loss, and {way} is said to be better"
            )
        said.append(f"{first.name} {before:.4g} → {after:.4g}")
    return " · ".join(said)


def measured(
    objective: Objective, outputs: Tensor, targets: Tensor, size: int = N
) -> Mapping[str, Any]:
    """The metrics of a split whose outputs came in batches of `size`."""
    with torch.no_grad():
        parts: list[Any] = [
            call("evidence", objective.evidence, outputs[i : i + size], targets[i : i + size])
            for i in range(0, N, size)
        ]
        if not all(isinstance(part, Tensor) for part in parts):
            raise Broken("evidence must give a tensor [N, …]")
        found: object = call("measure", objective.measure, torch.cat(parts), targets)
    missing = [
        m.name for m in objective.metrics if isinstance(found, Mapping) and m.name not in found
    ]
    if missing:
        raise Broken(f"measure gives no {', '.join(missing)}, and `metrics` names it")
    if not isinstance(found, Mapping):
        raise Broken(
            f"measure must return a mapping of names to numbers, but returned {found!r:.80}"
        )
    return found
