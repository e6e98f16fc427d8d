"""A random mask at initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from lth_bench import Layers, Mask, Ticket, erk, hookimpl, uniform


@dataclass(frozen=True, eq=False)
class Random:
    """Random weights of each layer, trained from their initial values.

    The baseline that every method must beat (ShrinkBench, Blalock et al., 2020). The random order
    depends on the seed alone, so masks of different densities are nested as far as the layers'
    counts allow.
    """

    allocation: Literal["uniform", "erk"] = "uniform"
    """The same density in every layer, or Erdős–Rényi-kernel densities (Evci et al., 2020)."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Exactly the target's count, at random positions."""
        allocate = erk if self.allocation == "erk" else uniform
        counts = allocate(ticket.layers, ticket.target_count)
        draws = ticket.stream("random mask")
        scores = Layers(
            {x.name: torch.rand(x.shape, generator=draws).to(ticket.device) for x in ticket.layers}
        )
        return Mask.top_k_per_layer(scores, counts)
