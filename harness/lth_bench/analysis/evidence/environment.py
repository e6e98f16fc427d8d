"""The runs behind the results: what to type to repeat them, and on what they ran."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lth_bench.analysis.evidence.subject import asked

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Plugin(NamedTuple):
    """A plugin that a run had loaded."""

    name: str
    group: str
    origin: str
    version: str
    source_hash: str


@dataclass(frozen=True)
class Run:
    """One command that a suite was run with."""

    run_id: str
    suite: str
    suite_version: str
    suite_toml: str
    command: str
    device: str
    host: str
    python: str
    torch: str
    recorded_at: str
    """UTC, as 2026-11-21 14:09."""
    overrides: tuple[str, ...]
    environment: Mapping[str, Any]
    """Everything else that was recorded: platform, packages, cpu, git."""
    plugins: tuple[Plugin, ...]
    tickets: int
    """Reported tickets that are shown and come from this run."""


def runs(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[Run]:
    """By suite, the newest first."""
    columns = ("run_id", "suite", *_TEXTS)
    rows = con.execute(
        f"""
        WITH used AS (
            SELECT suite, run_id, count(*) AS tickets
            FROM flat WHERE ticket_id IS NOT NULL GROUP BY suite, run_id
        ),
        loaded AS (
            SELECT
                run_id,
                list([{", ".join(f"coalesce({column}, '')" for column in _PLUGIN)}]
                    ORDER BY plugin_group, plugin) AS plugins
            FROM plugins GROUP BY run_id
        )
        SELECT
            {", ".join(f"coalesce(e.{column}, '')" for column in columns)},
            strftime(e.recorded_at, '%Y-%m-%d %H:%M'), coalesce(e.overrides, []),
            e.environment, coalesce(l.plugins, []), coalesce(u.tickets, 0)
        FROM environments e
        LEFT JOIN used u ON u.suite = e.suite AND u.run_id = e.run_id
        LEFT JOIN loaded l ON l.run_id = e.run_id
        WHERE ? IS NULL OR list_contains(?::VARCHAR[], e.suite)
        ORDER BY e.suite, e.recorded_at DESC, e.journal_order DESC
        """,
        asked(suites),
    ).fetchall()
    return [_run(row) for row in rows]


def _run(row: tuple[Any, ...]) -> Run:
    fields = {field.name: value for field, value in zip(dataclasses.fields(Run), row, strict=True)}
    return Run(**fields | {
        "overrides": tuple(fields["overrides"]),
        "environment": json.loads(fields["environment"] or "{}"),
        "plugins": tuple(Plugin(*plugin) for plugin in fields["plugins"]),
    })  # fmt: skip


_TEXTS = ("suite_version", "suite_toml", "command", "device", "host", "python", "torch")
_PLUGIN = ("plugin", "plugin_group", "origin", "version", "source_hash")
