"""A random mask at initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from lth_bench import Layers, Mask, Ticket, erk, hookimpl, uniform


@dataclass(frozen=True, eq=False)
class Random:
    """Random weights of each layer, trained from their initial values.

    The baseline that every method has to beat (ShrinkBench, Blalock et al., 2020). The places
    depend on the seed alone, so masks at lower densities lie within those at higher ones as far
    as the layers' counts do.
    """

    allocation: Literal["uniform", "erk"] = "uniform"
    """The same density in every layer, or Erdős–Rényi-kernel (Evci et al., 2020)."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        """Exactly the target's count, at random places."""
        allocate = erk if self.allocation == "erk" else uniform
        counts = allocate(ticket.layers, ticket.target_count)
        draws = ticket.stream("random mask")
        scores = Layers(
            {x.name: torch.rand(x.shape, generator=draws).to(ticket.device) for x in ticket.layers}
        )
        return Mask.top_k_per_layer(scores, counts)
