"""One line of a comparison: B against A at one density, or over all of a task's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lth_bench.analysis.compare.pairs import PairGroup
from lth_bench.analysis.measures import Measure
from lth_bench.analysis.samples import Sample
from lth_bench.stats import (
    Interval,
    Summary,
    TasksVerdict,
    Verdict,
    judge,
    judge_tasks,
    paired_interval,
)
from lth_bench.stats.paired import Method
from lth_bench.stats.verdict import short_outlook


@dataclass(frozen=True)
class Options:
    """How to compare."""

    measure: Measure
    margin: float | None = None
    """Absolute for fractions, relative to A's mean for all else; None: the default."""
    interval: Method = "t"
    """What the difference is shown with. Verdicts are of the t-test."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """B against A, from the seeds that both have."""

    group: PairGroup
    density: float | None
    """None: each seed's mean over the densities."""
    a: float | None
    """Mean of A over the common seeds; None where there are none."""
    b: float | None
    interval: Interval | None
    """Of B − A."""
    verdict: Verdict
    lost_a: frozenset[int]
    """Seeds that A failed on, or on which it cannot reach the density."""
    lost_b: frozenset[int]
    unreached: bool
    """Whether what was lost was lost because the density cannot be reached."""

    @property
    def regressed(self) -> bool:
        """Whether B is worse, or has lost a seed that A has not."""
        return self.verdict.kind == "worse" or bool(self.lost_b - self.lost_a)

    @property
    def short(self) -> str | None:
        """The verdict for a narrow table, where it has a shorter form: "open ~4–7"."""
        if self.verdict.kind != "open":
            return None
        return f"open {short_outlook(self.verdict.n, self.verdict.forecast)}"

    @property
    def text(self) -> str:
        """The verdict in words, and of a failure whose it is."""
        if self.verdict.kind != "failed":
            return self.verdict.text
        did = "cannot reach it on" if self.unreached else "lost"
        of = f"of {self.verdict.planned} seeds"
        sides = (("A", self.lost_a), ("B", self.lost_b))
        return "; ".join(f"{side} {did} {len(lost)} {of}" for side, lost in sides if lost)


def compare(group: PairGroup, options: Options) -> list[Comparison]:
    """A line a density; where there are several, one more over all that have common seeds."""
    found = [_line(group, density, [a], [b], options) for density, (a, b) in group.pairs.items()]
    told = [d for d, line in zip(group.pairs, found, strict=True) if line.interval is not None]
    if len(told) > 1:
        a, b = ([group.pairs[d][side] for d in told] for side in (0, 1))
        found.append(_line(group, None, a, b, options))
    return found


def _line(
    group: PairGroup,
    density: float | None,
    samples_a: Sequence[Sample],
    samples_b: Sequence[Sample],
    options: Options,
) -> Comparison:
    a, b = _values(samples_a), _values(samples_b)
    seeds = [seed for seed in a if seed in b]
    lost_a, lost_b = _lost(samples_a), _lost(samples_b)
    everything = [*samples_a, *samples_b]
    planned = {x for s in everything for x in (*s.values, *s.lost, *s.skipped, *s.missing)}
    mean_a = _mean([a[seed] for seed in seeds]) if seeds else None
    # a mean over densities moves by so much less
    step = max(s.step for s in everything) / len(samples_a)
    verdict = judge(
        Summary.of(b[seed] - a[seed] for seed in seeds) if seeds else None,
        options.measure.margin(options.margin, mean_a or 0.0),
        lost=len(lost_a | lost_b),
        planned=len(planned),
        step=step,
        higher=options.measure.higher,
        unit=options.measure.difference_unit,
    )
    return Comparison(
        group=group,
        density=density,
        a=mean_a,
        b=_mean([b[seed] for seed in seeds]) if seeds else None,
        interval=paired_interval(b, a, method=options.interval, step=step) if seeds else None,
        verdict=verdict,
        lost_a=lost_a,
        lost_b=lost_b,
        unreached=not any(s.lost for s in everything),
    )


def _values(samples: Sequence[Sample]) -> dict[int, float]:
    """Each seed's mean over the samples, of the seeds that have them all."""
    seeds = [seed for seed in samples[0].values if all(seed in s.values for s in samples)]
    return {seed: _mean([s.values[seed] for s in samples]) for seed in seeds}


def _lost(samples: Sequence[Sample]) -> frozenset[int]:
    return frozenset(seed for s in samples for seed in (*s.lost, *s.unreached))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


FEWEST = 2
"""Tasks from which there is a line across them."""


def across(
    comparisons: Sequence[Sequence[Comparison]], measure: Measure
) -> dict[str, TasksVerdict]:
    """By name of the group: signed-rank tests over the tasks' mean differences, corrected by Holm
    for the number of names. A group is told by its last line, which is over all its densities.
    """
    differences: dict[str, dict[tuple[str, ...], float]] = {}
    for lines in comparisons:
        if not lines:
            continue
        told = lines[-1]
        group = told.group
        task = (group.suite, group.model, group.dataset, group.recipe)
        difference = _difference(told, measure)
        if difference is not None:
            differences.setdefault(group.name, {})[task] = difference
    several: Mapping[str, Mapping[tuple[str, ...], float]] = {
        name: found for name, found in differences.items() if len(found) >= FEWEST
    }
    return judge_tasks(several, higher=measure.higher) if several else {}


def _difference(line: Comparison, measure: Measure) -> float | None:
    """The mean difference; infinite where one side lost a seed that the other has."""
    worst = -math.inf if measure.higher else math.inf
    if line.lost_b - line.lost_a:
        return worst
    if line.lost_a - line.lost_b:
        return -worst
    return None if line.interval is None else line.interval.mean
