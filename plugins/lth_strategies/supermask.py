"""Supermasks: what a mask criterion, and what survivors start from, does to a ticket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lth_bench import (
    Layers,
    Mask,
    RewindPoint,
    TaskFacts,
    Ticket,
    Trained,
    hookimpl,
    redrawn,
    reshuffled,
    signed_constant,
    with_signs_of,
)
from lth_strategies.one_shot import OneShot

Criterion = Literal[
    "large_final",
    "large_final_same_sign",
    "small_final",
    "large_init",
    "large_init_large_final",
    "magnitude_increase",
    "movement",
    "random",
]


@dataclass(frozen=True, eq=False)
class Supermask(OneShot):
    """Deconstructing lottery tickets (Zhou et al., 2019): a mask criterion over initial and final
    weights of the dense run (section 2), what survivors start from (section 3), and how good the
    network is before any training (section 5).

    One-shot, with one-shot's allocation over the layers: the output layer is pruned at half the
    rate. The metrics `untrained_val_*` are those of the ticket's start on the validation split; of
    `large_final` they are far above chance, of a random mask at chance.

    Deviations: ties, of which `large_final_same_sign` has many, go to the earlier position; masks
    are found in a single round (the paper repeats them). A density counts the trained weights also
    where pruned ones are frozen at their initial values; FLOPs then count as dense.
    """

    criterion: Criterion = "large_final"
    """Score of a weight with initial value i and final value f: |f|; |f| where the signs of i and f
    agree, else 0; −|f|; |i|; the smaller of the two ranks of |i| and |f|; |f| − |i|; |f − i|; a
    random number."""
    survivors: Literal["rewind", "reinit", "reshuffle", "constant"] = "rewind"
    """Initial values of the surviving weights: their own; new ones; their own, permuted among the
    survivors of a layer; ± the standard deviation of the layer's initial weights."""
    keep_sign: bool = True
    """Whether survivors keep the sign of their own initial value. False needs other survivors than
    `rewind`; a constant then has a random sign."""

    pruned: Literal["zero", "initial"] = "zero"
    """What pruned weights are (section 4): zero, or frozen at their initial values."""

    def check_task(self, task: TaskFacts) -> None:
        """ValueError for rewound survivors with other signs."""
        if self.survivors == "rewind" and not self.keep_sign:
            raise ValueError(
                "survivors = 'rewind' keeps every weight's own sign, but keep_sign is false; use "
                "'reinit', 'reshuffle' or 'constant', or the control random_signs"
            )

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """One round of pruning by the criterion."""
        mask = super().select_mask(ticket)
        return mask.freezing(ticket.initial.weights) if self.pruned == "initial" else mask

    def scores(self, ticket: Ticket) -> Layers:
        """The criterion's score of every prunable weight."""
        initial = ticket.initial.weights
        if self.criterion == "large_init":
            return abs(initial)
        if self.criterion == "random":
            draws = ticket.stream("supermask")
            return initial.map(lambda w: torch.rand(w.shape, generator=draws).to(w.device))
        final = ticket.dense.trained.weights
        return Layers({name: score(self.criterion, initial[name], final[name]) for name in initial})

    @hookimpl
    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The survivors' initial values, at step 0."""
        own = dict(ticket.initial.values)
        if self.survivors == "rewind":
            return RewindPoint(own)
        values = dict(own)
        if self.survivors == "reinit":
            values = dict(redrawn(ticket).values)
        draws = ticket.stream("supermask survivors")
        for layer in ticket.layers:
            weight, kept = own[layer.key], ticket.mask.kept[layer.name]
            if self.survivors == "reshuffle":
                values[layer.key] = reshuffled(weight, kept, draws)
            elif self.survivors == "constant":
                values[layer.key] = signed_constant(weight, draws)
        if self.keep_sign:
            values = with_signs_of(values, own, ticket.layers)
        return RewindPoint(values)

    @hookimpl
    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """Metrics of the ticket before its training, on the validation split."""
        assert ticket.start is not None
        found = ticket.validate(ticket.start.values)
        return {f"untrained_val_{name}": value for name, value in found.items()}


def score(criterion: Criterion, initial: Tensor, final: Tensor) -> Tensor:
    """The score of every weight of a layer, from its initial and its final value."""
    i, f = initial.abs(), final.abs()
    match criterion:
        case "large_final_same_sign":
            return torch.where(initial * final > 0, f, 0.0)
        case "small_final":
            return -f
        case "large_init_large_final":
            return torch.minimum(ranks(i), ranks(f))
        case "magnitude_increase":
            return f - i
        case "movement":
            return (final - initial).abs()
    return f


def ranks(values: Tensor) -> Tensor:
    """0 for the smallest value of the tensor, 1 for the next, and so on."""
    return values.flatten().argsort(stable=True).argsort().view_as(values).to(values)
