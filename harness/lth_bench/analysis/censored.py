"""Times that some trainings never reach: their values are the budget, and say "later than this".

A mean over such values is the mean within the budget (the restricted mean of survival analysis), a
lower bound of the mean time; the differences of two methods are too small where either was cut off.
So pairs are then judged by their order alone, with the sign test, and never called equivalent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lth_bench.analysis.numbers import kept
from lth_bench.analysis.samples import Sample


def any_censored(samples: Sequence[Sample]) -> bool:
    """Whether a value of any sample is a budget instead of a time."""
    return any(s.censored for s in samples)


def signs(of: Sequence[Sample], versus: Sequence[Sample]) -> list[int] | None:
    """By common seed +1 where `of` is earlier, −1 where it is later, 0 where that is not known.

    The samples of either side are those of several densities, in the same order. None where no
    value is censored: then the values themselves can be compared.
    """
    if not any_censored([*of, *versus]):
        return None
    seeds = [s for s in of[0].values if all(s in x.values for x in (*of, *versus))]
    return [_of_seed(of, versus, seed) for seed in seeds]


def _of_seed(of: Sequence[Sample], versus: Sequence[Sample], seed: int) -> int:
    """Earlier at one density and later at none; or by the means, if none of them is a budget."""
    if any(seed in s.censored for s in (*of, *versus)):
        found = {_sign(a, b, seed) for a, b in zip(of, versus, strict=True)}
        return 0 if found >= {1, -1} else sum(found)
    a, b = (sum(s.values[seed] for s in side) for side in (of, versus))
    return (a < b) - (a > b)


def _sign(a: Sample, b: Sample, seed: int) -> int:
    x, y = a.values[seed], b.values[seed]
    if seed in a.censored:  # later than x
        return 0 if seed in b.censored or x < y else -1
    if seed in b.censored:
        return 1 if x <= y else 0
    return (x < y) - (x > y)


def told(sample: Sample) -> str:
    """`3 of 5 seeds`: how many got there within the budget."""
    return f"{len(sample.values) - len(sample.censored)} of {len(sample.values)} seeds"


def lower_bounds(cells: Iterable[Sample]) -> str:
    """Which cells' means are lower bounds, for a page or a figure; "" where none is."""
    lacking = [
        f"{s.name} at {kept(s.target_density)}% on {told(s)}" for s in cells if any_censored([s])
    ]
    if not lacking:
        return ""
    return (
        f"generalised within the budget: {'; '.join(lacking)}. Other seeds count with the budget, "
        f"so these means are lower bounds"
    )
