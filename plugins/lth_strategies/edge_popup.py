"""Edge-popup: a subnetwork of random weights that is found by training scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from torch import Tensor

from lth_bench import (
    Change,
    Layers,
    Mask,
    Range,
    StepView,
    Ticket,
    Trained,
    Tune,
    hookimpl,
    top_k_flat,
    uniform,
)


@dataclass(frozen=True, eq=False)
class EdgePopup:
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
    lr: Annotated[float, Range(0, math.inf, open_low=True), Tune(0.001, 1.0, log=True)] | None = (
        None
    )
    """Peak learning rate of the scores; the recipe's if not given."""

    dynamic = True  # the mask is known when the scores are trained

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """All weights: which ones are used is decided in every forward pass."""
        return ticket.mask

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """Train the scores; the weights are constants."""
        counts = uniform(ticket.layers, ticket.target_count)
        frozen = self.constants(ticket, counts)
        draws = ticket.stream("edge-popup scores")
        values = dict(ticket.initial.values)
        for layer in ticket.layers:
            bound = 1 / math.sqrt(layer.fan_in)
            scores = (torch.rand(layer.shape, generator=draws) * 2 - 1) * bound
            values[layer.key] = scores.to(values[layer.key])

        def weights_of(trainables: dict[str, Tensor], _: Mask) -> dict[str, Tensor]:
            used = {key: frozen[key] for key in trainables}
            for layer in ticket.layers:
                gate = straight_through(trainables[layer.key], counts[layer.name])
                used[layer.key] = frozen[layer.key] * gate
            return used

        def settle(view: StepView) -> Change | None:
            if view.step + 1 < view.end:
                return None
            scores = Layers({x.name: view.values[x.key].abs() for x in ticket.layers})
            return Change(mask=Mask.top_k_per_layer(scores, counts), replace_update=True)

        recipe = ticket.recipe if self.lr is None else replace(ticket.recipe, lr=self.lr)
        return ticket.fit(values, recipe=recipe, parametrize=weights_of, on_step=settle)

    def constants(self, ticket: Ticket, counts: Mapping[str, int]) -> dict[str, Tensor]:
        """What all parameters are frozen at."""
        frozen = {key: value.detach() for key, value in ticket.initial.values.items()}
        if self.weights == "signed_constant":
            for layer in ticket.layers:
                kept = max(1, counts[layer.name]) / layer.numel
                size = math.sqrt(2 / (layer.fan_in * kept))
                frozen[layer.key] = frozen[layer.key].sign() * size
        return frozen


def straight_through(scores: Tensor, k: int) -> Tensor:
    """1 for the k largest |scores| and 0 for the others, with the gradient of |scores|."""
    size = scores.abs()
    kept = top_k_flat(size.detach().flatten(), k).view_as(scores).to(scores)
    return kept + size - size.detach()
