"""SynFlow: conserve the flow of synaptic strength, without looking at the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from lth_bench import (
    Layer,
    Layers,
    Mask,
    Range,
    TaskFacts,
    Ticket,
    count_at,
    exponential_density,
    gradients_of,
    hookimpl,
    prunable_weights,
)


@dataclass(frozen=True, eq=False)
class SynFlow:
    """Iterative synaptic flow pruning (Tanaka et al., 2020, algorithm 1).

    Every parameter and buffer is replaced by its magnitude, an input of ones flows through the
    network in eval mode, and R is the sum of the outputs. A weight's score is |θ · ∂R/∂θ|. In each
    of `rounds` rounds the highest scores of the whole network stay, ρ^((e+1)/rounds) of all
    weights after round e, and the scores are taken again. Weights that are gone stay gone; the
    survivors train from their initial values.

    No data, no labels, no gradient of a loss. In float64: R is a product over the layers, and in
    float32 the scores of a deep network overflow or vanish. The classifier is pruned too, biases
    and batch norm are not.

    Deviation: counts are exact, with ties to the earlier position, where the authors' code keeps
    what is above a threshold.

    Tokens are refused: there is no token of ones.
    """

    rounds: Annotated[int, Range(1, 10_000)] = 100
    """Rounds of scoring and pruning; with 1 the method loses whole layers as others do."""

    def check_task(self, task: TaskFacts) -> None:
        """ValueError if inputs are tokens."""
        if task.input_shape.kind == "tokens":
            raise ValueError(
                "SynFlow sends an input of ones through the network, and tokens, which number "
                "the entries of a vocabulary, have none; list the models of other tasks in the "
                "strategy's `models`, or leave it out"
            )

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """The survivors of `rounds` rounds, exactly the target's count."""
        net = positive(ticket.module(ticket.initial.values))
        ones = torch.ones(1, *ticket.input_shape, dtype=torch.float64, device=ticket.device)
        mask = ticket.mask
        for e in range(self.rounds):
            density = exponential_density(e + 1, self.rounds, ticket.target)
            k = min(mask.count, count_at(density, ticket.prunable))
            mask = Mask.top_k(self.scores(net, ticket.layers, mask, ones), k, within=mask)
        return mask

    def scores(
        self, net: nn.Module, layers: Sequence[Layer], mask: Mask, ones: torch.Tensor
    ) -> Layers:
        """Synaptic flow under the mask of the round before."""
        return synaptic_flow(net, layers, mask, ones)


def positive(module: nn.Module) -> nn.Module:
    """The module with every parameter and buffer replaced by its magnitude, float64, eval mode."""
    module = module.double().eval()
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.abs_()
    return module


def synaptic_flow(net: nn.Module, layers: Sequence[Layer], mask: Mask, ones: Tensor) -> Layers:
    """|θ · ∂R/∂θ| of every prunable weight, for R = Σ outputs under the mask; float64.

    `net` comes from `positive`; its pruned weights are set to zero, and so is their score. `ones`
    is the input [1, C, H, W].
    """
    mask.apply_(net.state_dict())
    weights = prunable_weights(net, layers)
    scores = weights * gradients_of(net(ones).sum(), weights)
    return abs(scores).map(Tensor.detach)
