"""A file of rows read again: checked, and made into a database that whatever reads results reads.

A file may come from anyone. What is wrong with one is one message, and no other file can be read
by way of it.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.store.fold import build
from lth_bench.store.journal import encode
from lth_bench.store.paths import Paths, is_folder
from lth_bench.store.reading import reading
from lth_bench.store.rows_metadata import KEY, look_records, metadata
from lth_bench.store.schema import quoted
from lth_bench.store.seed_rows import (
    ADDED_COLUMNS,
    COLUMNS,
    NEVER_NULL,
    OF_COST,
    OF_PLAN,
    OF_TICKET,
)
from lth_bench.system.temporary import temporary_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def about(file: Path) -> dict[str, Any]:
    """What a file says of its rows: the keys of `rows_metadata.ABOUT`, and those of `ADDED` that it
    has. UserError for any other file.
    """
    with _opened(file) as con:
        return _checked(con, file)


@contextlib.contextmanager
def restored(file: Path) -> Iterator[Path]:
    """A database made of a file, until the block ends. UserError for what is no such file."""
    with _opened(file) as con:
        said = _checked(con, file)
        there = [*COLUMNS, *(name for name in _columns(con) if name in ADDED_COLUMNS)]
        found = con.execute(f"SELECT {', '.join(there)} FROM rows").fetchall()
    rows = [dict(zip(there, row, strict=True)) for row in found]
    with temporary_folder("lth-bench-rows-") as folder:
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
def reading_rows_too(
    results: Path, note: Callable[[str], None] | None = None
) -> Iterator[DuckDBPyConnection]:
    """What `reading` gives, of a file of rows (.parquet) as well as of a database."""
    if results.suffix != ".parquet":
        with reading(results, note) as con:
            yield con
        return
    with restored(results) as database, reading(database, note) as con:
        yield con


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[DuckDBPyConnection]:
    """A connection in which the view `rows` is the file, and no other file can be read."""
    import duckdb

    if is_folder(file):
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


def _columns(con: DuckDBPyConnection) -> dict[str, str]:
    """The file's columns and their types."""
    return {name: kind for name, kind, *_ in con.execute("DESCRIBE rows").fetchall()}


def _checked(con: DuckDBPyConnection, file: Path) -> dict[str, Any]:
    """UserError, naming what differs, unless the file has our columns and metadata."""
    there = _columns(con)
    found = con.execute(
        f"SELECT value FROM parquet_kv_metadata({quoted(str(file.absolute()))}) WHERE key = ?",
        [KEY.encode()],
    ).fetchone()
    expected = {**COLUMNS, **{n: kind for n, kind in ADDED_COLUMNS.items() if n in there}}
    wrong = [
        f"{name} is {there[name]}, not {kind}" if name in there else f"{name} is missing"
        for name, kind in expected.items()
        if there.get(name) not in (kind, "VARCHAR" if kind == "JSON" else kind)
    ]
    said, faults = metadata(None if found is None else found[0])
    wrong += faults or ([] if wrong else _nulls(con))
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(
            f"{file} is not a file of results seed by seed: {'; '.join(wrong[:3])}{more}"
        )
    return said


def _nulls(con: DuckDBPyConnection) -> list[str]:
    """Columns without which a row is of nothing, where they are NULL."""
    counts = ", ".join(f"count(*) - count({name})" for name in NEVER_NULL)
    found = con.execute(f"SELECT {counts} FROM rows").fetchone()
    assert found is not None
    return [f"{name} is NULL in {n} rows" for name, n in zip(NEVER_NULL, found, strict=True) if n]


def _records(
    said: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The journal that a run with these results would have written."""
    run = "rows"
    at = f"{said['date']}T00:00:00+00:00"
    begun = {
        "record": "run", "at": at, "run_id": run, "environment": said["environment"], "plugins": [],
        **{key: said[key] for key in ("suite", "suite_version", "suite_toml", "overrides",
                                      "baseline", "command")},
    }  # fmt: skip
    yield {**begun, "decide": said["decide"]} if "decide" in said else begun
    experiments = {row["experiment_id"]: row for row in rows}
    planned = []
    for row in experiments.values():
        entry = {name: row[name] for name in OF_PLAN}
        entry |= {key: json.loads(row[key]) if row[key] else {} for key in ("params", "config")}
        planned.append({**entry, "suite": said["suite"], "scored_on": "test"})
    yield {"record": "planned", "at": at, "run_id": run, "experiments": planned}
    for number, row in enumerate(rows):
        yield {
            "record": "ticket", "at": at, "run_id": run, "experiment_id": row["experiment_id"],
            "ticket_id": f"row-{number}", "round": 0, "reported": True, "reason": None,
            "fingerprint": row["fingerprint"], "layers": [], "curve": [],
            **{name: row[name] for name in OF_TICKET},
            "metrics": row["metrics"] or {}, "right": _right(row),
            "cost": {name: row[name] for name in OF_COST},
            "trainings": [{"key": row["training"], "role": "train", "reused": False}],
        }  # fmt: skip
    statuses: dict[str, str] = {}
    for row in rows:  # an experiment is as bad as its worst row
        before = statuses.get(row["experiment_id"], "ok")
        statuses[row["experiment_id"]] = row["status"] if before == "ok" else before
    for identity, row in experiments.items():
        yield {
            "record": "experiment", "at": at, "run_id": run, "experiment_id": identity,
            "status": statuses[identity], "reason": None, "seconds": None, "worker": None,
            "cohort_size": row["cohort_size"], "fingerprint": row["fingerprint"],
            "numerics": {name: row[name] for name in ("torch", "engine", "device")},
        }  # fmt: skip
    yield from look_records(said, run, at)


def _right(row: Mapping[str, Any]) -> dict[str, str]:
    """Which test examples a row's ticket gets right, as a ticket's record has it. ValueError where
    there are not as many answers as test examples.
    """
    examples = row["test_examples"]
    for metric, bits in (row.get("answers") or {}).items():
        if not examples or bits is None or len(bits) != (examples + 7) // 8:
            which = "test_examples is not said" if not examples else f"{examples} test examples"
            got = "none" if bits is None else f"{len(bits)} bytes"
            raise ValueError(
                f"answers by {metric} of {row['label']}, seed {row['seed']} at density "
                f"{row['target_density']:g}, are {got}, but {which}, a bit each in whole bytes"
            )
    return {
        metric: base64.b64encode(bits).decode()
        for metric, bits in (row.get("answers") or {}).items()
    }
