"""Decision boundaries of tickets, and how much of the dense network's shape they keep.

For tasks that ask for `decision_boundary`: networks with two inputs, one hidden layer of ReLU units
and two outputs. The claim behind it is that a ticket keeps the shape of the dense network's dual
hull the longer it is pruned, and another initialisation does not (Alfarra et al., 2022, "On the
Decision Boundaries of Neural Networks: A Tropical Geometry Perspective", section 5).

`hull_distance` is the Hausdorff distance between the hulls of this network and of the dense run at
its seed, each with its centroid at 0 and a diameter of 1. The dense run's own would be 0: it is
instead the distance to a second dense network, trained in the same order from other initial values
(those of the control `reinit`). So what is compared with the dense run, on boards and in claims, is
compared with two unrelated networks.

Costs one more dense training for each seed, which counts for no method, and some 50 ms a ticket.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lth_bench.data.info import DatasetInfo
from lth_bench.errors import UserError
from lth_bench.geometry import (
    PlanarNetwork,
    decision_boundary,
    dual,
    hausdorff,
    size_normalised,
)
from lth_bench.geometry.polygons import Array
from lth_bench.helpers import redrawn
from lth_bench.ticket import CostLedger, DenseRun, Ticket
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.engine.sequential import stages_of
from lth_bench.training.state import Trained

POINTS = 100
"""Training examples of each class that are recorded with a dense run, at most."""

MARGIN = 1.25
"""The square in which boundaries are recorded, relative to the farthest training example."""

SAMPLE = 10_000
"""Training examples looked at for that, at most."""

METRIC = "hull_distance"


class PlanarLayers(NamedTuple):
    """Names of the two linear layers."""

    hidden: str
    output: str


@dataclass(frozen=True)
class Drawn:
    """What is recorded of one ticket."""

    metrics: dict[str, float] = field(default_factory=dict)
    outlines: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Why a metric is not among them."""


def layers_of(module: nn.Module) -> PlanarLayers | None:
    """The layers of a network from two inputs through one hidden layer of ReLU units to two
    outputs; None of any other. Dropout is ignored: no network has it after training.
    """
    plain = module
    if type(module) is nn.Sequential:
        parts = [(n, part) for n, part in module.named_children() if type(part) is not nn.Dropout]
        plain = nn.Sequential()
        for name, part in parts:
            plain.add_module(name, part)
    stages = stages_of(plain)
    if stages is None or [stage.relu for stage in stages] != [True, False]:
        return None
    first, last = (stage.linear for stage in stages)
    if first.in_features != 2 or last.out_features != 2:
        return None
    return PlanarLayers(stages[0].name, stages[1].name)


def require_planar(task: str, module: nn.Module, info: DatasetInfo) -> None:
    """UserError for a task of which no decision boundary can be drawn."""
    wrong = []
    if math.prod(info.input_shape) != 2 or info.inputs == "tokens":
        wrong.append(f"its dataset has {info.words}")
    elif info.targets != "class" or info.classes != 2:
        wrong.append(f"its dataset asks for {info.words.split(', ', 1)[1]}")
    elif layers_of(module) is None:
        wrong.append("its network is another one")
    if wrong:
        raise UserError(
            f"decision_boundary of {task} needs a dataset with two inputs and two classes and a "
            f"network of linear layers with one hidden layer of ReLU units, but {wrong[0]}; leave "
            f'it out, or take model = {{ name = "mlp", hidden = [100] }} and dataset = "points:xor"'
        )


def boundary_of(bench: Workbench, ticket: Ticket, trained: Trained) -> Drawn:
    """The metric and the outlines of a trained ticket or control, or of the dense run, which is
    rewound to nothing (`ticket.start` None). `bench` is the task's own: at equal cost a network is
    trained on a longer one, and compared with the dense run like a ticket.
    """
    layers = layers_of(bench.network.module)
    assert layers is not None  # it was planned
    if not _finite(trained.values):
        return Drawn(missing=[f"{METRIC}: the trained values are not finite"])
    own = planar(layers, trained.values)
    reach = _reach(bench)
    outlines = outlines_of(own, reach)
    if ticket.start is not None or ticket.bench is not bench:
        dense = DenseRun(bench, ticket.seed, CostLedger(), context=ticket.context)
        metrics, missing = _compared(own, planar(layers, dense.trained.values))
        return Drawn(metrics, outlines, missing)
    outlines += _examples(bench)
    fresh = redrawn(ticket)
    keys = [layer.key for layer in bench.layers]
    if all(torch.equal(fresh.values[key], ticket.initial.values[key]) for key in keys):
        missing = [f"{METRIC}: the model's initial values are fixed, so there is no second network"]
        return Drawn({}, outlines, missing)
    quiet = replace(ticket, mask=bench.dense_mask(), ledger=CostLedger(), on_eval=None)
    other = planar(layers, quiet.fit(values=fresh.values, start=0).values)
    metrics, missing = _compared(own, other)
    outlines += [one | {"name": f"other_{one['name']}"} for one in outlines_of(other, reach)]
    return Drawn(metrics, outlines, missing)


def planar(layers: PlanarLayers, values: Mapping[str, Tensor]) -> PlanarNetwork:
    """The network in float64, from a state dict; a layer without a bias has zeros."""

    def array(key: str) -> Array:
        return values[key].detach().to("cpu", torch.float64).numpy()

    def bias(layer: str) -> Array:
        key = f"{layer}.bias"
        return array(key) if key in values else np.zeros(len(values[f"{layer}.weight"]))

    return PlanarNetwork(
        array(f"{layers.hidden}.weight"),
        bias(layers.hidden),
        array(f"{layers.output}.weight"),
        bias(layers.output),
    )


def outlines_of(network: PlanarNetwork, reach: float) -> list[dict[str, Any]]:
    """`boundary` in the square [−reach, reach]², its lines with a gap between them;
    `zonotope_0`, `zonotope_1` and `hull`; and of a network without biases `normals`, the outward
    normals of the hull's bridging edges, which then are the boundary.
    """
    found = dual(network)
    lines = decision_boundary(network, reach)
    gap = np.full((1, 2), np.nan)
    joined = list(chain.from_iterable((gap, line) for line in lines))[1:]
    outlines = [
        _outline("boundary", np.concatenate(joined) if joined else np.empty((0, 2))),
        _outline("zonotope_0", found.zonotopes[0]),
        _outline("zonotope_1", found.zonotopes[1]),
        _outline("hull", found.hull),
    ]
    if not network.has_biases:
        outlines.append(_outline("normals", found.normals))
    return outlines


def _compared(one: PlanarNetwork, other: PlanarNetwork) -> tuple[dict[str, float], list[str]]:
    """The metric, or why there is none."""
    hulls = [dual(network).hull for network in (one, other)]
    if any(len(hull) < 2 for hull in hulls):
        return {}, [f"{METRIC}: the hull is a point, whose size cannot be normalised"]
    return {METRIC: hausdorff(*map(size_normalised, hulls))}, []


def _reach(bench: Workbench) -> float:
    sample = bench.data.sample(SAMPLE)
    return MARGIN * float(bench.data.normalise(sample.x[: len(sample)]).abs().max())


def _examples(bench: Workbench) -> list[dict[str, Any]]:
    """`class_0` and `class_1`: some training examples, as the network takes them."""
    sample = bench.data.sample(SAMPLE)
    inputs = bench.data.normalise(sample.x[: len(sample)])
    x = inputs.flatten(1).to("cpu", torch.float64).numpy()
    y = sample.y.cpu().numpy()
    return [_outline(f"class_{k}", x[y == k][:POINTS]) for k in (0, 1)]


def _outline(name: str, points: Array) -> dict[str, Any]:
    """Points [n, 2] to six digits, NaN as null."""
    x, y = ([None if math.isnan(v) else float(f"{v:.6g}") for v in row] for row in points.T)
    return {"name": name, "x": x, "y": y}


def _finite(values: Mapping[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in values.values())
