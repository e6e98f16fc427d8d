"""Paired differences: the same seeds under two treatments.

A seed fixes initial values and data order for every strategy, so much of the spread between
seeds is common to both and falls out of the difference.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from lth_bench.stats.interval import Interval, t_interval

Key = TypeVar("Key", bound=Hashable)


def differences(a: Mapping[Key, float], b: Mapping[Key, float]) -> dict[Key, float]:
    """a − b at every key (such as a seed) that both have, in a's order."""
    return {key: value - b[key] for key, value in a.items() if key in b}


def paired_interval(
    a: Mapping[Key, float], b: Mapping[Key, float], level: float = 0.95
) -> Interval:
    """Mean difference a − b over the common keys, with its t-interval.

    ValueError where no key is common.
    """
    common = differences(a, b)
    if not common:
        raise ValueError(f"no common seed: one side has {list(a)}, the other {list(b)}")
    return t_interval(common.values(), level)
