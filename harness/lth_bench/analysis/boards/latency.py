"""The board by measured speed: is a ticket faster on a device, in which form, and how large is it?

It ranks nothing: `lth-bench measure` fills the table `latencies`, and this shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.break_even import NAMES, FormSpeed, in_words
from lth_bench.analysis.boards.rows import LABEL, TASK, BoardRow, fetch, full_name
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.numbers import kept, ratio
from lth_bench.analysis.table import Board, Cell, Line, Table
from lth_bench.errors import NothingSelected, some_of
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SQL = """
    SELECT
        {task}, c.target_density, {label}, l.device, l.threads, l.batch_size, l.clock, l.form,
        count(l.median_seconds) AS n, min(l.repeats) AS repeats,
        avg(l.median_seconds) AS median_seconds,
        avg(l.seconds_low) AS seconds_low, avg(l.seconds_high) AS seconds_high,
        exp(avg(ln(l.speedup))) AS speedup,
        exp(avg(ln(l.speedup_low))) AS speedup_low, exp(avg(ln(l.speedup_high))) AS speedup_high,
        coalesce(bool_and(l.speedup_low > 1), false) AS faster,
        coalesce(bool_and(l.speedup_high < 1), false) AS slower,
        avg(l.bytes) AS bytes, max(l.peak_memory) AS peak_memory, any_value(l.reason) AS reason
    FROM latencies l
    JOIN flat f ON f.ticket_id = l.ticket_id AND f.status = 'ok' AND f.control = 'none'
    JOIN cells c ON c.cell = f.cell
    JOIN tasks t ON t.task = c.task
    WHERE {where}
    GROUP BY ALL
    ORDER BY t.suite, t.model, t.dataset, t.recipe, l.device, l.threads, l.batch_size, l.clock,
        c.target_density DESC, c.label, c.source_model, c.source_dataset, c.source_recipe, l.form
"""

MOST_PLACES = 120
"""Characters of the tickets that a note names."""

LEGEND = (
    "Measured by `lth-bench measure`, side by side. dense: median time of a batch of the unpruned "
    "network. × masked, × CSR, × shrunk, × 2:4: times faster than dense, median over the rounds "
    "with quartiles; where three quarters of the rounds are above 1, it counts as faster. masked: "
    "zeros in dense tensors; CSR: only the kept weights of linear and convolution layers; shrunk: "
    "without the channels and neurons that have no effect; 2:4: a GPU's kernels for two weights in "
    "every four. kB: of the parameters, with the indices of CSR. n: seeds that were timed."
)


def board(con: DuckDBPyConnection, scope: BoardScope) -> Board:
    """Times and bytes of the tickets that were measured; NothingSelected where none was.

    A row for every task, device, threads, batch size, density, label and form. Seconds are medians
    of a batch, averaged over the seeds, `speedup` the geometric mean of the seeds' medians.
    """
    sql = SQL.format(task=TASK, label=LABEL, where=scope.where("f", "tasks", "densities"))
    given = {name: x for name, x in scope.parameters.items() if name != "controls"}
    rows = fetch(con, sql, given)  # controls are not measured
    if not rows:
        raise NothingSelected(
            f"no ticket of these has been measured; `lth-bench measure{scope.results_option}` "
            f"times them on this device"
        )
    keys = ("suite", "model", "dataset", "recipe", "device", "threads", "batch_size", "clock")
    tables = [
        _table(list(group)) for _, group in groupby(rows, key=lambda r: [r[key] for key in keys])
    ]
    return Board("leaderboard", rows, tables, LEGEND)


def _table(rows: Sequence[BoardRow]) -> Table:
    first = rows[0]
    forms = [form for form in NAMES if any(r["form"] == form and r["speedup"] for r in rows)]
    stored = [form for form in ("csr", "shrunk") if form in forms]
    header = (
        "density %", "strategy", "dense",
        *(f"× {NAMES[form]}" for form in forms), *(f"kB {NAMES[form]}" for form in stored), "n",
    )  # fmt: skip
    least = {header.index("n"), *(header.index(x) for x in ("× masked",) if x in header)}
    blocks = [
        [
            _line({row["form"]: row for row in tickets}, not number, forms, stored)
            for number, (_, tickets) in enumerate(groupby(block, key=full_name))
        ]
        for _, block in groupby(rows, key=lambda r: r["target_density"])
    ]
    on_gpu = any(row["peak_memory"] is not None for row in rows)
    threads = "" if on_gpu else f", {first['threads']} thread{'s' * (first['threads'] > 1)}"
    return Table(
        header=header,
        blocks=blocks,
        title=printable(
            f"{first['model']} · {first['dataset']} · {first['recipe']} · batch of "
            f"{first['batch_size']} on {first['device']}{threads}"
        ),
        group=first["suite"],
        left=frozenset({1}),
        notes=tuple(_notes(rows, forms)),
        optional=frozenset(least),
        about=tuple(first[key] for key in ("suite", "model", "dataset", "recipe")),
    )


def _line(
    by_form: dict[str, BoardRow], begins: bool, forms: Sequence[str], stored: Sequence[str]
) -> Line:
    dense = by_form["dense"]
    seconds = dense["median_seconds"]
    return (
        Cell(kept(dense["target_density"]) if begins else "", "strong"),
        Cell(full_name(dense)),
        Cell("–", "dim") if seconds is None else Cell(duration(seconds)),
        *(_speed(by_form.get(form)) for form in forms),
        *(Cell(_kilobytes(by_form.get(form))) for form in stored),
        Cell(str(max(row["n"] for row in by_form.values()))),
    )


def _speed(row: BoardRow | None) -> Cell:
    if row is None or row["speedup"] is None:
        return Cell("–", "dim")
    short = ratio(row["speedup"])
    text = f"{short} ({ratio(row['speedup_low'])}–{ratio(row['speedup_high'])})"
    return Cell(text, "good" if row["faster"] else "bad" if row["slower"] else "", short=short)


def _kilobytes(row: dict[str, Any] | None) -> str:
    return "–" if row is None or row["bytes"] is None else f"{row['bytes'] / 1e3:,.0f}"


def duration(seconds: float) -> str:
    """A time with three digits: 41.2 µs, 1.06 ms."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def _notes(rows: Sequence[BoardRow], forms: Sequence[str]) -> list[str]:
    sizes = sorted({_kilobytes(row) for row in rows if row["form"] == "dense" and row["bytes"]})
    told = [f"dense: {' or '.join(sizes)} kB."] if sizes else []
    for form in forms:
        by_label: dict[str, list[FormSpeed]] = {}
        for row in rows:
            if row["form"] == form and row["speedup"]:
                speed = FormSpeed(row["target_density"], row["speedup"], row["faster"])
                by_label.setdefault(full_name(row), []).append(speed)
        told.append(printable(in_words(form, by_label)))
    for form in ("dense", *NAMES):
        told += _missing([row for row in rows if row["form"] == form])
    return told


def _missing(rows: Sequence[BoardRow]) -> list[str]:
    """Why a form was not timed, for all tickets or for some."""
    where: dict[str, list[str]] = {}
    for row in rows:
        if row["reason"]:
            some = "a seed of " if row["n"] else ""
            place = f"{some}{full_name(row)} at {kept(row['target_density'])}%"
            where.setdefault(row["reason"], []).append(place)
    everywhere = not any(row["n"] for row in rows)
    told = []
    for reason, places in where.items():
        of = "" if everywhere and len(where) == 1 else f" for {some_of(places, MOST_PLACES)}"
        name = NAMES.get(rows[0]["form"], rows[0]["form"])
        told.append(printable(f"{name}: not available{of}; {reason.rstrip('.')}."))
    return told
