"""Claims about times that some seeds never reached: what is known of their order, seed by seed.

Boards and comparisons judge such rows by the sign test over `censored.signs`. Claims use the same
signs, of one side against the other moved to the end of what the claim accepts: of "at most 0.8
times as long" the side named first is held against 0.8 times each of the other's values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from lth_bench.analysis.censored import signs
from lth_bench.analysis.samples import Sample
from lth_bench.suite.spec import Claim

Ends = tuple[tuple[int, ...], ...]
"""For each end of what a claim accepts, by seed: +1 where the seed is on the accepted side of it,
−1 where it is on the other, 0 where that is not known."""

MeanIs = Literal["mean", "lower bound", "upper bound", "no bound"]


def ends_met(claim: Claim, of: Sequence[Sample], versus: Sequence[Sample]) -> Ends | None:
    """On which side of each end the common seeds are; None where no value is a budget.

    `versus` is empty where the claim is about the value itself, which is then held against the
    end. The samples are those of the claim's densities, in the same order or a single dense one.
    """
    others = versus or [replace(sample, censored=frozenset()) for sample in of]
    if len(others) != len(of):  # one dense run beside several densities
        longest = max(len(of), len(others))
        of, others = (_repeated(side, longest) for side in (of, others))
    if signs(of, others) is None:
        return None
    low, high = claim.accepted
    found: list[tuple[int, ...]] = []
    for end, sense in ((low, -1), (high, 1)):
        if math.isinf(end):
            continue  # every value is on this side of it
        ordered = signs(of, list(_moved(claim, others, end)))
        found.append(tuple(sense * sign for sign in ordered or ()))
    return tuple(found)


def met(ends: Ends) -> tuple[int, ...]:
    """By seed: +1 where every end is met, −1 where one is not, otherwise 0."""
    return tuple(min(seed) for seed in zip(*ends, strict=True))


def mean_is(of: Sequence[Sample], versus: Sequence[Sample], seeds: Sequence[int]) -> MeanIs:
    """What a claim's mean within the budget is, over these seeds: the value or the difference of
    the true mean where none was cut off, and no bound of it where some were on both sides.
    """
    cut, cut_versus = (
        any(seed in sample.censored for sample in side for seed in seeds) for side in (of, versus)
    )
    if cut:
        return "no bound" if cut_versus else "lower bound"
    return "upper bound" if cut_versus else "mean"


def _repeated(side: Sequence[Sample], times: int) -> Sequence[Sample]:
    return [side[0]] * times if len(side) == 1 else side


def _moved(claim: Claim, others: Sequence[Sample], end: float) -> Iterator[Sample]:
    """The other side, so that the named one is earlier where its number is below the end."""
    moves: dict[str, Callable[[float], float]] = {
        "value": lambda _: end,
        "difference": lambda x: x + end,
        "ratio": lambda x: x * end,
    }
    move = moves[claim.compare]
    for sample in others:
        yield replace(sample, values={seed: move(x) for seed, x in sample.values.items()})
