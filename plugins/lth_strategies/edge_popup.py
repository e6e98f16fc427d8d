"""Edge-popup: a subnetwork of random weights that is found by training scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from lth_bench import Layer, Ticket
from lth_strategies.frozen_weights import FrozenWeights, largest, with_size


@dataclass(frozen=True, eq=False)
class EdgePopup(FrozenWeights):
    """What's hidden in a randomly weighted neural network? (Ramanujan et al., 2020, section 3).

    Weights never change. Every weight has a score s; the forward pass uses the k largest |s| of
    each layer, and the straight-through gradient of a score is g · w · sign(s), g being the
    gradient of the weight that it stands for, kept or not. Scores start uniform in ±1/√fan_in and
    follow the task's recipe; the last step fixes the mask instead of an update, so that the ticket
    is the network that was evaluated. All other parameters stay at their initial values, so norms
    are non-affine and biases as they were initialised.

    Deviations: exact counts, ties to the earlier position. The authors' `scale_fan` multiplies the
    fan by 1 − prune_rate although prune_rate is the kept part there; here the constant is
    √(2 / (fan_in · kept part)), which keeps the variance.

    Cost: one training of the task's length, all of whose FLOPs count as dense, since every score
    has a gradient. It trains alone, not stacked with others. The final values are the kept
    constants.
    """

    weights: Literal["signed_constant", "initial"] = "signed_constant"
    """±√(2 / (fan_in · density)) with the initial weight's sign (the paper's best), or the initial
    weights themselves."""

    def gate(self, scores: Tensor, k: int) -> Tensor:
        """1 for the kept, with the gradient of |scores|."""
        return straight_through(scores, k)

    def bound(self, layer: Layer) -> float:
        """1/√fan_in."""
        return 1 / math.sqrt(layer.fan_in)

    def constants(self, ticket: Ticket, counts: Mapping[str, int]) -> dict[str, Tensor]:
        """The initial values, of one size in each layer where `weights` says so."""
        if self.weights == "initial":
            return {key: value.detach() for key, value in ticket.initial.values.items()}
        kept = {layer.name: max(1, counts[layer.name]) / layer.numel for layer in ticket.layers}
        size = {x.name: math.sqrt(2 / (x.fan_in * kept[x.name])) for x in ticket.layers}
        return with_size(ticket, size, ticket.initial.values)


def straight_through(scores: Tensor, k: int) -> Tensor:
    """1 for the k largest |scores| and 0 for the others, with the gradient of |scores|."""
    size = scores.abs()
    return largest(scores, k) + (size - size.detach())  # exactly 0 or 1
