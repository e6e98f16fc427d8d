"""What it takes to repeat a suite: command, suite, environment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lth_bench.analysis.evidence import Run
from lth_bench.analysis.table import Cell
from lth_bench.output.page.content import Code, Column, Facts, Grid, Part, Prose, Row, Section
from lth_bench.output.page.known import SuiteKnown
from lth_bench.output.page.words import listed


def repeat(known: SuiteKnown) -> Section | None:
    """The newest run's command, suite and environment; all runs where there are several."""
    if not known.runs:
        return None
    newest = known.runs[0]
    parts: list[Part] = [
        Code("The command", newest.command),
        Code("The suite as it was run", newest.suite_toml, folded=True),
        Facts("The environment", _environment(newest)),
    ]
    if newest.overrides:
        changed = listed(newest.overrides, 20)
        parts.insert(1, Prose([f"The command changes the suite: {changed}."], "quiet"))
    if len(known.runs) > 1:
        parts.append(_runs(known.runs))
    return Section("repeat", "To repeat this", parts)


def _environment(run: Run) -> list[tuple[str, str]]:
    rows = [
        ("run", f"{run.run_id}, {run.recorded_at} UTC"),
        ("suite version", run.suite_version),
        ("device", run.device),
        ("host", run.host),
        ("Python", run.python),
        ("torch", run.torch),
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
        rows.append(Row([Cell(text) for text in (*texts, run.command)]))
    columns = (
        Column("started, UTC", numeric=False),
        Column("run", numeric=False),
        Column("tickets shown"),
        Column("device", numeric=False),
        Column("torch", numeric=False),
        Column("command", numeric=False),
    )
    return Grid("All runs of this suite", columns, rows)
