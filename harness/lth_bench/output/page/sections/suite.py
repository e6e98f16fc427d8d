"""What is about a whole suite: its other leaderboards, its claims, and how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lth_bench.analysis.evidence import Run, task_groups
from lth_bench.analysis.measures import ACCURACY
from lth_bench.analysis.page import SuiteReport
from lth_bench.analysis.table import Board, Cell
from lth_bench.output.page.content import (
    Code,
    Column,
    Facts,
    Grid,
    GridRow,
    Part,
    Prose,
    Section,
    grid_of,
    named,
)
from lth_bench.output.pictures import OF_GROUPS, transfer
from lth_bench.output.words import listed
from lth_bench.output.workers import summed_up
from lth_bench.running.usage import recorded_uses

TITLES = {
    "matching": "The sparsest ticket that matches the baseline",
    "area": "Over all densities: area under the curve",
    "cost": "What it costs to reach {0}",
    "budget": "At equal total cost of search and training",
    "across": "Across tasks",
}
"""By leaderboard, in the order they are read; {0} is the metric."""


def boards(suite: SuiteReport) -> Section | None:
    """A leaderboard for every question but the metric at a density, which each task begins with."""
    if not suite.boards:  # nothing but trials of tuning
        return None
    metric = "" if suite.asked is None else f" --metric {suite.asked.name}"
    measures = suite.measures
    if len(measures) > 1:
        value = "each task's own goal"
    else:
        value = "an accuracy" if measures == [ACCURACY] else f"a given {measures[0].words}"
    parts: list[Part] = []
    for kind, title in TITLES.items():
        if kind in suite.boards:
            command = f"lth-bench leaderboard {_option(kind)}{metric}"
            parts += _parts(suite.boards[kind], f"{title.format(value)} ({command}).")
    return Section("boards", "Other leaderboards", parts) if parts else None


def literature(suite: SuiteReport) -> Section | None:
    """The papers' figures beside the suite's, where task and density fit."""
    if "literature" not in suite.boards:
        return None
    parts = _parts(suite.boards["literature"], "The same by lth-bench compare --with literature.")
    return Section("literature", "Beside the literature", parts)


def measured_speed(suite: SuiteReport) -> Section | None:
    """What `measure` has timed: whether tickets are faster, or only could be."""
    if "latency" not in suite.boards:
        return None
    parts = _parts(suite.boards["latency"], "The same by lth-bench leaderboard --by latency.")
    return Section("latency", "Faster, or only in theory?", parts)


def moved(suite: SuiteReport) -> Section | None:
    """Where tickets are found against where they are trained, as figure and as tables."""
    found = [(one, picture) for one in suite.transfers if (picture := transfer(one)) is not None]
    if not found:
        return None
    parts: list[Part] = []
    for one, picture in found:
        if one.shared:
            parts.append(Prose(["The same for all of these tasks: ", *named(one.shared), "."]))
        parts.append(picture)
    if "transfer" in suite.boards:
        metric = "" if suite.asked is None else f" --metric {suite.asked.name}"
        title = f"Found on rows, trained on columns (lth-bench leaderboard --by transfer{metric})."
        parts += _parts(suite.boards["transfer"], title)
    return Section("transfer", "Transfer between tasks", parts)


def beside(suite: SuiteReport) -> Section | None:
    """Tasks beside each other: networks of several sizes, several recipes."""
    parts: list[Part] = []
    for group in task_groups([task.evidence for task in suite.tasks]):
        found = [picture for describe in OF_GROUPS if (picture := describe(group)) is not None]
        if found:
            parts.append(Prose(["The same for all of these tasks: ", *named(group.parts[1:]), "."]))
            parts += found
    return Section("beside", "Tasks beside each other", parts) if parts else None


def claims(suite: SuiteReport) -> Section | None:
    """The claims of the suite, and whether they come out here. None where it has none."""
    if not suite.claims.tables:
        return None
    return Section("claims", "Claims of the literature", _parts(suite.claims, ""))


def _option(kind: str) -> str:
    return "--across" if kind == "across" else f"--by {kind}"


def _parts(board: Board, title: str) -> list[Part]:
    parts: list[Part] = [Prose([title])] if title else []
    parts += [grid_of(table) for table in board.tables]
    lines = [line for line in board.legend.splitlines() if line]
    return [*parts, *(Prose([line], "quiet") for line in lines)]


def repeat(suite: SuiteReport) -> Section | None:
    """The newest run's command, suite and environment; all runs where there are several."""
    if not suite.runs:
        return None
    newest = suite.runs[0]
    parts: list[Part] = [
        Code("The command", newest.command),
        Code("The suite as it was run", newest.suite_toml, folded=True),
        Facts("The environment", _environment(newest)),
    ]
    if newest.overrides:
        changed = listed(newest.overrides, 20)
        parts.insert(1, Prose([f"The command changes the suite: {changed}."], "quiet"))
    if len(suite.runs) > 1:
        parts.append(_runs(suite.runs))
    return Section("repeat", "Reproduce this", parts)


def _environment(run: Run) -> list[tuple[str, str]]:
    rows = [
        ("run", f"{run.run_id}, {run.recorded_at} UTC"),
        ("suite version", run.suite_version),
        ("device", run.device),
        ("host", run.host),
        ("Python", run.python),
        ("torch", run.torch),
        ("workers", summed_up(recorded_uses(run.workers)) or ""),
    ]
    told = {"device", "host", "python", "torch"}
    rows += [
        (key, _text(value))
        for key, value in run.environment.items()
        if key not in told and value is not None
    ]
    used = [f"{p.name} {p.version} ({p.origin}, source {p.source_hash[:12]})" for p in run.plugins]
    if used:
        rows.append(("plugins", "; ".join(used)))
    return [(key, value) for key, value in rows if value]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value)


def _runs(runs: Sequence[Run]) -> Grid:
    rows = []
    for run in runs:
        texts = (run.recorded_at, run.run_id, f"{run.tickets:,}", run.device, run.torch)
        rows.append(GridRow([Cell(text) for text in (*texts, run.command)]))
    columns = (
        Column("started, UTC", numeric=False),
        Column("run", numeric=False),
        Column("tickets shown"),
        Column("device", numeric=False),
        Column("torch", numeric=False),
        Column("command", numeric=False),
    )
    return Grid(caption="All runs of this suite", columns=columns, rows=rows)
