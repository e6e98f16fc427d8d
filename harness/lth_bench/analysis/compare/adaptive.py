"""A line of a comparison where seeds were added until decided: judged in the order of the seeds, at
the looks of the rule, since how many there are depends on what they showed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lth_bench.analysis.measures import Measure
from lth_bench.analysis.samples import Sample
from lth_bench.analysis.seed_pairs import SeedFate, fates_of, in_order, judged_in_order
from lth_bench.stats import Verdict, mean
from lth_bench.suite.decide import Decide

if TYPE_CHECKING:
    from lth_bench.analysis.seed_pairs import SeedFates


class AdaptiveLine(NamedTuple):
    """B against A at the last look."""

    verdict: Verdict
    a: float | None
    """Mean of A over the pairs of that look."""
    b: float | None


def adaptive(
    a: Sequence[Sample], b: Sequence[Sample], measure: Measure, margin: float | None
) -> AdaptiveLine | None:
    """B − A over these samples, one or one a density; None where the seeds of both sides were
    fixed, or are too few for a look.

    A seed that either side lost is lost. The rule is that of the side with more seeds at most.
    """
    rules = [s.rule for s in (*a, *b) if s.rule is not None]
    if not rules:
        return None
    rule = max(rules, key=lambda one: one.max_seeds)
    rule = Decide(margin=rule.margin if margin is None else margin, max_seeds=rule.max_seeds)
    mine, base = _together(b), _together(a)
    lost = {s for side in (mine, base) for s, fate in side.items() if fate == "lost"}
    mine |= dict.fromkeys(lost, "lost")
    base |= dict.fromkeys(lost, 0.0)  # what it is says nothing: the pair is lost
    pairs = in_order(mine, base, rule.max_seeds)
    step = max(s.step for s in (*a, *b)) / len(a)
    looks = list(judged_in_order(pairs, rule, measure, step))
    if not looks:
        return None
    n = looks[-1].n
    seeds = [s for s in sorted(mine) if _is_value(mine, s) and _is_value(base, s)][:n]
    return AdaptiveLine(
        looks[-1],
        *(mean(float(side[s]) for s in seeds) if seeds else None for side in (base, mine)),
    )


def _together(samples: Sequence[Sample]) -> dict[int, SeedFate]:
    """What each seed came to over several densities: its mean, or the worst of what it came to."""
    parts = [fates_of(sample) for sample in samples]
    found: dict[int, SeedFate] = {}
    for seed in parts[0]:
        fates = [part[seed] for part in parts if seed in part]
        if len(fates) < len(parts):
            continue
        for bad in ("lost", "skipped", "dropped"):
            if bad in fates:
                found[seed] = bad
                break
        else:
            found[seed] = mean(float(fate) for fate in fates)
    return found


def _is_value(fates: SeedFates, seed: int) -> bool:
    return not isinstance(fates.get(seed, "dropped"), str)
