"""Floors on paper for one H200: what its arithmetic and its memory allow at best."""

from __future__ import annotations

import math
from dataclasses import dataclass

from training.floors import Product

FLOPS = {"bfloat16": 790e12, "float32": 67e12}
"""FLOP/s: dense bfloat16 as measured on an H200; float32 without tensor cores by its datasheet."""
BYTES = 4.3e12
"""Bytes/s of a copy in memory, read and written, as measured on an H200."""
PASSES = 7
"""Least passes over each layer's output: written and read by the layers, by normalisation and
activation, and by their gradients. Between 7 and 15, by how much is fused."""


@dataclass(frozen=True)
class PaperFloor:
    """Seconds of one member's step."""

    arithmetic: float
    parameters: float
    """Moving weights, gradients and the optimizer's state."""
    activations: float
    """Moving the layers' outputs."""

    @property
    def memory(self) -> float:
        """All that is moved."""
        return self.parameters + self.activations

    @property
    def seconds(self) -> float:
        """The larger of arithmetic and memory."""
        return max(self.arithmetic, self.memory)


def paper_floor(found: list[Product], dtype: str, optimizer: str) -> PaperFloor:
    """From a step's products, the precision of the products and the optimizer.

    Parameters and optimizer state are float32: the weights are read by both passes and updated,
    the gradient is written and read, and each of the optimizer's moments is read and written.
    """
    width = 2 if dtype == "bfloat16" else 4
    weights = sum(math.prod(p.weight) for p in found)
    outputs = sum(math.prod(p.output) for p in found)
    moments = 2 if optimizer.startswith("adam") else 1
    state = 4 * weights * (2 + 2 + 2 + 2 * moments)
    # small networks keep their activations in the cache
    activations = width * outputs * PASSES if any(len(p.weight) == 4 for p in found) else 0
    arithmetic = sum(p.flops for p in found) / FLOPS[dtype]
    return PaperFloor(arithmetic, state / BYTES, activations / BYTES)
