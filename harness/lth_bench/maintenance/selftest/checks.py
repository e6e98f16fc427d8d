"""Checks that a device trains as the CPU does, alone and stacked, with and without CUDA graphs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lth_bench.maintenance.selftest.bench import Bench
from lth_bench.maintenance.selftest.net import MADE, Net, made
from lth_bench.training.engine.layouts import Layout

STEPS = {"lenet_300_100": 20, "conv_bn": 10}
"""Steps of the compared trainings: few, so that rounding errors stay small."""
IMAGES = 2000
COHORT_SIZE = 3
"""Members of the stacked cohort."""
MemberValues = Sequence[dict[str, Tensor]]


@contextmanager
def strict() -> Iterator[list[str]]:
    """Turn warnings about CUDA, graphs and captures into errors; yield a list of the others."""
    noted: list[str] = []
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield noted
    texts = list(dict.fromkeys(str(w.message) for w in found))
    # an operation without a deterministic version is not the device's fault
    noted += [t for t in texts if "deterministic" in t or not _alarming(t)]
    if alarming := [t for t in texts if t not in noted]:
        raise RuntimeError(f"warned: {'; '.join(alarming)}")


def _alarming(text: str) -> bool:
    return any(word in text.lower() for word in ("cuda", "graph", "captur", "stream"))


def capture(device: str) -> dict[str, Any]:
    """Check that replaying a captured step changes every parameter and adds to the losses.

    RuntimeError where it does not, or where a GPU does not capture the step.
    """
    with strict() as noted:
        bench = small("lenet_300_100", device)
        layout = bench.layout(1)
        bench.cohort(layout, 1)
        before = {k: p.detach().clone() for k, p in layout.parameters.items()}
        for done in range(2):
            layout.forward_backward(done)
            layout.update(bench.net.recipe.lr)
        same = [k for k, p in layout.parameters.items() if torch.equal(p.detach(), before[k])]
        losses = layout.losses.tolist()
    if same:
        raise RuntimeError(f"two steps changed nothing of {', '.join(same)}")
    if not all(0 < loss < float("inf") for loss in losses):
        raise RuntimeError(f"two steps added {losses} to the losses")
    captured = layout.graphs.step is not None
    if bench.device.type == "cuda" and not captured:
        raise RuntimeError("the step was not captured")
    return {"captured": captured, "loss": losses[0] / 2, "warnings": noted}


def agreement(device: str, name: str) -> dict[str, Any]:
    """Relative differences between trainings that are computed in different ways: CUDA graphs and
    eager execution (`eager`), each way of stacking and training alone (`stacked`), the device and
    the CPU (`cpu`). None where a comparison does not apply.
    """
    with strict() as noted:
        bench = small(name, device)
        steps = STEPS[name]
        start = [dict(r.values) for r in bench.requests(COHORT_SIZE, 1)]
        alone = _alone(bench, bench.layout(1), steps)
        found: dict[str, Any] = {"steps": steps, "eager": None, "stacked": {}, "cpu": None}
        if bench.device.type == "cuda":
            eager = small(name, device)
            layout = eager.layout(1)
            layout.graphs.step = layout.graphs.several = None
            layout.graphs.possible = False
            found["eager"] = apart(_alone(eager, layout, steps), alone, start)
            cpu = small(name, "cpu")
            found["cpu"] = apart(alone, _alone(cpu, cpu.layout(1), steps), start)
        for way in ways(bench):
            together = bench.trained(bench.layout(COHORT_SIZE, way), steps)
            found["stacked"][way] = apart(together, alone, start)
        masks = [request.mask.items_by_key() for request in bench.requests(COHORT_SIZE, 1)]
        found["pruned_zero"] = all(
            not bool(values[key][~kept.cpu()].any())
            for values, mask in zip(alone, masks, strict=True)
            for key, kept in mask.items()
        )
    return {**found, "warnings": noted}


def ways(bench: Bench) -> list[str]:
    """The engine's ways of stacking the network on this device."""
    from lth_bench.training.engine.layouts import ways_to_stack

    return ways_to_stack(bench.network)


def small(name: str, device: str) -> Bench:
    """A network of `MADE` in float32 under SGD: Adam's first steps amplify rounding errors."""
    net: Net = MADE[name]()
    recipe = replace(
        net.recipe, optimizer="sgd", lr=0.01, momentum=0.9, batch_size=64, val_size=200,
        dtype="float32",
    )  # fmt: skip
    return Bench(replace(net, recipe=recipe), device, made(net.shape, IMAGES, 10))


def _alone(bench: Bench, layout: Layout, steps: int) -> MemberValues:
    """The members of the stacked cohort, one after the other."""
    from lth_bench.training.engine.cohort import Cohort
    from lth_bench.training.pending_fit import PendingFit

    found = []
    for request in bench.requests(COHORT_SIZE, steps):
        asked = PendingFit(request)
        Cohort(layout, [[asked]]).run()
        if asked.error is not None:
            raise asked.error
        assert asked.outcome is not None
        found.append({k: v.detach().cpu() for k, v in asked.outcome.values.items()})
    return found


def apart(some: MemberValues, others: MemberValues, start: MemberValues) -> float:
    """Distance between trained values, divided by how far training moved them; the largest over the
    members. Near 0 if they agree, about 1 for unrelated values.
    """
    found = 0.0
    for a, b, s in zip(some, others, start, strict=True):
        keys = [k for k, v in b.items() if v.is_floating_point()]
        difference = sum(float((a[k].double() - b[k].double()).square().sum()) for k in keys)
        moved = sum(float((b[k].double() - s[k].cpu().double()).square().sum()) for k in keys)
        found = max(found, (difference / moved) ** 0.5 if moved else float("inf"))
    return found
