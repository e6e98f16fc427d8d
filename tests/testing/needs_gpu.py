"""A strategy whose module asks for a GPU while it is imported."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lth_bench import Mask, hookimpl

torch.cuda.init()


@dataclass(frozen=True, eq=False)
class AsksForAGpu:
    """Magnitudes of the dense run, in one step."""

    breaks = "importable", r"a GPU was asked for while the module was imported"

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.dense.trained.weights), ticket.target_count)
