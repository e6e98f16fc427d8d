"""Paired differences: the same seeds under two treatments.

A seed fixes initial values and data order for every strategy, so much of the spread between
seeds is common to both and falls out of the difference.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Literal, TypeVar

from lth_bench.stats.interval import Interval, bootstrap_interval
from lth_bench.stats.summary import Summary

Key = TypeVar("Key", bound=Hashable)

Method = Literal["t", "bootstrap"]


def differences(a: Mapping[Key, float], b: Mapping[Key, float]) -> dict[Key, float]:
    """a − b at every key (such as a seed) that both have, in a's order."""
    return {key: value - b[key] for key, value in a.items() if key in b}


def paired_interval(
    a: Mapping[Key, float],
    b: Mapping[Key, float],
    level: float = 0.95,
    method: Method = "t",
    step: float = 0.0,
) -> Interval:
    """Mean difference a − b over the common keys, with its t-interval or its bootstrap interval.

    `step` is that of `Summary.floored`, for the t-interval. The bootstrap is far too narrow below
    some 20 keys: see `bootstrap_interval`. ValueError where no key is common.
    """
    if method not in ("t", "bootstrap"):
        raise ValueError(f"an interval's method is 't' or 'bootstrap', but got {method!r}")
    common = differences(a, b)
    if not common:
        raise ValueError(f"no common seed: one side has {list(a)}, the other {list(b)}")
    if method == "bootstrap":
        return bootstrap_interval(common.values(), level)
    return Summary.of(common.values()).floored(step).interval(level)
