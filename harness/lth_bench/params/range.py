"""The interval a number must lie in."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included unless declared open; infinite where not given."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, number: float) -> bool:
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        return above and below

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{'>' if self.open_low else '>='} {self.low:g}"
        if self.low == -math.inf:
            return f"{'<' if self.open_high else '<='} {self.high:g}"
        opening, closing = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"{opening}{self.low:g}, {self.high:g}{closing}"

    @property
    def phrase(self) -> str:
        """For messages: `in [0, 1]` or `>= 1`."""
        return str(self) if math.inf in (self.high, -self.low) else f"in {self}"
