"""One line of a comparison: B − A at one density of a task, or averaged over its densities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lth_bench.analysis.answers import of_pairs
from lth_bench.analysis.censored import signs
from lth_bench.analysis.compare.adaptive import adaptive
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
from lth_bench.stats.sequential import OVER_LOOKS
from lth_bench.stats.verdict import short_outlook


@dataclass(frozen=True)
class Options:
    """Metric, equivalence margin and kind of interval."""

    measure: Measure
    margin: float | None = None
    """Absolute for metrics that are fractions, relative to A's mean for others; None: the
    metric's default."""
    interval: Method = "t"
    """How the shown 95% interval is computed. Verdicts always use the t-test."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """B compared with A, over the seeds that both have. Values are in the metric's own unit;
    accuracies are fractions in [0, 1].
    """

    group: PairGroup
    density: float | None
    """Target density, in (0, 1]; None: each seed's mean over the densities."""
    a: float | None
    """Mean of A over the common seeds; None where there are none."""
    b: float | None
    """Likewise for B."""
    interval: Interval | None
    """Mean of B − A with its 95% interval; None where there are no common seeds."""
    wider: Interval | None
    """The same mean with its 95% interval for other test examples too; None where there is none."""
    verdict: Verdict
    lost_a: frozenset[int]
    """Seeds on which A failed or could not reach the density."""
    lost_b: frozenset[int]
    """Likewise for B."""
    unreached: bool
    """Whether no seed failed, so that all lost seeds could not reach the density."""

    @property
    def regressed(self) -> bool:
        """Whether B is worse, or lost a seed that A did not lose."""
        return self.verdict.kind == "worse" or bool(self.lost_b - self.lost_a)

    @property
    def short(self) -> str | None:
        """A shorter verdict for a narrow table, such as "open ~4–7", or "better <0.5": by less than
        the margin; None where there is none.
        """
        stop = self.verdict.stop
        if stop is not None and stop.why == "other metric" and self.verdict.kind == "open":
            return "open"
        if (
            stop is not None
            and stop.why != "other metric"
            and self.verdict.kind in ("better", "worse", "equivalent", "open")
        ):
            return f"{self.verdict.kind} {stop.at}/{stop.maximum}"
        if self.verdict.kind == "failed":
            did, of = "skipped" if self.unreached else "lost", self.verdict.planned
            return ", ".join(f"{side} {did} {len(lost)}/{of}" for side, lost in self._lost)
        if self.verdict.kind == "equivalent":
            return "equivalent"
        if self.verdict.kind in ("better", "worse") and self.verdict.within:
            size = (100 if self.verdict.unit == "points" else 1) * self.verdict.margin
            return f"{self.verdict.kind} <{size:{'.0f' if size >= 100 else '.3g'}}"
        if self.verdict.kind != "open":
            return None
        if self.verdict.signs is not None:
            return "open"
        return f"open {short_outlook(self.verdict.n, self.verdict.forecast)}"

    @property
    def text(self) -> str:
        """The verdict in words; if seeds were lost, how many on which side."""
        if self.verdict.kind != "failed":
            return self.verdict.text
        did = "cannot reach the density on" if self.unreached else "lost"
        of = f"of {self.verdict.planned} seeds"
        return "; ".join(f"{side} {did} {len(lost)} {of}" for side, lost in self._lost)

    @property
    def _lost(self) -> list[tuple[str, frozenset[int]]]:
        """The sides that lost seeds, and which."""
        return [(side, lost) for side, lost in (("A", self.lost_a), ("B", self.lost_b)) if lost]


def compare(group: PairGroup, options: Options) -> list[Comparison]:
    """One line per density, from dense to sparse; if several have common seeds, one more line over
    all of those.
    """
    found = [_line(group, density, [a], [b], options) for density, (a, b) in group.pairs.items()]
    common = [d for d, line in zip(group.pairs, found, strict=True) if line.interval is not None]
    if len(common) > 1:
        a, b = ([group.pairs[d][side] for d in common] for side in (0, 1))
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
    # the resolution of a mean over densities is finer by their number
    step = max(s.step for s in everything) / len(samples_a)
    summary = Summary.of(b[seed] - a[seed] for seed in seeds) if seeds else None
    order = signs(samples_b, samples_a)
    added = any(s.rule is not None for s in everything)
    verdict = judge(
        summary,
        options.measure.margin(options.margin, mean_a or 0.0),
        lost=len(lost_a | lost_b),
        planned=len(planned),
        step=step,
        higher=options.measure.higher,
        unit=options.measure.difference_unit,
        # where seeds were added until decided, of all looks together
        level=OVER_LOOKS if added and order is not None else 0.95,
        signs=order,
    )
    mean_b = _mean([b[seed] for seed in seeds]) if seeds else None
    interval = paired_interval(b, a, method=options.interval, step=step) if seeds else None
    wider = None
    if summary is not None:
        wider = of_pairs(summary.floored(step), samples_b, samples_a, seeds)
    found = adaptive(samples_a, samples_b, options.measure, options.margin)
    if found is not None and order is None:
        verdict, mean_a, mean_b = found
        if verdict.kind in ("insufficient", "failed") and lost_a | lost_b:
            # a density that a seed cannot reach is none that more seeds would tell of
            lost = len(lost_a | lost_b)
            verdict = replace(verdict, kind="failed", lost=lost, planned=len(planned))
        own = verdict.summary
        interval, wider = None if own is None else own.interval(verdict.level), None
    return Comparison(
        group=group,
        density=density,
        a=mean_a,
        b=mean_b,
        interval=interval,
        wider=wider,
        verdict=verdict,
        lost_a=lost_a,
        lost_b=lost_b,
        unreached=not any(s.lost for s in everything),
    )


def _values(samples: Sequence[Sample]) -> dict[int, float]:
    """Each seed's mean over the samples, for the seeds that have a value in all of them."""
    seeds = [seed for seed in samples[0].values if all(seed in s.values for s in samples)]
    return {seed: _mean([s.values[seed] for s in samples]) for seed in seeds}


def _lost(samples: Sequence[Sample]) -> frozenset[int]:
    return frozenset(seed for s in samples for seed in (*s.lost, *s.unreached))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


MIN_TASKS = 2
"""Number of tasks from which on they are also compared as a whole."""


def across(
    comparisons: Sequence[Sequence[Comparison]], measure: Measure
) -> dict[str, TasksVerdict]:
    """Signed-rank tests over the tasks' mean differences, by name of the group, with Holm's
    correction for the number of names. Names with fewer than `MIN_TASKS` tasks are left out, and so
    are those with a task in which a time was never reached: how large its difference is, which
    this test needs, is not known.

    `comparisons` is what `compare` returns for each group; its last line, over all densities,
    stands for the group.
    """
    differences: dict[str, dict[tuple[str, ...], float]] = {}
    censored: set[str] = set()
    for lines in comparisons:
        if not lines:
            continue
        overall = lines[-1]
        group = overall.group
        task = (group.suite, group.model, group.dataset, group.recipe)
        if overall.verdict.signs is not None:
            censored.add(group.name)
        difference = _difference(overall, measure)
        if difference is not None:
            differences.setdefault(group.name, {})[task] = difference
    several: Mapping[str, Mapping[tuple[str, ...], float]] = {
        name: found
        for name, found in differences.items()
        if len(found) >= MIN_TASKS and name not in censored
    }
    return judge_tasks(several, higher=measure.higher) if several else {}


def _difference(line: Comparison, measure: Measure) -> float | None:
    """The mean difference; infinite where one side lost a seed that the other has; None where
    there are no common seeds.
    """
    worst = -math.inf if measure.higher else math.inf
    if line.lost_b - line.lost_a:
        return worst
    if line.lost_a - line.lost_b:
        return -worst
    return None if line.interval is None else line.interval.mean
