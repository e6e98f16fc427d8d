"""What methods share that train scores of weights which never change."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from torch import Tensor

from lth_bench import (
    Change,
    Layer,
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
class FrozenWeights(ABC):
    """Scores of frozen weights. The last step fixes the mask instead of an update, so that the
    ticket is the network that was evaluated.
    """

    lr: Annotated[float, Range(0, math.inf, open_low=True), Tune(0.001, 1.0, log=True)] | None = (
        None
    )
    """Peak learning rate of the scores; the recipe's if not given."""

    dynamic = True  # the mask is known when the scores are trained

    @abstractmethod
    def gate(self, scores: Tensor, k: int) -> Tensor:
        """What a layer's weights are multiplied by, zero but for the `k` largest |scores|; with the
        scores' gradient.
        """

    @abstractmethod
    def bound(self, layer: Layer) -> float:
        """A layer's scores start uniform between ± this."""

    @abstractmethod
    def constants(self, ticket: Ticket, counts: Mapping[str, int]) -> dict[str, Tensor]:
        """What all parameters are frozen at; `counts` are the kept weights of each layer."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """All weights: which ones are used is decided in every forward pass."""
        return ticket.mask

    @hookimpl
    def train(self, ticket: Ticket) -> Trained:
        """Train the scores; the weights are constants."""
        counts = uniform(ticket.layers, ticket.target_count)
        frozen = self.constants(ticket, counts)
        draws = ticket.stream("scores of frozen weights")
        values = dict(ticket.initial.values)
        for layer in ticket.layers:
            scores = (torch.rand(layer.shape, generator=draws) * 2 - 1) * self.bound(layer)
            values[layer.key] = scores.to(values[layer.key])

        def weights_of(trainables: dict[str, Tensor], _: Mask) -> dict[str, Tensor]:
            used = {key: frozen[key] for key in trainables}
            for layer in ticket.layers:
                gate = self.gate(trainables[layer.key], counts[layer.name])
                used[layer.key] = frozen[layer.key] * gate
            return used

        def settle(view: StepView) -> Change | None:
            if view.step + 1 < view.end:
                return None
            scores = Layers({x.name: view.values[x.key].abs() for x in ticket.layers})
            return Change(mask=Mask.top_k_per_layer(scores, counts), replace_update=True)

        recipe = ticket.recipe if self.lr is None else replace(ticket.recipe, lr=self.lr)
        return ticket.fit(values, recipe=recipe, parametrize=weights_of, on_step=settle)


def with_size(
    ticket: Ticket, size: Mapping[str, float], values: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """`values` with every prunable weight ± its layer's `size`, of its own sign."""
    signed = {key: value.detach() for key, value in values.items()}
    for layer in ticket.layers:
        signed[layer.key] = signed[layer.key].sign() * size[layer.name]
    return signed


def largest(scores: Tensor, k: int) -> Tensor:
    """1 for the `k` largest |scores| of a layer and 0 for the others, in the scores' shape."""
    return top_k_flat(scores.detach().abs().flatten(), k).view_as(scores).to(scores)
