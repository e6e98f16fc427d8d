"""A verification as a table and sentences."""

from __future__ import annotations

from collections.abc import Iterator

from lth_bench.analysis.table import Board, Cell, Line, Style, Table
from lth_bench.maintenance.verify.judged import LEVEL, Verified
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


def verification_board(found: Verification) -> Board:
    """The experiments that were run again, a line each, and what is to be said of them all."""
    lines = [_line(one) for one in found.judged]
    lines += [
        (Cell(printable(one.name)), Cell("–"), Cell("–"), Cell("–"), Cell("–"),
         Cell("failed", STYLES["failed"]), Cell(printable(why)))
        for one, why in found.failed
    ]  # fmt: skip
    table = Table(
        header=("experiment", "equal rows", "there", "here", "seeds allow", "verdict", "why"),
        blocks=[lines],
        title=printable(str(found.database)),
        left=frozenset({0, 5, 6}),
        notes=tuple(printable(note) for note in _notes(found)),
        optional=frozenset({4}),
    )
    return Board("experiments", found.as_json()["experiments"], [table], LEGEND)


def _line(one: Verified) -> Line:
    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.6g}"

    interval = "–" if one.low is None else f"{number(one.low)} to {number(one.high)}"
    return (
        Cell(printable(one.recorded.name)),
        Cell(f"{one.equal_rows}/{one.rows}"),
        Cell(number(one.there)),
        Cell(number(one.here)),
        Cell(interval),
        Cell(one.verdict, STYLES[one.verdict]),
        Cell(printable(one.reason)),
    )


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
