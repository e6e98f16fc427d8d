"""One parameter that a study varies: a range of numbers or a choice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.errors import UserError
from lth_bench.params import show

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """The values of a parameter that trials may take, including the suite's own."""

    name: str
    """Dotted: `prune_rate.conv`, or `recipe.lr`."""
    kind: Literal["float", "int", "choice"]
    default: Any
    """The suite's own value, which trial 0 takes."""
    places: tuple[Path, ...]
    """Paths among the parameters that get the value; several where all kinds of layers share it."""
    of: Literal["strategy", "recipe", "density"] = "strategy"
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()

    def distribution(self) -> BaseDistribution:
        """The same for Optuna."""
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        if self.kind == "choice":
            return CategoricalDistribution(self.choices)
        if self.kind == "int":
            return IntDistribution(int(self.low), int(self.high), self.log, int(self.step or 1))
        return FloatDistribution(self.low, self.high, self.log, self.step)

    @property
    def size(self) -> float:
        """Number of values; infinite for a continuous range."""
        if self.kind == "choice":
            return len(self.choices)
        if self.kind == "int":
            return (int(self.high) - int(self.low)) // int(self.step or 1) + 1
        return math.inf if self.step is None else (self.high - self.low) // self.step + 1

    def __str__(self) -> str:
        if self.kind == "choice":
            return f"one of {', '.join(map(show, self.choices))}"
        more = ", log" if self.log else f", step {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{more}"


def number(
    name: str,
    kind: Literal["float", "int"],
    default: float,
    places: tuple[Path, ...],
    *,
    low: float,
    high: float,
    log: bool = False,
    step: float | None = None,
    of: Literal["strategy", "recipe", "density"] = "strategy",
) -> Dimension:
    """A range of numbers, extended to the suite's own value where that lies outside.

    UserError where the range is empty, a logarithmic range includes 0, or the suite's own value is
    not on a step.
    """
    if kind == "int":
        low, high = math.ceil(low), math.floor(high)
    low, high = min(low, default), max(high, default)
    if not low < high:
        raise UserError(f"{name}: the range from {low:g} to {high:g} has only one value to try")
    if log and low <= 0:
        raise UserError(
            f"{name}: a range with log = true must be above 0, but it starts at {low:g}"
            + (", the suite's own value" if low == default else "")
        )
    if kind == "int" and step is not None and step != int(step):
        raise UserError(f"{name} is an integer, so its step must be one too, but got {step:g}")
    if step is not None:
        count = (default - low) / step
        if abs(count - round(count)) > 1e-8:
            raise UserError(
                f"{name}: trial 0 tries the suite's own value {default:g}, so it must be"
                f" {low:g} plus a multiple of the step {step:g}"
            )
        high = low + step * math.floor((high - low) / step + 1e-8)
        if not low < high:
            raise UserError(f"{name}: with a step of {step:g} the only value is {low:g}")
    return Dimension(
        name=name,
        kind=kind,
        default=default,
        places=places,
        of=of,
        low=low,
        high=high,
        log=log,
        step=step,
    )


def choice(
    name: str,
    default: Any,
    places: tuple[Path, ...],
    choices: tuple[Any, ...],
    of: Literal["strategy", "recipe", "density"] = "strategy",
) -> Dimension:
    """One of several values; the suite's own comes first where it is not listed."""
    own = () if any(_same(default, c) for c in choices) else (default,)
    found = (*own, *choices)
    if len(found) < 2:
        raise UserError(
            f"{name}: tuning needs at least two choices, but got {show(found[0])} alone"
        )
    return Dimension(name=name, kind="choice", default=default, places=places, of=of, choices=found)


def place(values: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The nested values with `value` at a path."""
    head, *rest = path
    if not rest:
        return {**values, head: value}
    within = values.get(head)
    return {**values, head: place(within if isinstance(within, Mapping) else {}, (*rest,), value)}


def _same(a: Any, b: Any) -> bool:
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
