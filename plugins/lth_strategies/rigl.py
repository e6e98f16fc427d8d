"""RigL: a sparse network that rewires itself while it trains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from lth_bench import (
    Change,
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
from lth_strategies.rewiring import Allocation, Rewiring, random_start


@dataclass(frozen=True, eq=False)
class RigL(Rewiring):
    """Rigging the lottery (Evci et al., 2020, algorithm 1).

    A random sparse network is trained; every ΔT steps each layer drops the fraction α_t = α/2 · (1
    + cos(π t / T_end)) of its connections with the smallest |θ| and grows as many with the largest
    |dense gradient| among those not kept. The rewiring replaces the optimizer's step. A connection
    that is dropped and regrown at once keeps its value; new ones start at zero, with zero momentum.
    Counts per layer never change.

    The first rewiring is at step ΔT, and a rewiring counts as a step. (The authors' code also
    rewires at step 0 if its begin_step is 0, and does not count rewirings as steps.)

    Deviation: the allocation gives exactly the target's count over all layers, including the first
    (the authors' CIFAR script keeps the first layer dense).
    """

    drop_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(0.05, 0.7)] = (
        0.3
    )
    """α: fraction of a layer's connections that the first rewiring replaces."""
    update_every: Annotated[int, Range(1, 10**9), Tune(5, 1000, log=True)] = 100
    """ΔT: steps between rewirings."""
    stop_fraction: Annotated[float, Range(0, 1, open_low=True), Tune(search=False)] = 0.75
    """T_end as a fraction of training; there is no rewiring from there on."""
    allocation: Allocation = "erk"
    """Layer densities: Erdős–Rényi with the kernel or without, or the same in every layer."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Random connections, allocated over the layers."""
        return random_start(ticket, self.allocation, "rigl mask", ticket.target_count)

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """The task's recipe, with rewiring."""
        return self.fit(ticket, self.rewire, self.update_every)

    def rewire(self, view: StepView) -> Change | None:
        """Drop by magnitude, grow by gradient, layer by layer."""
        t, t_end = view.step, self.stop_fraction * view.end
        if t == 0 or t >= t_end:
            return None
        alpha = self.drop_fraction / 2 * (1 + math.cos(math.pi * t / t_end))
        kept, revived, values = {}, {}, {}
        for name, before in view.mask.kept.items():
            weight = view.values[f"{name}.weight"]
            n = int(alpha * int(before.sum()))
            stay = drop_smallest(weight, before, n)
            grown = grow_largest(view.gradients[name].abs(), stay, n)
            kept[name] = stay | grown
            revived[name] = grown & ~before
            values[f"{name}.weight"] = weight.masked_fill(revived[name] | ~kept[name], 0.0)
        return Change(Mask(kept), values=values, reset_momentum=revived, replace_update=True)
