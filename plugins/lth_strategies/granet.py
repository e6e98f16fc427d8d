"""GraNet: gradual pruning with zero-cost neuroregeneration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
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
    count_at,
    drop_smallest,
    grow_largest,
    hookimpl,
    polynomial_density,
)
from lth_strategies.rewiring import Allocation, Rewiring, random_start


@dataclass(frozen=True, eq=False)
class GraNet(Rewiring):
    """Sparse training via boosting pruning plasticity (Liu et al., 2021; official code).

    Training starts from a random sparse network. At every update (a) the smallest magnitudes of the
    whole network go, down to the density of a cubic ramp; (b) every layer drops the fraction p of
    its connections with the smallest magnitude and grows as many with the largest |gradient| of the
    current batch. p falls along half a cosine. The optimizer's step is not skipped, unlike RigL's.

    A weight that goes and is grown again at once keeps its value; new ones start at zero, with zero
    momentum.

    Deviations: the ramp reaches its end (in the official code, which never takes its last step,
    the final density is d_f + (d_i − d_f)/T³). Counts are exact, the initial ones too, which the
    code draws weight by weight. Magnitudes are those before the step of the update, and what (a)
    removes may return in (b) with its value. From a dense start (`initial_density` 1) the first
    update prunes, as in the paper.

    Cost: one training of the task's length times `extend`; dense gradients at updates.
    """

    initial_density: Annotated[float, Range(0, 1, open_low=True), Tune(0.3, 1.0)] = 0.5
    """Density at the beginning, 1 or 0.5 in the paper; the target's where that is larger."""
    end: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(search=False)] = 0.6875
    """End of the ramp as a fraction of training: 110 of 160 epochs; on ImageNet 30 of 100."""
    updates: Annotated[int, Range(1, 10**6), Tune(10, 500, log=True)] = 62
    """Updates in a whole training, ΔT = steps / updates apart, at least a step: 62 are every 1,000
    of the paper's steps on CIFAR."""
    drop_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True), Tune(0.05, 0.7)] = (
        0.5
    )
    """p at the beginning: fraction of a layer's connections that (b) replaces."""
    last_fraction: Annotated[float, Range(0, 1, open_high=True), Tune(search=False)] = 0.005
    """p at the end of training."""
    allocation: Allocation = "erk"
    """Layer densities at the beginning: Erdős–Rényi with the kernel or without, or the same in
    every layer."""

    def every(self, steps: int) -> int:
        """ΔT in a training of `steps` steps. ValueError if the ramp has no update in it."""
        every = max(1, steps // self.updates)
        if int(self.end * steps) < every:
            raise ValueError(
                f"the ramp ends at step {int(self.end * steps)} of {steps}, before the first "
                f"update at step {every}; raise updates or end, or train longer"
            )
        return every

    def check_task(self, task: TaskFacts) -> None:
        """ValueError if training is too short to prune."""
        self.every(self.train_steps(task.total_steps))

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Random connections at the initial density, allocated over the layers."""
        k = max(ticket.target_count, count_at(self.initial_density, ticket.prunable))
        return random_start(ticket, self.allocation, "granet mask", k)

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """The task's recipe, with pruning and regrowth."""
        every = self.every(self.train_steps(ticket.total_steps))
        return self.fit(ticket, partial(self.update, ticket, every), every)

    def update(self, ticket: Ticket, every: int, view: StepView) -> Change | None:
        """Prune to the ramp's density, then drop and grow in every layer."""
        if view.step == 0:
            return None  # nothing has been trained
        events = int(self.end * view.end) // every
        initial = max(self.initial_density, ticket.target)
        density = polynomial_density(view.step // every, events, ticket.target, initial)
        k = min(view.mask.count, count_at(density, ticket.prunable))
        pruned = Mask.top_k(abs(view.weights), k, within=view.mask)
        p = cosine(view.step, view.end, self.drop_fraction, self.last_fraction)
        mask = regenerate(view.weights, view.gradients, pruned, p)
        new = {n: kept & ~view.mask.kept[n] for n, kept in mask.kept.items()}
        return Change(mask, reset_momentum=new)


def regenerate(weights: Layers, gradients: Layers, mask: Mask, p: float) -> Mask:
    """The mask after each layer has dropped ⌈p · n⌉ of its n connections by magnitude, and grown as
    many by |gradient|.
    """
    kept = {}
    for name, before in mask.kept.items():
        n = math.ceil(p * int(before.sum()))
        stay = drop_smallest(weights[name], before, n)
        kept[name] = stay | grow_largest(gradients[name].abs(), stay, n)
    return Mask(kept)
