"""Results seed by seed in one Parquet file, to be given to others: a row for every (experiment,
target density, control) of one suite, with what the rows were made with.

Nothing in it names a machine, a person or a folder. `restored` makes a database of it, so that
whatever reads results reads such a file too.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.store.export import set_aside
from lth_bench.store.fold import build
from lth_bench.store.journal import encode
from lth_bench.store.paths import Paths
from lth_bench.store.reading import reading
from lth_bench.store.schema import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMAT = 1
"""Raised when columns change their meaning; columns are otherwise only added."""
KEY = "lth_bench"
"""The file's metadata under this key is a JSON object with the keys `ABOUT`."""
ABOUT = ("format", "suite", "suite_version", "suite_toml", "overrides", "baseline", "command",
         "date", "environment")  # fmt: skip
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
"""All columns. `training` is the key of the row's own training, which its start values and its mask
are part of; `metrics` are all of its metrics by name."""
TOLD = ("ok", "skipped", "failed", "diverged")
"""Statuses of rows that say something of the method; the others are still owed."""


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
                 FROM metrics m WHERE m.ticket_id = f.ticket_id) AS metrics
            FROM flat f
            JOIN plans p ON p.suite = f.suite AND p.experiment_id = f.experiment_id
            LEFT JOIN outcomes o ON o.experiment_id = f.experiment_id
            WHERE f.suite = ? AND list_contains(?, f.status)
            ORDER BY f.model, f.dataset, f.recipe, f.label, f.control <> 'none', f.control, f.seed,
                f.target_density DESC, f.source_model, f.source_dataset, f.source_recipe
            """,
            [suite, list(TOLD)],
        ).fetchall()
    _write(rows, about, target)
    return len(rows)


def _about(con: DuckDBPyConnection, results: Path, suite: str, command: str) -> dict[str, Any]:
    runs = con.execute(
        """
        SELECT v.suite_version, v.suite_toml, v.overrides, s.baseline, v.recorded_at, v.environment
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
    version, text, overrides, baseline, at, environment = runs[0]
    told = json.loads(environment)
    return {
        "format": FORMAT, "suite": suite, "suite_version": version, "suite_toml": text,
        "overrides": list(overrides), "baseline": baseline, "command": command,
        "date": at.date().isoformat(),
        "environment": {name: told.get(name) for name in ENVIRONMENT},
    }  # fmt: skip


def _write(rows: Sequence[Sequence[Any]], about: Mapping[str, Any], target: Path) -> None:
    import duckdb

    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    with set_aside(target) as folder, duckdb.connect() as con:
        con.execute(f"CREATE TABLE rows ({columns})")
        if rows:
            con.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(COLUMNS))})", rows)
        said = quoted(json.dumps(about, sort_keys=True))
        aside = folder / target.name
        con.execute(
            f"COPY rows TO {quoted(str(aside))} (FORMAT parquet, COMPRESSION zstd, "
            f"COMPRESSION_LEVEL 19, KV_METADATA {{{KEY}: {said}}})"
        )
        os.replace(aside, target)


def about(file: Path) -> dict[str, Any]:
    """What a file says of its rows: the keys of `ABOUT`. UserError for any other file."""
    with _opened(file) as con:
        return _checked(con, file)


@contextlib.contextmanager
def restored(file: Path) -> Iterator[Path]:
    """A database made of a file, until the block ends. UserError for what is no such file."""
    with _opened(file) as con:
        said = _checked(con, file)
        found = con.execute(f"SELECT {', '.join(COLUMNS)} FROM rows").fetchall()
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found]
    with tempfile.TemporaryDirectory(prefix="lth-bench-rows-") as folder:
        journal = Path(folder) / "rows.jsonl"
        database = Path(folder) / f"{file.stem}.duckdb"
        try:
            with journal.open("wb") as out:
                out.writelines(encode(record) for record in _records(said, rows))
            build(Paths(database), journal)
        except (ValueError, TypeError) as error:  # values that no run would write
            why = str(error).replace(str(journal), "its rows")
            raise UserError(f"{file} has the right columns, but cannot be read: {why}") from error
        yield database


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[DuckDBPyConnection]:
    """A connection in which the view `rows` is the file, and no other file can be read."""
    import duckdb

    if file.is_dir():
        raise UserError(f"{file} is a folder; name a .parquet file in it")
    if not file.is_file():
        raise UserError(f"there is no file {file}")
    with duckdb.connect() as con:
        con.execute(
            f"SET allowed_paths = [{quoted(str(file.absolute()))}]; "
            f"SET enable_external_access = false; SET lock_configuration = true"
        )
        try:
            con.execute(f"CREATE VIEW rows AS FROM read_parquet({quoted(str(file.absolute()))})")
            yield con
        except duckdb.Error as error:
            why = str(error).splitlines()[0]
            raise UserError(f"{file} cannot be read as Parquet: {why}") from error


def _checked(con: DuckDBPyConnection, file: Path) -> dict[str, Any]:
    """UserError, naming what differs, unless the file has our columns and metadata."""
    there = {name: kind for name, kind, *_ in con.execute("DESCRIBE rows").fetchall()}
    found = con.execute(
        f"SELECT value FROM parquet_kv_metadata({quoted(str(file.absolute()))}) WHERE key = ?",
        [KEY.encode()],
    ).fetchone()
    wrong = [
        f"{name} is {there[name]}, not {kind}" if name in there else f"{name} is missing"
        for name, kind in COLUMNS.items()
        if there.get(name) not in (kind, "VARCHAR" if kind == "JSON" else kind)
    ]
    said: Any = None
    if found is not None:
        with contextlib.suppress(ValueError):
            said = json.loads(found[0])
    if not isinstance(said, dict) or any(key not in said for key in ABOUT):
        wrong.append(f"its metadata has no {KEY!r} with {', '.join(ABOUT)}")
    elif said["format"] != FORMAT:
        wrong.append(f"it is of format {said['format']!r}, and this version reads {FORMAT}")
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(
            f"{file} is not a file of results seed by seed: {'; '.join(wrong[:3])}{more}"
        )
    assert isinstance(said, dict)
    return said


def _records(
    said: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The journal that a run with these results would have written."""
    run = "rows"
    at = f"{said['date']}T00:00:00+00:00"
    yield {
        "record": "run", "at": at, "run_id": run, "environment": said["environment"], "plugins": [],
        **{key: said[key] for key in ("suite", "suite_version", "suite_toml", "overrides",
                                      "baseline", "command")},
    }  # fmt: skip
    experiments = {row["experiment_id"]: row for row in rows}
    planned = []
    for row in experiments.values():
        entry = {name: row[name] for name in OF_PLAN}
        entry |= {key: json.loads(row[key]) if row[key] else {} for key in ("params", "config")}
        planned.append({**entry, "suite": said["suite"], "scored_on": "test"})
    yield {"record": "planned", "at": at, "run_id": run, "experiments": planned}
    ended = {}
    for number, row in enumerate(rows):
        ended[row["experiment_id"]] = row
        yield {
            "record": "ticket", "at": at, "run_id": run, "experiment_id": row["experiment_id"],
            "ticket_id": f"row-{number}", "round": 0, "reported": True, "reason": None,
            "fingerprint": row["fingerprint"], "layers": [], "curve": [],
            **{name: row[name] for name in OF_TICKET},
            "metrics": row["metrics"] or {},
            "cost": {name: row[name] for name in OF_COST},
            "trainings": [{"key": row["training"], "role": "train", "reused": False}],
        }  # fmt: skip
    statuses: dict[str, str] = {}
    for row in rows:  # an experiment is as bad as its worst row
        before = statuses.get(row["experiment_id"], "ok")
        statuses[row["experiment_id"]] = row["status"] if before == "ok" else before
    for identity, row in ended.items():
        yield {
            "record": "experiment", "at": at, "run_id": run, "experiment_id": identity,
            "status": statuses[identity], "reason": None, "seconds": None, "worker": None,
            "cohort_size": row["cohort_size"], "fingerprint": row["fingerprint"],
            "numerics": {name: row[name] for name in ("torch", "engine", "device")},
        }  # fmt: skip
