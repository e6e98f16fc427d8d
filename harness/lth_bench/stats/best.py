"""Which of several methods may be the best: those that the leader is not shown to beat."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from lth_bench.stats.paired import differences
from lth_bench.stats.significance import above_p, below_p
from lth_bench.stats.summary import Summary, require_fraction
from lth_bench.stats.verdict import LEAST

Label = TypeVar("Label", bound=Hashable)
Seed = TypeVar("Seed", bound=Hashable)


def may_be_best(
    samples: Mapping[Label, Mapping[Seed, float | None]],
    leader: Label,
    *,
    level: float = 0.95,
    higher: bool = True,
    step: float = 0.0,
) -> set[Label]:
    """The leader, and every label that it is not shown to beat.

    One one-sided paired t-test per label against the leader, each at (1 − level) / (k − 1) for k
    labels: the truly best label is then among those returned with probability `level` at least,
    although the leader was chosen by these same values (multiple comparisons with the best, Hsu,
    1984, by Bonferroni). With k − 1 tests it tells more apart than rank intervals, which test all
    k(k − 1)/2 pairs. Labels with fewer than three seeds in common with the leader stay.

    Args:
        samples: Each label's values by seed; None where it lost the seed. A leader that lost one is
            shown to beat no other. A seed that is absent says nothing.
        leader: One of the labels, the one of the best mean.
        level: In (0, 1).
        higher: Whether larger values are better.
        step: The smallest difference that the measurement can show: see `Summary.floored`.
    """
    require_fraction("level", level)
    if None in samples[leader].values():
        return set(samples)
    best = {seed: value for seed, value in samples[leader].items() if value is not None}
    worse = below_p if not higher else above_p
    alpha = (1 - level) / max(1, len(samples) - 1)
    found = {leader}
    for label, sample in samples.items():
        ahead = differences(best, {s: value for s, value in sample.items() if value is not None})
        if len(ahead) < LEAST or worse(Summary.of(ahead.values()).floored(step)) >= alpha:
            found.add(label)
    return found
