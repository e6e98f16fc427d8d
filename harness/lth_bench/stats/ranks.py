"""Who is where in a field of methods."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

Label = TypeVar("Label", bound=Hashable)


def ranks(values: Mapping[Label, float | None], higher: bool = True) -> dict[Label, float]:
    """The place of each label, 1 the best; equal values share the mean of their places.

    None is a value that was lost, and worst. `higher` says whether larger values are better. As
    `scipy.stats.rankdata`, without its import of a second. ValueError for NaN.
    """
    good = {label: goodness(value, higher) for label, value in values.items()}
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(good.values(), reverse=True), 1):
        places.setdefault(value, []).append(place)
    return {label: (places[g][0] + places[g][-1]) / 2 for label, g in good.items()}


def goodness(value: float | None, higher: bool) -> float:
    """The value with such a sign that larger is better; −∞ for None. ValueError for NaN."""
    if value is None:
        return -math.inf
    if math.isnan(value):
        raise ValueError("a value to rank must be a number, but got nan")
    return value if higher else -value
