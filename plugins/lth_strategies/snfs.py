"""SNFS: sparse networks from scratch, by sparse momentum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from lth_bench import (
    Change,
    Layers,
    Mask,
    Range,
    StepView,
    TaskFacts,
    Ticket,
    Trained,
    Tune,
    cosine,
    drop_smallest,
    grow_largest,
    hookimpl,
    largest_remainder,
    momentum_of,
)
from lth_strategies.rewiring import Allocation, Rewiring, random_start

NEARLY_DENSE = 0.2
"""Sparsity below which a growing layer drops no more than that fraction."""
FULL = 0.99
"""Part of a layer's free positions that it may grow."""


@dataclass(frozen=True, eq=False)
class SNFS(Rewiring):
    """Sparse networks from scratch (Dettmers & Zettlemoyer, 2019, section 3; official code).

    A random sparse network is trained; after each epoch every layer drops the fraction p of its
    weights of smallest magnitude. As many weights as went are divided over the layers in proportion
    to the mean |momentum| of a layer's kept weights, and grow where |momentum| is largest. p falls
    along half a cosine. A layer that is less than 20% sparse and would grow drops at most that
    fraction; none grows more than 99% of its free positions, and what is over is spread evenly.

    A weight that is dropped and grown again keeps its value; new ones start at zero, with the
    momentum that they were chosen for.

    Deviations: the total count is exact, where the code rounds every layer up and corrects later.
    Magnitudes and momentum are those before the step at which the epoch ends.

    Cost: one training of the task's length times `extend`; momentum needs the gradients of pruned
    weights at every step, and they count as FLOPs.
    """

    drop_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(0.05, 0.7)] = (
        0.5
    )
    """p at the beginning: fraction of a layer's weights that is replaced each time."""
    last_fraction: Annotated[float, Range(0, 1, open_high=True), Tune(search=False)] = 0.005
    """p at the end of training."""
    update_every: Annotated[int, Range(1, 10**9), Tune(search=False)] | None = None
    """Steps between rewirings; an epoch if not given."""
    allocation: Allocation = "uniform"
    """Layer densities at the beginning: the same in every layer, or Erdős–Rényi with the kernel or
    without."""

    def check_task(self, task: TaskFacts) -> None:
        """ValueError if the optimizer keeps no momentum."""
        if not task.has_momentum:
            raise ValueError(
                "SNFS grows weights by their momentum, and the recipe's optimizer keeps none; set "
                "the recipe's momentum above 0, or use adam"
            )

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Random connections, allocated over the layers."""
        return random_start(ticket, self.allocation, "snfs mask", ticket.target_count)

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """The task's recipe, with rewiring."""
        every = self.update_every or ticket.steps_per_epoch
        return self.fit(ticket, self.rewire, every, "always")

    def rewire(self, view: StepView) -> Change | None:
        """Drop by magnitude in each layer; grow by momentum where it is largest."""
        if view.step == 0:
            return None  # nothing has been trained
        p = cosine(view.step, view.end, self.drop_fraction, self.last_fraction)
        momentum = abs(momentum_of(view))
        shares = momentum_shares(momentum, view.mask)
        counts, sizes = view.mask.kept_per_layer(), {n: m.numel() for n, m in momentum.items()}
        removed = {n: removals(counts[n], sizes[n], shares[n] * len(shares), p) for n in counts}
        free = {n: sizes[n] - counts[n] + removed[n] for n in counts}
        growth = divide_growth(shares, sum(removed.values()), free)
        kept = {}
        for name, before in view.mask.kept.items():
            stay = drop_smallest(view.values[f"{name}.weight"], before, removed[name])
            kept[name] = stay | grow_largest(momentum[name], stay, growth[name])
        return Change(Mask(kept))


def momentum_shares(momentum: Layers, mask: Mask) -> dict[str, float]:
    """Each layer's mean |momentum| over its kept weights, divided by the sum over the layers; equal
    shares where all of it is zero.
    """
    sums = {n: float((m * mask.kept[n]).sum()) for n, m in momentum.items()}
    counts = mask.kept_per_layer()
    means = {n: s / counts[n] if counts[n] else 0.0 for n, s in sums.items()}
    total = sum(means.values())
    return {n: m / total if total > 0 else 1 / len(means) for n, m in means.items()}


def removals(count: int, size: int, relative_share: float, p: float) -> int:
    """Weights that a layer drops: ⌈p · count⌉. `relative_share` is its share of momentum over the
    average layer's; above 1 the layer grows.
    """
    sparsity = 1 - count / size
    if sparsity < NEARLY_DENSE and relative_share > 1:
        p = min(p, sparsity)
    return min(count, math.ceil(p * count))


def divide_growth(
    shares: Mapping[str, float], total: int, free: Mapping[str, int]
) -> dict[str, int]:
    """`total` new weights over the layers in proportion to `shares`, which sum to 1, at most 99% of
    a layer's `free` positions each unless there is no other place; what is over is spread evenly.
    """
    caps = {n: math.floor(FULL * f) for n, f in free.items()}
    if sum(caps.values()) < total:
        caps = dict(free)
    wanted = {n: share * total for n, share in shares.items()}
    for _ in range(len(wanted)):
        over = sum(max(0.0, w - caps[n]) for n, w in wanted.items())
        open_ = [n for n, w in wanted.items() if w < caps[n]]
        if over <= 0 or not open_:
            break
        extra = over / len(open_)
        wanted = {n: w + extra if n in open_ else float(caps[n]) for n, w in wanted.items()}
    counts = largest_remainder(list(wanted.values()), total, [caps[n] for n in wanted])
    return dict(zip(wanted, counts, strict=True))
