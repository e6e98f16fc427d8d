"""The signed supermask: every frozen weight is kept, hidden or inverted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from lth_bench import Layer, Ticket
from lth_strategies.frozen_weights import FrozenWeights, largest, with_size


@dataclass(frozen=True, eq=False)
class SignedSupermask(FrozenWeights):
    """Signing the supermask: keep, hide, invert (Koster et al., 2022).

    Weights are frozen at ±√(3/fan_in), with the sign of the initial weight. Every weight has a
    score m, and the network uses w · sign(m) where |m| is large and 0 elsewhere; the gradient of m
    is g · w, as if the network used w · m. Scores start uniform as Xavier's, and follow the task's
    recipe, weight decay included (the paper: SGD with decoupled weight decay, momentum 0.9, a rate
    of 0.005 that falls by a tenth every 10 epochs). All other parameters stay at their initial
    values. The paper's networks have no biases, and ELU.

    Deviations: the paper's threshold on |m| is a constant, so that its density emerges; here it is
    in each layer the one that keeps the target's part of the weights, since all methods are
    compared at the same counts. The last step fixes mask and signs instead of an update.

    Cost: one training of the task's length, all of whose FLOPs count as dense, since every score
    has a gradient. It trains alone, not stacked with others. The final values are the kept
    constants with the signs that were found.
    """

    def gate(self, scores: Tensor, k: int) -> Tensor:
        """±1 for the kept, with the gradient of the scores themselves."""
        return signed(scores, k)

    def bound(self, layer: Layer) -> float:
        """√(6 / (fan_in + fan_out))."""
        return math.sqrt(6 / (layer.fan_in + layer.fan_out))

    def constants(self, ticket: Ticket, counts: Mapping[str, int]) -> dict[str, Tensor]:
        """±√(3/fan_in): He's deviation times √1.5."""
        size = {layer.name: math.sqrt(3 / layer.fan_in) for layer in ticket.layers}
        return with_size(ticket, size, ticket.initial.values)


def signed(scores: Tensor, k: int) -> Tensor:
    """The sign of the k largest |scores| and 0 for the others, with the gradient of `scores`."""
    return largest(scores, k) * scores.detach().sign() + (scores - scores.detach())
