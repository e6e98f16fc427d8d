"""Between which places of a field each method could be."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import combinations
from typing import TypeVar

from lth_bench.stats.moments import require_fraction
from lth_bench.stats.paired import differences
from lth_bench.stats.significance import holm, paired_t
from lth_bench.stats.summary import Summary
from lth_bench.stats.verdict import LEAST

Label = TypeVar("Label", bound=Hashable)
Seed = TypeVar("Seed", bound=Hashable)


def rank_intervals(
    samples: Mapping[Label, Mapping[Seed, float | None]],
    level: float = 0.95,
    higher: bool = True,
    step: float = 0.0,
) -> dict[Label, tuple[int, int]]:
    """The best and the worst place that each label could truly have.

    From 1 + the number of labels shown to be better to k − the number shown to be worse, by paired
    t-tests over the common seeds with Holm's correction over all pairs: all intervals hold together
    with probability `level` (Mogstad et al., 2024). A pair with fewer than three common seeds is
    not tested. With the same seeds everywhere an interval contains the place of the label's mean.

    Args:
        samples: Each label's values by seed; None where it lost the seed, so that it is shown
            to be better than no other. A seed that is absent says nothing.
        level: In (0, 1).
        higher: Whether larger values are better.
        step: The smallest difference that the measurement can show: see `Summary.floored`.
    """
    require_fraction("level", level)
    ok = {label: {s: v for s, v in x.items() if v is not None} for label, x in samples.items()}
    whole = {label for label in samples if len(ok[label]) == len(samples[label])}
    found: dict[tuple[Label, Label], Summary] = {}
    for a, b in combinations(samples, 2):
        common = differences(ok[a], ok[b])
        if len(common) >= LEAST and (a in whole or b in whole):
            found[a, b] = Summary.of(common.values()).floored(step)
    above, below = dict.fromkeys(samples, 0), dict.fromkeys(samples, 0)
    for pair, p in holm({pair: paired_t(summary) for pair, summary in found.items()}).items():
        if p >= 1 - level:
            continue
        winner, loser = pair if (found[pair].mean > 0) == higher else pair[::-1]
        if winner in whole:
            above[loser] += 1
            below[winner] += 1
    return {label: (1 + above[label], len(samples) - below[label]) for label in samples}
