"""The runs behind the results: their commands, machines and plugins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin that was loaded in a run. Texts are empty where nothing was recorded."""

    name: str
    group: str
    """strategies, models, datasets or observers."""
    origin: str
    """Distribution or file that it comes from."""
    version: str
    source_hash: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a suite. Texts are empty where nothing was recorded."""

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
    """UTC, such as 2026-11-21 14:09."""
    overrides: tuple[str, ...]
    """Changes to the suite on the command line, as KEY=VALUE."""
    environment: Mapping[str, Any]
    """Everything else that was recorded: platform, packages, cpu, git."""
    plugins: tuple[Plugin, ...]
    tickets: int
    """Number of current reported tickets from this run."""
    workers: Sequence[Mapping[str, Any]]
    """What its workers did with their time (`store.run_records.WorkerTotals`)."""


def runs(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[Run]:
    """The runs of the suites (default: of all), by suite, newest first."""
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
        ),
        used_workers AS (
            SELECT run_id, list(w ORDER BY slot, host) AS workers
            FROM worker_uses w GROUP BY run_id
        )
        SELECT
            {", ".join(f"coalesce(e.{column}, '')" for column in columns)},
            strftime(e.recorded_at, '%Y-%m-%d %H:%M'), coalesce(e.overrides, []),
            e.environment, coalesce(l.plugins, []), coalesce(u.tickets, 0),
            coalesce(w.workers, [])
        FROM environments e
        LEFT JOIN used u ON u.suite = e.suite AND u.run_id = e.run_id
        LEFT JOIN loaded l ON l.run_id = e.run_id
        LEFT JOIN used_workers w ON w.run_id = e.run_id
        WHERE ? IS NULL OR list_contains(?::VARCHAR[], e.suite)
        ORDER BY e.suite, e.recorded_at DESC, e.journal_order DESC
        """,
        [list(suites) or None] * 2,
    ).fetchall()
    return [_run(row) for row in rows]


def _run(row: tuple[Any, ...]) -> Run:
    found = _named(Run, row)
    return Run(**found | {
        "overrides": tuple(found["overrides"]),
        "environment": json.loads(found["environment"] or "{}"),
        "plugins": tuple(Plugin(**_named(Plugin, plugin)) for plugin in found["plugins"]),
    })  # fmt: skip


def _named(kind: type[Any], row: Sequence[Any]) -> dict[str, Any]:
    """The values of a dataclass by field, from a row in the order of its fields."""
    return dict(zip((field.name for field in fields(kind)), row, strict=True))


_TEXTS = ("suite_version", "suite_toml", "command", "device", "host", "python", "torch")
_PLUGIN = ("plugin", "plugin_group", "origin", "version", "source_hash")
