"""A verification as a table and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lth_bench.analysis.table import Board, Cell, Line, Style, Table
from lth_bench.maintenance.verify.judged import LEVEL, Verified
from lth_bench.maintenance.verify.recorded import RecordedExperiment
from lth_bench.maintenance.verify.verify import Verification
from lth_bench.system.text import printable

STYLES: dict[str, Style] = {
    "equal": "good", "consistent": "", "different": "bad", "open": "warn", "failed": "bad",
}  # fmt: skip
LEGEND = (
    "equal: every recorded value again, bit for bit, masks included. consistent: on other "
    "numerics, each row's score in the prediction interval of that row's seeds (t · s · "
    f"√(1 + 1/n), widened so that all rows of an experiment hold together at {LEVEL:.0%}, as "
    "shown). different: neither, or other bits on the same "
    "numerics. open: one seed gives no interval. Shown is the row that differs most."
)


LONGEST = 40
"""Columns of an experiment's name where the table is too wide."""


def verification_board(found: Verification) -> Board:
    """The experiments that were run again, a line each and a table for each task, and what is to be
    said of them all.
    """
    lines: dict[tuple[str, ...], list[Line]] = {}
    for one in found.judged:
        lines.setdefault(_place(one.recorded), []).append(_line(one))
    for failed, _ in found.failed:
        rest = (*(Cell("–"),) * 4, Cell("failed", STYLES["failed"]))
        lines.setdefault(_place(failed), []).append((_name(failed), *rest))
    if not lines:  # interrupted before any
        lines[()] = []
    tables = [
        Table(
            header=("experiment", "equal rows", "there", "here", "seeds allow", "verdict"),
            blocks=[lines[place]],
            title=printable(f"{place[0]}: {' · '.join(place[1:])}" if place else ""),
            group=printable(str(found.database)),
            left=frozenset({0, 5}),
            optional=frozenset({1, 4}),
        )
        for place in lines
    ]
    notes = tuple(printable(note) for note in (*_reasons(found), *_notes(found)))
    tables[-1] = replace(tables[-1], notes=notes)
    return Board("experiments", found.as_json()["experiments"], tables, LEGEND)


def _place(one: RecordedExperiment) -> tuple[str, ...]:
    return (one.suite, *one.task)


def _name(one: RecordedExperiment) -> Cell:
    text = printable(one.name_in_task)
    return Cell(text, short=text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def _line(one: Verified) -> Line:
    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.6g}"

    interval = "–" if one.low is None else f"{number(one.low)} to {number(one.high)}"
    return (
        _name(one.recorded),
        Cell(f"{one.equal_rows}/{one.rows}"),
        Cell(number(one.there)),
        Cell(number(one.here)),
        Cell(interval),
        Cell(one.verdict, STYLES[one.verdict]),
    )


def _reasons(found: Verification) -> Iterator[str]:
    """Why experiments have their verdicts; those with the same reason in one sentence."""
    names: dict[tuple[str, str], list[str]] = {}
    for one in found.judged:
        if one.reason:
            names.setdefault((one.verdict, one.reason), []).append(one.recorded.name)
    for failed, why in found.failed:
        names.setdefault(("failed", why), []).append(failed.name)
    for (verdict, why), who in names.items():
        more = f" and {len(who) - 1} more" if len(who) > 1 else ""
        yield f"{verdict}: {who[0]}{more}: {why}."


def _notes(found: Verification) -> Iterator[str]:
    count = len(found.judged) + len(found.failed)
    told = ", ".join(f"{n} {kind}" for kind, n in found.counts.most_common())
    failed = f", {len(found.failed)} failed" if found.failed else ""
    yield (
        f"{count} of {found.repeatable} experiments that can be run again here, chosen with --seed "
        f"{found.seed}: {told or 'none compared'}{failed}."
    )
    rows = sum(one.with_interval for one in found.judged)
    if rows:
        outside = sum(one.outside for one in found.judged)
        chance = (1 - LEVEL) * rows
        yield (
            f"{outside} of {rows} rows with other values lie outside of their own {LEVEL:.0%} "
            f"prediction interval; by chance {chance:.1f} would."
        )
    reasons: dict[str, list[str]] = {}
    for one, why in found.refused:
        reasons.setdefault(why, []).append(one.name)
    for why, names in reasons.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"refused: {names[0]}{more}: {why}."
    if found.interrupted:
        yield "interrupted: the other experiments were not run."
    yield from found.notes
