"""SRigL: RigL with the same number of connections into every unit, and units that die out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from lth_bench import (
    Change,
    Layer,
    Mask,
    Range,
    StepView,
    Ticket,
    Trained,
    Tune,
    drop_smallest,
    grow_largest,
    hookimpl,
)
from lth_strategies.fan_in import as_weight, by_unit, largest_of_rows
from lth_strategies.rewiring import ALLOCATE, Allocation, Rewiring


@dataclass(frozen=True, eq=False)
class SRigL(Rewiring):
    """Structured RigL (Lasby et al., 2024, "Dynamic sparse training with structured sparsity",
    section 3.1), in its condensed form: constant fan-in and ablation of units.

    Every ΔT steps, and in each layer, the fraction α_t (as in RigL) of the connections makes room:
    salient are the others, by |θ|, and as many new ones, by |dense gradient|. A unit with fewer
    than max(1, ⌊γ k⌋) salient connections, k the fan-in, is ablated: it loses all its connections,
    and the layer's others share them. Each remaining unit then keeps its largest surviving |θ| and
    grows to the common fan-in by |gradient|. New connections start at zero, with zero momentum;
    the rewiring replaces the optimizer's step.

    A layer keeps more than ⌊n / dense fan-in⌋ units for its n connections, those with the most
    salient ones; units of the output layer are never ablated. A unit without connections gives its
    bias, and can return when enough of its gradients become salient.

    Deviations: counts are exact, as in every other method here, so that fan-ins within a layer
    differ by one where the units do not divide its connections: the units with more salient
    connections have one more. Where a unit has more surviving connections than the common fan-in it
    keeps the largest |θ|; the authors' code keeps arbitrary ones.

    Cost: one training, with dense gradients where it rewires.
    """

    drop_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(0.05, 0.7)] = (
        0.3
    )
    """α: fraction of a layer's connections that the first rewiring replaces."""
    update_every: Annotated[int, Range(1, 10**9), Tune(5, 1000, log=True)] = 100
    """ΔT: steps between rewirings."""
    stop_fraction: Annotated[float, Range(0, 1, open_low=True), Tune(search=False)] = 0.75
    """T_end as a fraction of training; there is no rewiring from there on."""
    salient_fraction: Annotated[float, Range(0, 1), Tune(0.0, 0.95)] = 0.3
    """γ: a unit with a smaller fraction of its fan-in salient is ablated; the paper has .3, and .95
    for vision transformers."""
    allocation: Allocation = "erk"
    """Layer densities: Erdős–Rényi with the kernel or without, or the same in every layer."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Random connections of constant fan-in, allocated over the layers."""
        counts = ALLOCATE[self.allocation](ticket.layers, ticket.target_count)
        draws = ticket.stream("srigl mask")
        kept = {}
        for layer in ticket.layers:
            scores = torch.rand(layer.numel // layer.fan_in, layer.fan_in, generator=draws)
            every = torch.ones(len(scores), dtype=torch.bool)
            most = torch.rand(len(scores), generator=draws)
            fan_in = shared(counts[layer.name], every, most)
            kept[layer.name] = as_weight(largest_of_rows(scores, fan_in), layer)
        return Mask(kept, layers=ticket.layers)

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """The task's recipe, with rewiring."""
        layers = ticket.layers

        def rewire(view: StepView) -> Change | None:
            return self.rewire(view, layers)

        return self.fit(ticket, rewire, self.update_every)

    def rewire(self, view: StepView, layers: tuple[Layer, ...]) -> Change | None:
        """Ablate, drop and grow, layer by layer."""
        t, t_end = view.step, self.stop_fraction * view.end
        if t == 0 or t >= t_end:
            return None
        alpha = self.drop_fraction / 2 * (1 + math.cos(math.pi * t / t_end))
        kept, revived, values = {}, {}, {}
        for layer in layers:
            before, weight = view.mask.kept[layer.name], view.values[layer.key]
            gradient = view.gradients[layer.name].abs()
            now = self.rewired(layer, before, weight.abs(), gradient, alpha)
            kept[layer.name], revived[layer.name] = now, now & ~before
            values[layer.key] = weight.masked_fill(~(now & before), 0.0)
        return Change(Mask(kept), values=values, reset_momentum=revived, replace_update=True)

    def rewired(
        self, layer: Layer, before: Tensor, magnitude: Tensor, gradient: Tensor, alpha: float
    ) -> Tensor:
        """One layer's new mask, from its mask, |θ|, |gradient| (all of the weight's shape) and the
        fraction α_t.
        """
        count = int(before.sum())
        n = int(alpha * count)
        stay = drop_smallest(magnitude, before, n)
        wanted = grow_largest(gradient, stay, n)
        salient = by_unit(stay | wanted, layer).sum(1)
        fan_in_before = count // max(1, int(by_unit(before, layer).any(1).sum()))
        active = self.active(layer, salient, count, fan_in_before)
        fan_in = shared(count, active, salient)
        # what stays first, by |θ|, then what grows, by |gradient|: both ranked from 0 to 1
        stay, magnitude, gradient = (by_unit(x, layer) for x in (stay, magnitude, gradient))
        size = layer.fan_in
        ranks = torch.argsort(torch.argsort(-gradient, dim=1, stable=True), dim=1)
        standing = torch.argsort(torch.argsort(-magnitude, dim=1, stable=True), dim=1)
        scores = torch.where(stay, 2 * size - standing, size - ranks)
        return as_weight(largest_of_rows(scores, fan_in), layer)

    def active(self, layer: Layer, salient: Tensor, count: int, fan_in: int) -> Tensor:
        """bool [units]: which units keep connections. `salient` [units] counts the salient ones,
        `count` all connections of the layer, `fan_in` those of a unit so far.
        """
        if layer.kind == "output":
            return torch.ones_like(salient, dtype=torch.bool)
        enough = salient >= max(1, int(self.salient_fraction * fan_in))
        least = min(len(salient), count // layer.fan_in + 1)
        if int(enough.sum()) < least:
            order = torch.argsort(salient, descending=True, stable=True)
            enough = torch.zeros_like(enough)
            enough[order[:least]] = True
        return enough

    @hookimpl
    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """The exploration rate, and `ablated_units`: the fraction of units before the output layer
        that have no connections.
        """
        hidden = [x for x in ticket.layers if x.kind != "output"]
        alive = [by_unit(trained.mask.kept[x.name], x).any(1) for x in hidden]
        ablated = 1 - float(torch.cat(alive).double().mean()) if alive else 0.0
        return {**super().score(ticket, trained), "ablated_units": ablated}


def shared(count: int, active: Tensor, most: Tensor) -> Tensor:
    """Connections into each unit, int64 [units]: `count` divided equally over the active units,
    the remainder over those with the largest `most`; 0 for the others.
    """
    base, more = divmod(count, int(active.sum()))
    order = torch.argsort(most.double().masked_fill(~active, -1.0), descending=True, stable=True)
    fan_in = active.long() * base
    fan_in[order[:more]] += 1
    return fan_in
