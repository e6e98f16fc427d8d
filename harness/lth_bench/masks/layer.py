"""What a mask knows about one prunable layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Kind = Literal["conv", "linear", "output"]


@dataclass(frozen=True)
class Layer:
    """A prunable layer: a convolution or linear module, by its weight.

    `name` is the module's name in the network, so `f"{name}.weight"` is its key in a state dict.
    `kind` is `output` for the layer that makes the logits, whatever its type. `shape` is the
    weight's: [out, in, *kernel].
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]

    @property
    def key(self) -> str:
        """The weight's name in a state dict."""
        return f"{self.name}.weight"

    @property
    def numel(self) -> int:
        """Number of weights, pruned ones included."""
        return math.prod(self.shape)

    @property
    def fan_in(self) -> int:
        """Weights that feed one output unit."""
        return math.prod(self.shape[1:])

    @property
    def fan_out(self) -> int:
        """Weights that leave one input unit."""
        return self.shape[0] * math.prod(self.shape[2:])
