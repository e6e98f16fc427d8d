"""Results seed by seed in one Parquet file, to be given to others: a row for every (experiment,
target density, control) of one suite, with what the rows were made with.

Nothing in it names a machine, a person or a folder. `rows_file.restored` makes a database of it, so
that whatever reads results reads such a file too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.store.export import set_aside
from lth_bench.store.reading import reading
from lth_bench.store.records import DROPPED
from lth_bench.store.rows_metadata import FORMAT, KEY, LOOKS, looks_table
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ENVIRONMENT = ("python", "torch", "packages", "device", "cpu", "git")
"""What is told of the machine: neither its name nor its folders."""

OF_PLAN = {
    "experiment_id": "VARCHAR", "config_id": "VARCHAR", "strategy": "VARCHAR", "label": "VARCHAR",
    "params": "JSON", "model": "VARCHAR", "dataset": "VARCHAR", "recipe": "VARCHAR",
    "source_model": "VARCHAR", "source_dataset": "VARCHAR", "source_recipe": "VARCHAR",
    "seed": "BIGINT", "densities": "DOUBLE[]", "controls": "VARCHAR[]", "iterative": "BOOLEAN",
    "plugin_version": "VARCHAR", "source_hash": "VARCHAR", "config": "JSON", "metric": "VARCHAR",
    "metric_unit": "VARCHAR", "higher_is_better": "BOOLEAN", "parameters": "BIGINT",
    "prunable": "BIGINT",
}  # fmt: skip
"""Columns of an experiment as it was planned, the same in all of its rows, and their types."""
OF_OUTCOME = {
    "fingerprint": "VARCHAR", "torch": "VARCHAR", "engine": "BIGINT", "device": "VARCHAR",
    "cohort_size": "BIGINT",
}  # fmt: skip
"""Columns of what an experiment rests on."""
OF_TICKET = {
    "target_density": "DOUBLE", "control": "VARCHAR", "status": "VARCHAR", "density": "DOUBLE",
    "effective_density": "DOUBLE", "unit_density": "DOUBLE", "rewind_step": "BIGINT",
    "test_examples": "BIGINT", "score": "DOUBLE",
}  # fmt: skip
"""Columns of a row itself."""
OF_COST = dict.fromkeys(("steps", "examples", "search_steps", "search_examples"), "BIGINT") | (
    dict.fromkeys(
        ("flops_dense", "flops_masked_theoretical", "search_flops_dense",
         "search_flops_masked_theoretical", "bit_operations", "search_bit_operations"),
        "DOUBLE",
    )
)  # fmt: skip
COLUMNS = {
    **OF_PLAN, **OF_OUTCOME, **OF_TICKET, **OF_COST,
    "training": "VARCHAR", "metrics": "MAP(VARCHAR, DOUBLE)",
}  # fmt: skip
"""Columns of every file. `training` is the key of the row's own training, which its start values
and its mask are part of; `metrics` are all of its metrics by name."""
ADDED_COLUMNS = {"answers": "MAP(VARCHAR, BLOB)"}
"""Columns that were added since: files written before lack them. `answers` says which test examples
the row's ticket gets right, by metric and packed as in the table `answers`."""
NEVER_NULL = (
    "experiment_id", "strategy", "label", "model", "dataset", "recipe", "seed",
    "densities", "target_density", "control", "status",
)  # fmt: skip
"""Columns that say what a row is of."""


def write_rows(results: Path, suite: str, target: Path, command: str) -> int:
    """Write the rows of a suite's results; returns their number.

    `command` is what others type to get them. UserError where the results have no such suite, or
    runs of it whose texts or `--set` differ, so that there is not one text for all rows.
    """
    with reading(results) as con:
        about = _about(con, results, suite, command)
        names = ", ".join(f"p.{name}" for name in OF_PLAN)
        ended = ", ".join(f"o.{name}" for name in OF_OUTCOME)
        own = ", ".join(f"f.{name}" for name in (*OF_TICKET, *OF_COST))
        rows = con.execute(
            f"""
            SELECT {names}, {ended}, {own},
                (SELECT min(key) FROM ticket_trainings k
                 WHERE k.ticket_id = f.ticket_id AND k.role = 'train') AS training,
                (SELECT map(list(m.metric ORDER BY m.metric), list(m.value ORDER BY m.metric))
                 FROM metrics m WHERE m.ticket_id = f.ticket_id) AS metrics,
                (SELECT map(list(a.metric ORDER BY a.metric), list(a.bits ORDER BY a.metric))
                 FROM answers a WHERE a.ticket_id = f.ticket_id
                     AND octet_length(a.bits) = (f.test_examples + 7) // 8) AS answers
            FROM flat f
            JOIN plans p ON p.suite = f.suite AND p.experiment_id = f.experiment_id
            LEFT JOIN outcomes o ON o.experiment_id = f.experiment_id
            -- an experiment that is out of memory or time has ended too: where seeds are added
            -- until decided, the next ones took its place
            WHERE f.suite = ? AND (NOT is_owed(f.status) OR list_contains(?, f.status))
            ORDER BY f.model, f.dataset, f.recipe, f.label, f.control <> 'none', f.control, f.seed,
                f.target_density DESC, f.source_model, f.source_dataset, f.source_recipe
            """,
            [suite, list(DROPPED)],
        ).fetchall()
    _write(rows, about, target)
    return len(rows)


def _about(con: DuckDBPyConnection, results: Path, suite: str, command: str) -> dict[str, Any]:
    runs = con.execute(
        """
        SELECT v.suite_version, v.suite_toml, v.overrides, s.baseline, v.recorded_at, v.environment,
            s.max_seeds, s.decide_margin
        FROM environments v JOIN suites s USING (suite)
        WHERE suite = ? AND v.run_id IN (
            SELECT p.run_id FROM plans p JOIN slots USING (suite, experiment_id)
        )
        ORDER BY v.journal_order DESC
        """,
        [suite],
    ).fetchall()
    if not runs:
        raise UserError(f"{results} has no suite {suite!r}")
    if len({(text, *overrides) for _, text, overrides, *_ in runs}) > 1:
        raise UserError(
            f"the runs of {suite!r} in {results} differ in their suites or their --set; run the "
            f"suite into new results"
        )
    version, text, overrides, baseline, at, environment, most, margin = runs[0]
    told = json.loads(environment)
    found = {
        "format": FORMAT, "suite": suite, "suite_version": version, "suite_toml": text,
        "overrides": list(overrides), "baseline": baseline, "command": command,
        "date": at.date().isoformat(),
        "environment": {name: told.get(name) for name in ENVIRONMENT},
    }  # fmt: skip
    if most is not None:
        found["decide"] = {"margin": margin, "max_seeds": most}
    names = ", ".join(LOOKS)
    looks = con.execute(
        f"SELECT {names} FROM looks WHERE suite = ? AND current ORDER BY journal_order", [suite]
    ).fetchall()
    return {**found, "looks": looks_table(looks)} if looks else found


def _write(rows: Sequence[Sequence[Any]], about: Mapping[str, Any], target: Path) -> None:
    import duckdb

    every = {**COLUMNS, **ADDED_COLUMNS}
    columns = ", ".join(f"{name} {kind}" for name, kind in every.items())
    with set_aside(target) as folder, duckdb.connect() as con:
        con.execute(f"CREATE TABLE rows ({columns})")
        if rows:
            con.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(every))})", rows)
        said = quoted(json.dumps(about, sort_keys=True))
        aside = folder / target.name
        con.execute(
            f"COPY rows TO {quoted(str(aside))} (FORMAT parquet, COMPRESSION zstd, "
            f"COMPRESSION_LEVEL 19, KV_METADATA {{{KEY}: {said}}})"
        )
        os.replace(aside, target)
