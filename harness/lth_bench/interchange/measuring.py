"""`measure`: time the tickets of some results on this device, and record it beside them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.errors import NothingSelected, UnknownName, UserError
from lth_bench.interchange.saved_ticket import load_ticket
from lth_bench.interchange.timing import TimingOptions, require_options, time_ticket
from lth_bench.store import Paths, fold
from lth_bench.store.journal import Journal
from lth_bench.store.latencies import LatencyRecord
from lth_bench.store.reading import reading, to_stderr
from lth_bench.system.devices import choose, cores, cpu_name
from lth_bench.system.gpus import names

BATCH_SIZES = (1, 128)
"""Examples in a batch, unless the user says otherwise: one request, and many at once."""

SQL = """
    SELECT ticket_id, suite, model, dataset, label, strategy, target_density, seed
    FROM flat f
    WHERE status = 'ok' AND control = 'none' AND target_density < 1 AND {where}
    QUALIFY row_number() OVER (PARTITION BY cell ORDER BY seed) <= $n
    ORDER BY suite, model, dataset, recipe, target_density DESC, label, seed
"""


@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """Which tickets to time, and how."""

    results: Path
    selection: Selection = field(default_factory=Selection)
    """Suites, tasks and densities; controls are not timed, since their masks are the tickets'."""
    strategies: Sequence[str] = ()
    """Labels or strategies; none is all."""
    seeds: int = 1
    """Tickets of each label and density, the lowest seeds first."""
    device: str = "cpu"
    """As `--device` takes it; of several GPUs the first."""
    batch_sizes: Sequence[int] = BATCH_SIZES
    options: TimingOptions = field(default_factory=TimingOptions)
    again: bool = False
    """Whether to time what was timed before."""
    artifacts: Sequence[Path] = ()
    plugins: Sequence[Path] = ()
    no_plugins: bool = False


@dataclass(frozen=True, kw_only=True)
class MeasureReport:
    """What was done."""

    device: str
    measured: int
    """Tickets timed now."""
    known: int
    """Tickets left out, since they were timed before at these settings."""
    without_values: tuple[str, ...]
    """Why tickets could not be timed."""


def measure(request: MeasureRequest, tell: Callable[[str], None]) -> MeasureReport:
    """Time tickets at every batch size and append the records to the journal. `tell` gets a line
    for every ticket.

    UserError for settings that make no sense, NothingSelected where the filters leave no ticket,
    and UserError where no ticket's values are kept.
    """
    options = replace(request.options, device=choose(request.device).names[0])
    settings = [replace(options, batch_size=n) for n in dict.fromkeys(request.batch_sizes)]
    for one in settings:
        require_options(one, cores())
    if request.seeds < 1:
        raise UserError(f"--seeds must be at least 1 of each label, but got {request.seeds}")
    paths = Paths(request.results)
    paths.require()
    if not paths.journal.exists():
        raise UserError(
            f"{paths.results} has no journal beside it to record times in; measure results where "
            f"they were made, or merge them first: `lth-bench merge {paths.quoted} --results "
            f"NEW.duckdb`"
        )
    device = names()[0] if options.device != "cpu" else cpu_name()
    rows, known = _tickets(request, settings, device)
    failures: dict[str, str] = {}
    measured = 0
    if rows:
        with Journal(paths) as journal:
            for number, row in enumerate(rows, 1):
                try:
                    records = _records(request, settings, device, row["ticket_id"])
                except UserError as error:  # of the others there may be values
                    failures[row["ticket_id"]] = error.message
                    continue
                for record in records:
                    journal.append(record)
                measured += 1
                tell(f"{number}/{len(rows)} {_line(row, records)}")
    if failures and not measured:
        raise UserError(f"no ticket can be timed: {next(iter(failures.values()))}")
    fold(paths, patience=2.0)
    why = tuple(dict.fromkeys(failures.values()))
    return MeasureReport(device=device, measured=measured, known=known, without_values=why)


def _tickets(
    request: MeasureRequest, settings: Sequence[TimingOptions], device: str
) -> tuple[list[dict[str, Any]], int]:
    """What is to be timed, and how many tickets have been."""
    with reading(request.results, to_stderr) as con:
        scope = resolve(con, request.selection)
        where = scope.where("f", "tasks", "densities")
        found = con.execute(SQL.format(where=where), {**scope.parameters, "n": request.seeds})
        columns = [column[0] for column in found.description]
        rows = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
        labels = {name for row in rows for name in (row["label"], row["strategy"])}
        for name in request.strategies:
            if name not in labels:
                raise UnknownName("strategy", name, labels)
        if request.strategies:
            rows = [r for r in rows if {r["label"], r["strategy"]} & set(request.strategies)]
        timed = con.execute(
            "SELECT ticket_id, list(DISTINCT batch_size) FROM latencies "
            "WHERE device = ? AND threads = ? GROUP BY ticket_id",
            [device, settings[0].threads],
        ).fetchall()
    if not rows:
        raise NothingSelected(
            "there is no finished ticket to time with these filters; dense runs and controls are "
            "not timed on their own"
        )
    wanted = {one.batch_size for one in settings}
    done = {ticket for ticket, sizes in timed if wanted <= set(sizes) and not request.again}
    left = [row for row in rows if row["ticket_id"] not in done]
    return left, len(rows) - len(left)


def _records(
    request: MeasureRequest, settings: Sequence[TimingOptions], device: str, identity: str
) -> list[LatencyRecord]:
    import torch

    ticket = load_ticket(
        request.results,
        identity,
        artifacts=request.artifacts,
        plugins=request.plugins,
        no_plugins=request.no_plugins,
    )
    dtype = str(next(ticket.module().parameters()).dtype).removeprefix("torch.")
    return [
        {
            "record": "latency",
            "experiment_id": ticket.recipe["experiment_id"],
            "ticket_id": identity,
            "device": device,
            "host": socket.gethostname(),
            "torch": torch.__version__,
            "threads": one.threads,
            "batch_size": one.batch_size,
            "dtype": dtype,
            "clock": one.clock,
            "forms": time_ticket(ticket, one),
        }
        for one in settings
    ]


def _line(row: Mapping[str, Any], records: Sequence[LatencyRecord]) -> str:
    """`imp on mlp/digits, density 13%: batch 1: csr 0.8×; batch 128: csr 1.9×`."""
    told = []
    for record in records:
        speeds = [
            f"{form['form']} {form['speedup']:.2f}×"
            for form in record["forms"]
            if form["form"] != "dense" and form["reason"] is None
        ]
        told.append(f"batch {record['batch_size']}: {', '.join(speeds)}")
    where = f"{row['label']} on {row['model']}/{row['dataset']}"
    return f"{where}, density {row['target_density']:.4g}, seed {row['seed']}: {'; '.join(told)}"
