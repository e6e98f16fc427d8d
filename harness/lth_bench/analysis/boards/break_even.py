"""From which density on a form of a ticket is faster than the dense network, and in which words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lth_bench.analysis.numbers import kept

NAMES = {"masked": "masked", "csr": "CSR", "shrunk": "shrunk", "2:4": "2:4"}
"""How people read the forms; the dense one is what they are compared with."""


class FormSpeed(NamedTuple):
    """A form at one density."""

    density: float
    speedup: float
    """Dense time over this form's."""
    faster: bool
    """Whether it was faster in three quarters of the rounds or more, for every seed."""


class BreakEven(NamedTuple):
    """Where a form becomes faster, going to sparser tickets."""

    from_density: float | None
    """The densest at which it is faster, as at every sparser one that was measured; None where
    there is none."""
    estimate: float | None
    """Where the speed-up crosses 1 between that density and the next denser one, on logarithmic
    scales; None where no denser one was measured."""


def break_even(speeds: Sequence[FormSpeed]) -> BreakEven:
    """Of one label's form. An isolated density at which it is faster, with slower ones below, does
    not count.
    """
    sparse_first = sorted(speeds)
    number = 0
    while number < len(sparse_first) and sparse_first[number].faster:
        number += 1
    if not number:
        return BreakEven(None, None)
    inner = sparse_first[number - 1]
    if number == len(sparse_first):
        return BreakEven(inner.density, None)
    outer = sparse_first[number]
    if outer.speedup >= 1:  # not faster beyond the spread, and not slower
        return BreakEven(inner.density, inner.density)
    share = math.log(inner.speedup) / math.log(inner.speedup / outer.speedup)
    estimate = inner.density * (outer.density / inner.density) ** share
    return BreakEven(inner.density, estimate)


def in_words(form: str, by_label: Mapping[str, Sequence[FormSpeed]]) -> str:
    """A sentence about a form that some labels have."""
    if form == "masked":
        return _masked([speed for speeds in by_label.values() for speed in speeds])
    told: dict[str, list[str]] = {}
    for label, speeds in by_label.items():
        told.setdefault(_of(break_even(speeds), speeds), []).append(label)
    parts = [f"{', '.join(labels)} {what}" for what, labels in told.items()]
    return f"{NAMES[form]}, against dense: {'; '.join(parts)}."


def _of(found: BreakEven, speeds: Sequence[FormSpeed]) -> str:
    least = min(speeds).density
    alone = len({speed.density for speed in speeds}) == 1
    only = f"at {kept(least)}%, the only density that was timed"
    if found.from_density is None:
        return (
            f"not faster {only}" if alone else f"not faster at any density, down to {kept(least)}%"
        )
    best = max(speed.speedup for speed in speeds if speed.density <= found.from_density)
    upto = f"up to {best:.3g} times"
    if alone:
        return f"faster {only}, {upto}"
    if found.estimate is None:
        return f"faster at every density, from {kept(found.from_density)}% down, {upto}"
    return (
        f"faster from {kept(found.from_density)}% down, {upto}; break-even at about "
        f"{kept(found.estimate)}%"
    )


def _masked(speeds: Sequence[FormSpeed]) -> str:
    """Where it was faster all the same, layers such as max pooling have met fewer large values."""
    why = "its zeros are multiplied like any other number"
    faster = [speed.speedup for speed in speeds if speed.faster]
    if not faster:
        return f"masked: never faster than dense; {why}."
    return (
        f"masked: {why}, so a mask alone makes nothing faster; the {len(faster)} of {len(speeds)} "
        f"rows that measured up to {max(faster):.3g} times faster owe it to layers whose time "
        f"depends on values, such as max pooling, or to noise."
    )
