"""What a metric is: its unit, which way is better, how it is written, what difference matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lth_bench.analysis.numbers import MINUS, count

POINTS_MARGIN = 0.005
"""Difference of two fractions that does not matter: half a percentage point."""
RELATIVE_MARGIN = 0.05
"""The same for all other metrics, as a fraction of what is compared with."""

Kind = Literal["fraction", "steps", "examples", "FLOPs", "s", ""]


@dataclass(frozen=True)
class Measure:
    """One metric."""

    name: str
    kind: Kind
    """Its unit; a fraction is told in percent and its differences in points."""
    higher: bool
    """Whether larger values are better."""
    known: bool = True
    """False where `higher` is only taken for granted, as for a plugin's metric."""

    @property
    def unit(self) -> str:
        """Of a difference: "points", "steps", …; "" for a plain number."""
        return "points" if self.kind == "fraction" else self.kind

    @property
    def heading(self) -> str:
        """Name with the unit of values, for a table: `test_accuracy in %`."""
        unit = "%" if self.kind == "fraction" else self.kind
        return f"{self.name} in {unit}" if unit else self.name

    def value(self, x: float) -> str:
        """A value, without its unit."""
        if self.kind == "fraction":
            return minus(f"{100 * x:.2f}")
        if self.kind in ("steps", "examples"):
            return count(x) if x >= 0 else minus(f"-{count(-x)}")
        if self.kind == "s" and abs(x) >= 10:
            return minus(f"{x:,.1f}")
        return minus(f"{x:.3g}" if self.kind else f"{x:.4g}")

    def difference(self, x: float) -> str:
        """A difference with its sign, without its unit."""
        return f"+{self.value(x)}" if x >= 0 else self.value(x)

    def margin(self, given: float | None, reference: float) -> float:
        """The margin in the unit of the values; `given` or the default.

        Of fractions it is absolute. Of everything else it is relative to `reference`, since half
        a step, or half a second, means nothing.
        """
        if self.kind == "fraction":
            return POINTS_MARGIN if given is None else given
        relative = RELATIVE_MARGIN if given is None else given
        return max(relative * abs(reference), 1e-12)  # a margin is above 0, whatever is compared

    def margin_words(self, given: float | None) -> str:
        """The margin for a legend: `0.5 points`, `5% of A's mean`."""
        if self.kind == "fraction":
            return f"{100 * (POINTS_MARGIN if given is None else given):.6g} points"
        return f"{100 * (RELATIVE_MARGIN if given is None else given):.6g}% of A's mean"


def measure(metric: str) -> Measure:
    """What is known of a metric, by its name: a column of `tickets_flat`, or a plugin's."""
    if metric.endswith("accuracy"):
        return Measure(metric, "fraction", True)
    if metric.endswith("density"):
        return Measure(metric, "fraction", False)
    if metric.endswith("loss"):
        return Measure(metric, "", False)
    if metric == "steps" or metric.endswith(("_step", "_steps")):
        return Measure(metric, "steps", False)
    if metric == "examples" or metric.endswith("_examples"):
        return Measure(metric, "examples", False)
    if "flops" in metric:
        return Measure(metric, "FLOPs", False)
    if metric.endswith("seconds"):
        return Measure(metric, "s", False)
    return Measure(metric, "", True, known=False)


def minus(text: str) -> str:
    """The number with a true minus sign; a hyphen in an exponent stays."""
    return f"{MINUS}{text[1:]}" if text.startswith("-") else text
