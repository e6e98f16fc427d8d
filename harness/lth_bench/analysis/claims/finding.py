"""A claim's verdict."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lth_bench.analysis.claims.evidence import SampleKey, cells_of, evidence
from lth_bench.analysis.claims.order import Ends, MeanIs, met
from lth_bench.analysis.measures import ACCURACY, Measure, measure, measured, primary_measures
from lth_bench.analysis.samples import Sample, rules_of, samples
from lth_bench.errors import UnknownName
from lth_bench.stats import Forecast, Interval, Summary, forecast, judge, wilson
from lth_bench.stats.predictive import inside_or_outside
from lth_bench.stats.sequential import LEVEL, LOOKS, OVER_LOOKS
from lth_bench.stats.verdict import LEAST, outlook, short_outlook
from lth_bench.store.metric import CHANCES
from lth_bench.suite.decide import Decide
from lth_bench.suite.spec import Claim

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


ClaimVerdict = Literal[
    "reproduced", "not reproduced", "open", "insufficient", "no data", "reported"
]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the results say of one claim."""

    claim: Claim
    kind: ClaimVerdict
    ours: Interval | None
    """Mean with its t-interval, in the claim's unit; None without data. Of a ratio, the
    geometric mean with the interval of its logarithm, so that which side is divided by which
    makes no difference; of a chance, the share of seeds with Wilson's.
    """
    n: int
    """Seeds it is made from."""
    planned: int
    forecast: Forecast | None = None
    """By how many seeds it is likely to be decided, where it is open."""
    signs: tuple[int, ...] | None = None
    """Where values are budgets, so that only the order of the seeds was judged: by seed +1 where it
    is as claimed, −1 where it is not, 0 where that is not known."""
    level: float = 0.95
    """Of the interval."""
    mean_is: MeanIs = "mean"
    """What the mean of `ours` is of the true mean: a bound of it where a side was cut off."""
    reason: str = ""
    """Why there are no data, which seeds were lost, or which values are lower bounds."""
    owed: bool = True
    """Whether a run could give the data that are not there."""
    measure: Measure = ACCURACY
    """The claim's metric."""

    @property
    def text(self) -> str:
        """In words: "open: settled by 4 seeds in 1 of 2 cases, by 7 in 4 of 5"."""
        if self.kind == "insufficient":
            return f"needs {LEAST}+"
        if self.kind == "open" and self.signs is None:
            return f"open: {outlook(self.n, self.forecast)}"
        return f"{self.kind}: {self.reason}" if self.reason else self.kind

    @property
    def short(self) -> str:
        """The verdict for a narrow table: "open ~4–7"."""
        if self.kind == "insufficient":
            return f"needs {LEAST}+"
        if self.kind == "open" and self.signs is None:
            return f"open {short_outlook(self.n, self.forecast)}"
        return self.kind


def findings(con: DuckDBPyConnection, suite: str, claims: Sequence[Claim]) -> list[Finding]:
    """Every claim held against the rows of the suite of exactly this name.

    So the rows of a smoke run, which are in the database as NAME-smoke, never count.
    """
    measures = _measures(con, suite, claims)
    claims = [
        dataclasses.replace(claim, metric=known.name)
        for claim, known in zip(claims, measures, strict=True)
    ]
    cells: dict[str, dict[SampleKey, Sample]] = {}
    for metric in dict.fromkeys(claim.metric for claim in claims):
        labels = _labels(claim for claim in claims if claim.metric == metric)
        try:
            cells[metric] = cells_of(samples(con, metric=metric, suites=[suite], labels=labels))
        except UnknownName:  # a plugin's metric, and no ticket of its strategy yet
            everything = cells_of(samples(con, suites=[suite], labels=labels))
            cells[metric] = {key: _without_values(sample) for key, sample in everything.items()}
    rule = rules_of(con).get(suite)
    return [
        dataclasses.replace(finding(claim, cells[claim.metric], rule), measure=known)
        for claim, known in zip(claims, measures, strict=True)
    ]


def _measures(con: DuckDBPyConnection, suite: str, claims: Sequence[Claim]) -> list[Measure]:
    """Each claim's metric; `score` is its task's primary one, accuracy where nothing is planned."""
    by_number = primary_measures(con)
    rows = con.execute("SELECT task, model, dataset, recipe FROM tasks WHERE suite = ?", [suite])
    primary = {tuple(names): by_number[task] for task, *names in rows.fetchall()}
    found = []
    for claim in claims:
        if claim.metric == "score":
            found.append(primary.get(claim.of.task, ACCURACY))
        else:
            try:
                found.append(measured(con, claim.metric))
            except UnknownName:  # a plugin's, and no ticket of its strategy yet
                found.append(measure(claim.metric))
    return found


def finding(claim: Claim, cells: dict[SampleKey, Sample], rule: Decide | None = None) -> Finding:
    """One claim's verdict from one suite's cells, by 95% intervals.

    A side that lost a seed, or that cannot reach a density, leaves its claim not reproduced:
    the seeds that are left are the ones on which it happened to work.

    Where seeds were added by a `rule` a claim holds at any stop: it is judged on the first seeds,
    as many as the last look that they suffice for, by the repeated interval of a look. Its 99.36%
    hold, over all looks together, with at least 95% for a t-interval of whatever the seeds give
    (`stats.spent_error`); a chance and an order of seeds, which are not t-tests, take the union
    bound over 14 looks. So each claim is wrong in at most 5% of cases, as a row is, and nothing is
    corrected for their number, as at a fixed number of seeds: Holm's correction of `p_over_looks`
    is for a statement that several hold together, which is made nowhere.
    """
    known = evidence(claim, cells)
    n, planned, reason = len(known.values), known.planned, "; ".join(known.losses)
    if not n:
        kind: ClaimVerdict = "not reproduced" if reason and claim.bound != "reported" else "no data"
        return Finding(
            claim=claim,
            kind=kind,
            ours=None,
            n=0,
            planned=planned,
            reason=reason or known.gap,
            owed=known.owed,
        )
    level, exact = (0.95, 0.95) if rule is None else (LEVEL, OVER_LOOKS)
    values = list(known.values.values())
    if rule is not None and known.ends is None and n >= LEAST:
        n = max(look for look in (*LOOKS, rule.max_seeds) if look <= n)
        values = [known.values[seed] for seed in sorted(known.values)[:n]]
    summary = Summary.of(values).floored(known.step)
    ratio = claim.compare == "ratio"
    ours = summary.interval(level)
    if claim.metric in CHANCES and known.is_share and n > 1:
        level = exact
        ours = wilson(round(math.fsum(values)), n, level)
    elif ratio:
        ours = Interval(math.exp(ours.mean), _exp(ours.low), _exp(ours.high), n)
    if claim.bound == "reported":
        reason = "; ".join(filter(None, (reason, known.censored)))
    found = Finding(
        claim=claim,
        kind="reported" if claim.bound == "reported" else "not reproduced",
        ours=ours,
        n=n,
        planned=planned,
        reason=reason,
        mean_is=known.mean_is,
        level=level,
    )
    if claim.bound == "reported" or reason:
        return found
    if known.ends is not None:
        return _by_order(found, summary, known.ends, known.censored, exact)
    low, high = claim.accepted
    accepted = (math.log(low) if low > 0 else -math.inf, math.log(high)) if ratio else (low, high)
    decision = decide(summary.interval(level) if ratio else ours, accepted)
    ahead = outlook_of(summary, accepted, level) if decision == "open" else None
    return dataclasses.replace(found, kind=decision, forecast=ahead)


def _by_order(found: Finding, summary: Summary, ends: Ends, censored: str, level: float) -> Finding:
    """Judged as boards and compare judge rows with budgets: by the sign test, at each end of what
    the claim accepts; within two ends, which would be equivalence, it is never reproduced.
    """
    kinds = [judge(summary, signs=signs, level=level).kind for signs in ends]
    decision: Decision = "open"
    if "insufficient" in kinds:
        decision = "insufficient"
    elif "worse" in kinds:
        decision = "not reproduced"
    elif kinds == ["better"]:
        decision = "reproduced"
    signs = met(ends)
    counted = (
        f"as claimed on {signs.count(1)} of {found.n} seeds, not on {signs.count(-1)} (sign test)"
    )
    reason = f"{counted}; {censored}" if censored else counted
    return dataclasses.replace(found, kind=decision, signs=signs, reason=reason)


def _labels(claims: Iterable[Claim]) -> list[str]:
    sides = [side for claim in claims for side in (claim.of, claim.versus) if side is not None]
    return sorted({side.label for side in sides})


def _without_values(sample: Sample) -> Sample:
    missing = sample.missing | sample.values.keys()
    return dataclasses.replace(sample, values={}, missing=missing)


def _exp(x: float | None) -> float | None:
    return None if x is None else math.exp(x)


Decision = Literal["reproduced", "not reproduced", "open", "insufficient"]


def decide(interval: Interval, accepted: tuple[float, float]) -> Decision:
    """What the interval of the true mean says of "the true mean lies within `accepted`".

    Reproduced where the whole interval lies within, its ends included; not reproduced where all
    of it lies outside; below three seeds insufficient, and otherwise open.
    """
    low, high = accepted
    if interval.low is None or interval.high is None or interval.n < LEAST:
        return "insufficient"
    if low <= interval.low and interval.high <= high:
        return "reproduced"
    if interval.high < low or high < interval.low:
        return "not reproduced"
    return "open"


def outlook_of(
    summary: Summary, accepted: tuple[float, float], level: float = 0.95
) -> Forecast | None:
    """By how many seeds the interval is likely to leave the threshold out, on either side.

    None below three seeds, and where there is no spread to predict from.
    """
    if summary.n < LEAST or not summary.deviation:
        return None
    return forecast(summary, inside_or_outside(*accepted, level))
