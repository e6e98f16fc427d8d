"""Finds parameters by trial under which callbacks act within the tiny task's six steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

from lth_bench.errors import UserError
from lth_bench.params import Param, build, parameters
from lth_bench.params.types import unwrap

TRIES = 40
"""Maximum number of experiments tried, 0.1 s each."""


def suggestions(cls: type[Any], params: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Changes of numeric parameters, the smallest first: one parameter, then two, then three."""
    try:
        strategy = build(cls, params, cls.__qualname__)
        fields = parameters(cls)
    except UserError:
        return
    now = {p.name: getattr(strategy, p.name) for p in fields}
    candidates = [(p.name, value) for p in fields for value in _values(p, now[p.name])]
    tried = 0
    for size in (1, 2, 3):
        for chosen in combinations(candidates, size):
            change = dict(chosen)
            if len(change) < size or not _fits(cls, {**params, **change}):
                continue
            yield change
            tried += 1
            if tried == TRIES:
                return


def as_options(change: Mapping[str, object]) -> str:
    """`--set update_every=1 --set window=2`."""
    return " ".join(f"--set {name}={value}" for name, value in change.items())


def _values(param: Param, now: object) -> Iterable[object]:
    """Other values of a number that make things happen early: few steps, a small fraction."""
    bare, limits = unwrap(param.type)
    if bare not in (int, float) or isinstance(now, bool) or not isinstance(now, int | float):
        return ()
    low = limits.low if limits is not None else 0
    high = limits.high if limits is not None else float("inf")
    wanted: list[float] = [1, 2] if bare is int else [0.25, 1.0]
    found = [bare(min(max(x, low), high)) for x in wanted]
    return [x for x in dict.fromkeys(found) if x != now]


def _fits(cls: type[Any], params: Mapping[str, object]) -> bool:
    try:
        build(cls, params, cls.__qualname__)
    except UserError:
        return False
    return True
