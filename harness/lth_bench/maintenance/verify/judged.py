"""Whether a rerun gave what a database says: the same bits, a likely value, or neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lth_bench.analysis.samples import Sample
from lth_bench.maintenance.verify.recorded import RecordedExperiment, Row, RowKey
from lth_bench.stats import foreseen, prediction_interval

Agreement = Literal["equal", "consistent", "different", "open"]
"""`equal`: every recorded value is the same, bit for bit. `consistent`: on other numerics, every
row's score lies in the prediction interval of that row's seeds, which is widened so that all rows
together are judged at `LEVEL`. `different`: neither. `open`: on other numerics, with a single seed,
so that no interval can be had."""

LEVEL = 0.95
"""Chance that all rows of an honest experiment on other numerics count as consistent, at least, if
a rerun differs from the record as much as a new seed would."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """One experiment, recorded and run again."""

    recorded: RecordedExperiment
    verdict: Agreement
    reason: str
    """In a sentence without a full stop; "" for `equal`."""
    rows: int
    equal_rows: int
    """Rows whose recorded values are all the same."""
    numerics: tuple[str, ...]
    """In what the numerics differ, such as `torch 2.14.0 → 2.15.0`."""
    worst: RowKey | None = None
    """The row whose score differs most; None where all scores are the same."""
    there: float | None = None
    """Its score as recorded."""
    here: float | None = None
    """Its score in the rerun."""
    low: float | None = None
    """The prediction interval of its seeds."""
    high: float | None = None
    n: int = 0
    """Seeds of it."""
    with_interval: int = 0
    """Rows with a score and a prediction interval of their own, if its values differ."""
    outside: int = 0
    """Of these, rows whose score lies outside of their own 95% interval: by chance 1 in 20."""


def judge_rerun(
    one: RecordedExperiment, again: RecordedExperiment, known: Mapping[tuple[Any, ...], Sample]
) -> Verified:
    """Compare a rerun with the record. `known` are the database's samples of the primary metric, as
    `by_cell` arranges them.
    """
    same = {place: _same(row, again.rows.get(place)) for place, row in one.rows.items()}
    draft = Verified(
        recorded=one,
        verdict="equal",
        reason="",
        rows=len(same),
        equal_rows=sum(same.values()),
        numerics=numerics_apart(one, again),
    )
    if not any(_says(row) for row in one.rows.values()):
        return replace(draft, verdict="different", reason="it is recorded without any value")
    if all(same.values()):
        return draft
    other = [place for place, equal in same.items() if not equal]
    for place in other:
        then = one.rows[place].status
        now = again.rows[place].status if place in again.rows else "missing"
        if then != now:
            reason = f"{_named(place)} is {then} there and {now} here"
            return replace(draft, verdict="different", reason=reason)
    scored = _by_scores(draft, again, known, other)
    if not draft.numerics:
        reason = f"other bits on the same numerics ({_what(one, again, other)})"
        return replace(scored, verdict="different", reason=reason)
    return scored


def _by_scores(
    draft: Verified,
    again: RecordedExperiment,
    known: Mapping[tuple[Any, ...], Sample],
    other: Sequence[RowKey],
) -> Verified:
    """Judge by the rows' scores, which lie where their seeds make them likely or not."""
    one = draft.recorded
    # An experiment has one verdict. At 95% a row, one of 14 rows would call half of all honest
    # experiments different (49% if rows were independent, and they share a seed), so that rows are
    # judged together (Bonferroni), and how many leave their own interval is said beside it.
    level = 1 - (1 - LEVEL) / len(one.rows)
    found = []
    own: list[bool] = []
    for place in other:
        there, here = one.rows[place].score, again.rows[place].score
        if there is None or here is None:
            continue
        sample = known.get(_cell(one, place))
        values = list(sample.values.values()) if sample is not None else []
        step = sample.step if sample is not None else 0.0
        interval = prediction_interval(values or [there], level=level, step=step)
        found.append((foreseen(interval, here), place, there, here, interval))
        alone = foreseen(prediction_interval(values or [there], level=LEVEL, step=step), here)
        own += [] if alone is None else [alone]
    if not found:
        return replace(draft, verdict="different", reason=_what(one, again, other))
    # what lies outside first, then what no interval can be had of, then the largest difference
    order = {False: 0, None: 1, True: 2}
    found.sort(key=lambda x: (order[x[0]], -abs(x[2] - x[3])))
    inside, place, there, here, interval = found[0]
    told = replace(
        draft,
        worst=place,
        there=there,
        here=here,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        with_interval=len(own),
        outside=own.count(False),
    )
    if inside is None:
        return replace(told, verdict="open", reason="one seed gives no interval")
    if inside:
        reason = f"other numerics ({', '.join(draft.numerics)})"
        return replace(told, verdict="consistent", reason=reason)
    outside = sum(x[0] is False for x in found)
    reason = f"{outside} of {len(one.rows)} rows outside of what the seeds make likely"
    return replace(told, verdict="different", reason=reason)


def _same(row: Row, again: Row | None) -> bool:
    """Whether every value that is recorded is the same; what is not recorded differs from nothing.

    Values are compared as they are, not within a tolerance: this is about bits.
    """
    if again is None or row.status != again.status:
        return False
    return all(again.values.get(k) == v for k, v in row.values.items() if v is not None)


def _says(row: Row) -> bool:
    return row.status != "ok" or row.score is not None


def numerics_apart(one: RecordedExperiment, again: RecordedExperiment) -> tuple[str, ...]:
    """In what the numerics of two results differ. Of what is not recorded nothing can be said, so
    it differs too. Bits are demanded of CPUs alone: on a GPU they depend on how trainings were
    stacked, which is not recorded of an experiment.
    """
    from lth_bench.system.text import printable

    found = []
    for name, now in again.numerics.items():
        then = one.numerics.get(name)
        if then != now:
            said = "unknown" if then is None else printable(str(then)[:60])
            found.append(f"{name} {said} → {now}")
    if not found and again.numerics.get("device") != "cpu":
        found.append(f"perhaps the stacking on {again.numerics.get('device')}")
    return tuple(found)


def _what(one: RecordedExperiment, again: RecordedExperiment, other: Sequence[RowKey]) -> str:
    """The first value that differs."""
    place = other[0]
    then = one.rows[place].values
    now = again.rows[place].values
    name = next(k for k, v in then.items() if v is not None and now.get(k) != v)
    if isinstance(then[name], bytes):
        return f"{_named(place)}: {name} differ"
    return f"{_named(place)}: {name} {then[name]} there, {now.get(name)} here"


def _named(place: RowKey) -> str:
    density, control = place
    return f"density {density:g}" + ("" if control == "none" else f", {control}")


def _cell(one: RecordedExperiment, place: RowKey) -> tuple[Any, ...]:
    density, control = place
    source = "/".join(one.source)
    return (one.suite, "/".join(one.task), source, one.label, control, density)


def by_cell(samples: Sequence[Sample]) -> dict[tuple[Any, ...], Sample]:
    """The samples of the primary metric, by suite, task, source, label, control and density."""
    return {(s.suite, s.task, s.source, s.label, s.control, s.target_density): s for s in samples}
