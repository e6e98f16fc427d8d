"""Why lines of a comparison have no interval for other test data, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from lth_bench.analysis.answers import (
    ADDED,
    NO_FRACTION,
    NOT_RECORDED,
    ONE_SEED,
    complete,
    not_recorded,
)
from lth_bench.analysis.compare.lines import Comparison
from lth_bench.analysis.measures import Measure
from lth_bench.store.metric import ON_TEST_EXAMPLES


def lacking_words(
    blocks: Sequence[Sequence[Comparison]], measure: Measure, shipped: bool
) -> list[str]:
    """What must be said of a task's lines where answers were not recorded; `shipped`: A is the
    reference results.
    """
    lines = [x for block in blocks for x in block if x.interval is not None and x.interval.n > 1]
    lacking = [x for x in lines if why_missing(x, measure) == NOT_RECORDED]
    if not lacking:
        return []
    sides = [side for i, side in enumerate("AB") if any(_lacks(x, i) for x in lacking)]
    return [f"{not_recorded(sides, every=len(lacking) == len(lines), shipped=shipped)}."]


def _lacks(x: Comparison, side: int) -> bool:
    """Whether answers are missing of side A (0) or B (1) of a line, at a seed that both have."""
    pairs = x.group.pairs
    return not all(
        complete([pair[side].answers.get(s) for s in {*pair[0].values} & {*pair[1].values}],
                 pair[side].examples)
        for pair in (pairs.values() if x.density is None else [pairs[x.density]])
    )  # fmt: skip


def why_missing(x: Comparison, measure: Measure) -> str | None:
    """Why a line has no interval for other test data."""
    if x.wider is not None or x.interval is None:
        return None
    if x.interval.n < 2:
        return ONE_SEED
    if x.verdict.stop is not None:
        return ADDED
    if measure.name not in ON_TEST_EXAMPLES:
        return NO_FRACTION.format(metric=measure.name)
    return NOT_RECORDED
