"""`measure`: time the tickets of some results on this device, and record it beside them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.errors import NothingSelected, UnknownName, UserError, describe_error
from lth_bench.interchange.saved_ticket import SavedTicket, load_ticket
from lth_bench.interchange.timing import (
    Tell,
    TimingOptions,
    not_available,
    require_options,
    time_ticket,
)
from lth_bench.interchange.watched import Doing, Watched, unwatched
from lth_bench.store import Paths, fold
from lth_bench.store.journal import Journal
from lth_bench.store.latencies import FormTime, LatencyRecord
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
    left: int
    """Tickets that were not reached, since Ctrl-C ended it; 0 otherwise."""


def measure(
    request: MeasureRequest, tell: Callable[[str], None], now: Callable[[Doing], None] = unwatched
) -> MeasureReport:
    """Time tickets at every batch size and append the records to the journal. `tell` gets a line
    for every ticket, `now` what is being done. Ctrl-C ends it; what is measured is kept.

    UserError for settings that make no sense, NothingSelected where the filters leave no ticket,
    and UserError where none of the tickets can be timed.
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
    todo, known = _tickets(request, settings, device)
    ended: list[Sequence[str]] = []
    watched = Watched([[s.batch_size for s in one.settings] for one in todo], now)
    if todo:
        with Journal(paths) as journal, suppress(KeyboardInterrupt):
            for ticket in todo:
                found = _timed(request, ticket, device, journal=journal, watched=watched)
                watched.end()
                if found.records:
                    tell(f"{watched.number}/{len(todo)} {_line(ticket.row, found.records)}")
                ended.append(found.failure)
    fold(paths, patience=2.0)  # after Ctrl-C too
    failures = [why for failure in ended for why in failure]
    measured = len(ended) - len(failures)
    some_before = known or any(len(one.settings) < len(settings) for one in todo)
    if failures and len(failures) == len(todo) and not some_before:
        raise UserError(f"no ticket can be timed: {failures[0]}")
    why = tuple(dict.fromkeys(failures))
    return MeasureReport(
        device=device,
        measured=measured,
        known=known,
        without_values=why,
        left=len(todo) - len(ended),
    )


class Todo(NamedTuple):
    """A ticket to be timed."""

    row: Mapping[str, Any]
    """As SQL finds it."""
    settings: Sequence[TimingOptions]
    """At which it has not been."""


def _tickets(
    request: MeasureRequest, settings: Sequence[TimingOptions], device: str
) -> tuple[list[Todo], int]:
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
            "WHERE device = ? AND threads = ? AND form = 'masked' AND median_seconds IS NOT NULL "
            "GROUP BY ticket_id",  # every ticket has this form, unless it failed
            [device, settings[0].threads],
        ).fetchall()
    if not rows:
        raise NothingSelected(
            "there is no finished ticket to time with these filters; dense runs and controls are "
            "not timed on their own"
        )
    done = {} if request.again else dict(timed)
    every = [Todo(row, [s for s in settings if s.batch_size not in done.get(row["ticket_id"], ())])
             for row in rows]  # fmt: skip
    left = [one for one in every if one.settings]
    return left, len(rows) - len(left)


class Timed(NamedTuple):
    """What came of a ticket."""

    records: Sequence[LatencyRecord]
    """At each setting; none where its values cannot be had."""
    failure: Sequence[str]
    """Why it could not be timed at any setting; empty where it was timed."""


def _timed(
    request: MeasureRequest, one: Todo, device: str, *, journal: Journal, watched: Watched
) -> Timed:
    """A ticket's records, each kept as soon as it is made. Nothing that the ticket raises concerns
    the others.
    """
    watched.begin(_name(one.row))
    try:
        ticket = load_ticket(
            request.results,
            one.row["ticket_id"],
            artifacts=request.artifacts,
            plugins=request.plugins,
            no_plugins=request.no_plugins,
        )
    except UserError as error:
        return Timed([], [error.message])
    except Exception as error:  # a network of the user's, which does what it likes
        return Timed([], [f"{_name(one.row)}: {describe_error(error)}"])
    records = []
    for setting in one.settings:
        with watched.size(setting.batch_size) as say:
            records.append(_record(ticket, setting, device, say))
        journal.append(records[-1])
    why_not = [_why_not(record["forms"]) for record in records]
    return Timed(records, [f"{_name(one.row)}: {why_not[0]}"] if all(why_not) else [])


def _record(ticket: SavedTicket, options: TimingOptions, device: str, tell: Tell) -> LatencyRecord:
    """Its times; where its network raises before any form can be made, that is every form's reason,
    and the other tickets are still timed.
    """
    import torch

    try:
        forms = time_ticket(ticket, options, tell)
    except Exception as error:  # as above
        forms = not_available(describe_error(error))
    weight = next(iter(ticket.mask.items_by_key()))
    return {
        "record": "latency",
        "experiment_id": ticket.recipe["experiment_id"],
        "ticket_id": ticket.recipe["ticket_id"],
        "device": device,
        "host": socket.gethostname(),
        "torch": torch.__version__,
        "threads": options.threads,
        "batch_size": options.batch_size,
        "dtype": str(ticket.final.values[weight].dtype).removeprefix("torch."),
        "clock": options.clock,
        "forms": forms,
    }


def _why_not(forms: Sequence[FormTime]) -> str | None:
    """The reason of the first form, where no form could be timed."""
    reasons = [form["reason"] for form in forms]
    return reasons[0] if all(reasons) else None


def _line(row: Mapping[str, Any], records: Sequence[LatencyRecord]) -> str:
    """`imp on mlp/digits, density 13%: batch 1: csr 0.8×; batch 128: csr 1.9×`."""
    told = [f"batch {record['batch_size']}: {_speeds(record['forms'])}" for record in records]
    return f"{_name(row)}: {'; '.join(told)}"


def _name(row: Mapping[str, Any]) -> str:
    where = f"{row['label']} on {row['model']}/{row['dataset']}"
    return f"{where}, density {row['target_density']:.4g}, seed {row['seed']}"


def _speeds(forms: Sequence[FormTime]) -> str:
    """How much faster each form is than the dense one; why there is none where none was timed, or
    the dense network and the masked one, which every ticket has, could not be.
    """
    none = _why_not(forms)
    if none is not None:
        return f"not timed: {none}"
    told = []
    for form in forms:
        if form["reason"] is not None:
            if form["form"] in ("dense", "masked"):
                told.append(f"{form['form']} not timed: {form['reason']}")
        elif form["form"] != "dense" and "speedup" in form:
            told.append(f"{form['form']} {form['speedup']:.2f}×")
    return ", ".join(told)
