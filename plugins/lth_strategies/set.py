"""SET: sparse evolutionary training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

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
class SET(Rewiring):
    """Sparse evolutionary training (Mocanu et al., 2018, algorithm 1).

    A random sparse network is trained; after each epoch every layer drops the fraction ζ of its
    positive weights nearest to zero, and of its negative ones, and grows as many new connections at
    random, which start at zero. Counts per layer never change.

    Deviations: the allocation gives exactly the target's count over all layers, the output layer
    included, which the authors' code keeps dense. New connections start with zero momentum, where
    that code makes a new optimizer every epoch. A connection just dropped is grown again only if no
    other place is free. Magnitudes are those before the step at which the epoch ends.

    Cost: one training of the task's length times `extend`; no dense gradients.
    """

    drop_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(0.05, 0.7)] = (
        0.3
    )
    """ζ: fraction of the positive, and of the negative weights that is replaced each time."""
    update_every: Annotated[int, Range(1, 10**9), Tune(search=False)] | None = None
    """Steps between rewirings; an epoch if not given."""
    allocation: Allocation = "er"
    """Layer densities: ε(n_in + n_out)/(n_in n_out) of the paper, or with the kernel's dimensions
    too (Evci et al., 2020); or the same in every layer."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Random connections, allocated over the layers."""
        return random_start(ticket, self.allocation, "set mask", ticket.target_count)

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """The task's recipe, with rewiring."""
        every = self.update_every or ticket.steps_per_epoch
        return self.fit(ticket, partial(self.rewire, ticket), every, "never")

    def rewire(self, ticket: Ticket, view: StepView) -> Change | None:
        """Drop nearest to zero of either sign, grow at random, layer by layer."""
        if view.step == 0:
            return None  # nothing has been trained
        draws = ticket.stream(f"set growth {view.step}")
        kept, new = {}, {}
        for name, before in view.mask.kept.items():
            weight = view.values[f"{name}.weight"]
            stay = drop_by_sign(weight, before, self.drop_fraction)
            n = int(before.sum()) - int(stay.sum())
            chance = torch.rand(before.shape, generator=draws).to(weight.device)
            grown = grow_largest(chance.masked_fill(before, -1.0), stay, n)
            kept[name], new[name] = stay | grown, grown & ~before
        return Change(Mask(kept), reset_momentum=new)


def drop_by_sign(weight: Tensor, kept: Tensor, fraction: float) -> Tensor:
    """`kept` without the given fraction, rounded down, of its positive weights (zeros included)
    nearest to zero, and of its negative ones.
    """
    positive, negative = kept & (weight >= 0), kept & (weight < 0)
    return drop_smallest(weight, positive, int(fraction * int(positive.sum()))) | drop_smallest(
        weight, negative, int(fraction * int(negative.sum()))
    )
