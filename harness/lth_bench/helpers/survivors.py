"""What surviving weights start from: other signs, other magnitudes, each other's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lth_bench.masks import Layer
from lth_bench.ticket import Ticket
from lth_bench.training.randomness import generator
from lth_bench.training.state import State


def redrawn(ticket: Ticket) -> State:
    """New initial values of the ticket's seed, with which the control `reinit` trains."""
    return ticket.bench.initial(ticket.seed, purpose="reinit")


def with_signs_of(
    fresh: Mapping[str, Tensor], signs: Mapping[str, Tensor], layers: Sequence[Layer]
) -> dict[str, Tensor]:
    """`fresh` with every prunable weight's sign taken from `signs`, where that is not zero.

    Both are state dicts of the network that has these `layers`. A weight that is zero in `signs`
    keeps the sign that it has in `fresh`, and so do parameters that are not prunable.
    """
    values = dict(fresh)
    for layer in layers:
        own = signs[layer.key]
        signed = torch.copysign(fresh[layer.key], own)
        values[layer.key] = torch.where(own == 0, fresh[layer.key], signed)
    return values


def with_random_signs(
    values: Mapping[str, Tensor], layers: Sequence[Layer], seed: int
) -> dict[str, Tensor]:
    """The values with each prunable weight's sign drawn by a fair coin; a weight has the same coin
    at every density.
    """
    rng, signed = generator("random_signs", seed), dict(values)
    for layer in layers:
        coins = torch.randint(0, 2, layer.shape, generator=rng) * 2 - 1
        signed[layer.key] = values[layer.key].abs() * coins.to(values[layer.key])
    return signed


def orders_of(layers: Sequence[Layer], seed: int, draw: int = 0) -> dict[str, Tensor]:
    """By layer, the permutation [weights] of its weights with which the control `moved_values`
    moves mask and values. The same at every density; other values of `draw` give others.
    """
    rng = generator("moved_values", seed, draw)
    return {layer.name: torch.randperm(layer.numel, generator=rng) for layer in layers}


def permuted(weight: Tensor, order: Tensor) -> Tensor:
    """The weight, of any shape, with its entries in another order [weights]."""
    return weight.flatten()[order.to(weight.device)].view_as(weight)


def with_moved_weights(
    values: Mapping[str, Tensor], layers: Sequence[Layer], orders: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The state dict with every layer's weights in the order of `orders_of`."""
    moved = {layer.key: permuted(values[layer.key], orders[layer.name]) for layer in layers}
    return {**values, **moved}


def reshuffled(weight: Tensor, kept: Tensor, rng: torch.Generator) -> Tensor:
    """The weight with its surviving values permuted among their positions; `kept` has its shape,
    and `rng` is a CPU generator. Pruned weights stay as they are.

    Signs move with their values, so where the survivors of a layer have unequal numbers of
    positive and negative values, most keep the sign of their position by chance.
    """
    values = weight[kept]
    moved = weight.clone()
    moved[kept] = values[torch.randperm(len(values), generator=rng).to(values.device)]
    return moved


def signed_constant(weight: Tensor, rng: torch.Generator) -> Tensor:
    """± the weight's population standard deviation, in its shape, each sign a fair coin of the CPU
    generator `rng` (Zhou et al., 2019, section 3.1).
    """
    coins = torch.randint(0, 2, weight.shape, generator=rng) * 2 - 1
    return coins.to(weight) * weight.std(correction=0)
