"""A number for each kind of prunable layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lth_bench.masks.layer import Kind
from lth_bench.params import Range


@dataclass(frozen=True)
class PerKind:
    """A fraction in [0, 1] for convolutions, hidden linear layers and the output layer.

    A suite writes a table, `{conv = 0.1, linear = 0.2, output = 0.1}`, or one number for all.
    """

    conv: Annotated[float, Range(0, 1)] = 0.2
    """Fraction for convolutional layers."""
    linear: Annotated[float, Range(0, 1)] = 0.2
    """Fraction for linear layers that are not the output."""
    output: Annotated[float, Range(0, 1)] = 0.2
    """Fraction for the layer that makes the logits."""

    @classmethod
    def of(cls, number: float) -> PerKind:
        """The same fraction for every kind."""
        return cls(number, number, number)

    def __getitem__(self, kind: Kind) -> float:
        return {"conv": self.conv, "linear": self.linear, "output": self.output}[kind]
