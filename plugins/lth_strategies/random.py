"""A random mask at initialisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from lth_bench import Layer, Layers, Mask, Ticket, er, erk, hookimpl, smart_ratio, uniform

ALLOCATIONS: Mapping[str, Callable[[Sequence[Layer], int], dict[str, int]]] = {
    "uniform": uniform,
    "er": er,
    "erk": erk,
    "smart_ratio": smart_ratio,
    "smart_ratio_vgg": partial(smart_ratio, divided=True),
}


@dataclass(frozen=True, eq=False)
class Random:
    """Random weights of each layer, trained from their initial values.

    The baseline that every method must beat (ShrinkBench, Blalock et al., 2020); with smart ratios,
    the one that matches SNIP and GraSP (Su et al., 2020, "Sanity-checking pruning methods"). The
    random order depends on the seed alone, so masks of different densities are nested as far as the
    layers' counts allow.
    """

    allocation: Literal["uniform", "er", "erk", "smart_ratio", "smart_ratio_vgg"] = "uniform"
    """The same density in every layer; Erdős–Rényi densities without or with the kernel (Mocanu et
    al., 2018; Evci et al., 2020); or smart ratios, which fall from the first layer to the last, by
    the rule for ResNets or the one for VGGs."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Exactly the target's count, at random positions."""
        counts = ALLOCATIONS[self.allocation](ticket.layers, ticket.target_count)
        draws = ticket.stream("random mask")
        scores = Layers(
            {x.name: torch.rand(x.shape, generator=draws).to(ticket.device) for x in ticket.layers}
        )
        return Mask.top_k_per_layer(scores, counts)
