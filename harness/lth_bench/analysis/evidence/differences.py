"""What a ticket loses without one of its ingredients, and what methods differ by from a baseline,
paired by seed, against density.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from lth_bench.analysis.answers import of_pairs
from lth_bench.analysis.evidence.subject import Place, Subject, Task
from lth_bench.analysis.samples import Sample, samples
from lth_bench.analysis.suite_order import UNKNOWN, suite_orders
from lth_bench.stats import Interval, Summary
from lth_bench.stats.paired import differences as paired
from lth_bench.stats.paired import paired_interval

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, kw_only=True)
class Contrast(Subject):
    """A control less its ticket, or a label less the suite's baseline; all tuples have one entry
    per density, from dense to sparse.
    """

    kind: Literal["control", "label"]
    to: str
    """What is subtracted."""
    x: tuple[float, ...]
    """Target densities of what is subtracted, in (0, 1]."""
    mean: tuple[float, ...]
    """Mean differences over the seeds that both have, in the unit of the metric."""
    high: tuple[float | None, ...]
    """Upper ends of the 95% t-intervals; None at one seed."""
    n: tuple[int, ...]
    """Number of seeds."""
    wide: tuple[float | None, ...] = ()
    """Upper ends of the intervals for other test examples too; None where there is none."""


def differences_of(
    con: DuckDBPyConnection, suites: Sequence[str] = (), metric: str = "score"
) -> dict[Place, list[Contrast]]:
    """By task, in a metric (`score`: each task's primary one): of every control, and of every label
    where the suite's baseline is another one than the dense run. A label that is not pruned is
    compared at every density. Transferred tickets are left out.
    """
    baseline = dict(con.execute("SELECT suite, baseline FROM suites").fetchall())
    orders = suite_orders(con, suites)
    found: dict[Place, list[Contrast]] = {}
    for (suite, task), group in groupby(
        (s for s in samples(con, metric=metric, suites=suites, answers=True) if s.source == s.task),
        key=lambda s: (s.suite, Task(s.model, s.dataset, s.recipe)),
    ):
        own = [s for s in group if s.values]
        own.sort(key=lambda s: orders.get(suite, UNKNOWN).of_label(s.label))
        lines = [*_of_controls(own), *_of_labels(own, baseline.get(suite, "dense"))]
        if lines:
            found[Place(suite, task)] = lines
    return found


def _of_controls(own: Sequence[Sample]) -> Iterable[Contrast]:
    tickets = [s for s in own if s.control == "none"]
    controls = sorted({s.control for s in own} - {"none"})
    labels = dict.fromkeys(s.label for s in own)
    there = {(s.label, s.control) for s in own}
    for name in [(label, c) for label in labels for c in controls if (label, c) in there]:
        those = [s for s in own if (s.label, s.control) == name]
        base = [s for s in tickets if s.label == name[0]]
        yield from _line("control", name[0], those, base)


def _of_labels(own: Sequence[Sample], baseline: str) -> Iterable[Contrast]:
    tickets = [s for s in own if s.control == "none"]
    base = [s for s in tickets if s.label == baseline and s.target_density < 1]
    for label in dict.fromkeys(s.label for s in tickets) if base else ():
        if label == baseline:
            continue
        yield from _line("label", baseline, [s for s in tickets if s.label == label], base)


def _line(
    kind: Literal["control", "label"], to: str, those: Sequence[Sample], base: Sequence[Sample]
) -> Iterable[Contrast]:
    at = {s.target_density: s for s in those}
    pairs = [
        (b, at.get(b.target_density, at.get(1.0)))
        for b in sorted(base, key=lambda b: -b.target_density)
    ]
    shared = [(a, b) for b, a in pairs if a is not None and paired(a.values, b.values)]
    if not shared:
        return
    intervals = [paired_interval(a.values, b.values, step=a.step) for a, b in shared]
    wider = [_wider(a, b) for a, b in shared]
    one = those[0]
    yield Contrast(
        strategy=one.strategy,
        label=one.label,
        control=one.control,
        source="",
        kind=kind,
        to=to,
        x=tuple(b.target_density for _, b in shared),
        mean=tuple(i.mean for i in intervals),
        high=tuple(i.high for i in intervals),
        n=tuple(i.n for i in intervals),
        wide=tuple(None if i is None else i.high for i in wider),
    )


def _wider(a: Sample, b: Sample) -> Interval | None:
    """The interval of a − b for other test examples too."""
    found = paired(a.values, b.values)
    return of_pairs(Summary.of(found.values()).floored(a.step), [a], [b], list(found))
