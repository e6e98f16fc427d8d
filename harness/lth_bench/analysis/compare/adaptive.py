"""A line of a comparison where seeds were added until decided: judged in the order of the seeds, at
the looks of the rule, since how many there are depends on what they showed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from lth_bench.analysis.measures import Measure
from lth_bench.analysis.samples import Sample
from lth_bench.analysis.seed_pairs import SeedFate, fates_of, in_order, verdict_in_order
from lth_bench.stats import Verdict, mean
from lth_bench.suite.decide import Decide


class AdaptiveLine(NamedTuple):
    """B against A at the last look, or so far before the first."""

    verdict: Verdict
    a: float | None
    """Mean of A over the pairs of that look; None without any."""
    b: float | None


def adaptive(
    a: Sequence[Sample], b: Sequence[Sample], measure: Measure, margin: float | None
) -> AdaptiveLine | None:
    """B − A over these samples, one or one a density; None where the seeds of both sides were
    fixed. Before the first look the verdict is insufficient, however many seeds both have.

    A seed that either side lost is lost. The rule is that of the side with more seeds at most.
    A density that B cannot reach ends the comparison (`stop` skipped).
    """
    rule = rule_of((*a, *b), margin)
    if rule is None:
        return None
    mine, base = _together(b), _together(a)
    lost = {s for side in (mine, base) for s, fate in side.items() if fate == "lost"}
    mine |= dict.fromkeys(lost, "lost")
    base |= dict.fromkeys(lost, 0.0)  # what it is says nothing: the pair is lost
    pairs = in_order(mine, base, rule.max_seeds)
    step = max(s.step for s in (*a, *b)) / len(a)
    decisive = all(s.decisive for s in (*a, *b))
    verdict = verdict_in_order(pairs, rule, measure, step, decisive=decisive)
    found = zip(pairs.seeds, pairs.differences, strict=True)
    seeds = [seed for seed, difference in found if difference is not None][: verdict.n]
    return AdaptiveLine(
        verdict,
        *(mean(float(side[s]) for s in seeds) if seeds else None for side in (base, mine)),
    )


def rule_of(samples: Sequence[Sample], margin: float | None) -> Decide | None:
    """The rule that samples are compared by, with the margin that was asked for, if one was, and
    without its own where it is made for another metric; None where the seeds of all were fixed.
    """
    rules = [s.rule for s in samples if s.rule is not None]
    if not rules:
        return None
    rule = max(rules, key=lambda one: one.max_seeds)
    if margin is None and all(s.decisive for s in samples):
        return rule
    return replace(rule, margin=margin)


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
