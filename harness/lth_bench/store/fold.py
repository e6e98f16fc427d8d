"""Folding the journal into results.duckdb: incremental, in bulk, again without harm."""

from __future__ import annotations

import os
import re
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lth_bench.errors import UserError
from lth_bench.store import schema
from lth_bench.store.database import (
    Corrupt,
    Locked,
    Mark,
    digests,
    naming_damage,
    open_writable,
    read_mark,
    write_mark,
)
from lth_bench.store.journal import decode
from lth_bench.store.paths import DiskError, Paths, disk_error

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH_BYTES = 64 << 20
"""Journal bytes folded in one transaction: bounds the memory of a rebuild to some 500 MB."""

_LAYER = "STRUCT(layer VARCHAR, kind VARCHAR, total BIGINT, kept BIGINT)[]"
_COST = (
    "STRUCT(steps BIGINT, examples BIGINT, flops_dense DOUBLE, flops_masked_theoretical DOUBLE, "
    "seconds DOUBLE, search_steps BIGINT, search_examples BIGINT, search_flops_dense DOUBLE, "
    "search_flops_masked_theoretical DOUBLE, search_seconds DOUBLE, spent_steps BIGINT, "
    "spent_seconds DOUBLE)"
)
_TRAINING = (
    'STRUCT(key VARCHAR, role VARCHAR, start BIGINT, "end" BIGINT, steps BIGINT, '
    "flops_dense DOUBLE, flops_masked_theoretical DOUBLE, seconds DOUBLE, device VARCHAR, "
    "width BIGINT, reused BOOLEAN)[]"
)
_EXPERIMENT = (
    "STRUCT(experiment_id VARCHAR, config_id VARCHAR, suite VARCHAR, strategy VARCHAR, "
    "label VARCHAR, params JSON, model VARCHAR, dataset VARCHAR, recipe VARCHAR, "
    "source_model VARCHAR, source_dataset VARCHAR, source_recipe VARCHAR, seed BIGINT, "
    "densities DOUBLE[], controls VARCHAR[], iterative BOOLEAN, plugin_version VARCHAR, "
    "source_hash VARCHAR, config JSON)[]"
)
_PLUGIN = (
    'STRUCT(name VARCHAR, "group" VARCHAR, origin VARCHAR, version VARCHAR, source_hash VARCHAR)[]'
)

COLUMNS = {
    "record": "VARCHAR",
    "at": "VARCHAR",
    "run_id": "VARCHAR",
    "suite": "VARCHAR",
    "suite_version": "VARCHAR",
    "suite_toml": "VARCHAR",
    "baseline": "VARCHAR",
    "command": "VARCHAR",
    "environment": "JSON",
    "overrides": "VARCHAR[]",
    "plugins": _PLUGIN,
    "experiments": _EXPERIMENT,
    "experiment_id": "VARCHAR",
    "ticket_id": "VARCHAR",
    "round": "BIGINT",
    "control": "VARCHAR",
    "reported": "BOOLEAN",
    "target_density": "DOUBLE",
    "density": "DOUBLE",
    "effective_density": "DOUBLE",
    "unit_density": "DOUBLE",
    "rewind_step": "BIGINT",
    "status": "VARCHAR",
    "reason": "VARCHAR",
    "seconds": "DOUBLE",
    "worker": "VARCHAR",
    "metrics": "MAP(VARCHAR, DOUBLE)",
    "layers": _LAYER,
    "cost": _COST,
    "trainings": _TRAINING,
    "curve": "DOUBLE[][]",
}
"""Keys of all records and the types DuckDB reads them as; unknown keys are passed over."""


@dataclass(frozen=True)
class FoldReport:
    """What a fold did."""

    state: Literal["current", "folded", "rebuilt", "delayed"]
    """`delayed`: another process has the database open; nothing is lost, fold again later."""
    records: int
    """Journal records folded in."""
    seconds: float
    holder: str | None = None
    """The process that has the database open, as in `python3.11 (PID 123)`."""

    @property
    def delayed(self) -> bool:
        """Whether it has to be done again later."""
        return self.state == "delayed"

    @property
    def message(self) -> str:
        """What happened, in a sentence."""
        if self.delayed:
            return (
                f"the database is open in {self.holder}, so it is not up to date yet; nothing is "
                f"lost, and the next command that reads it brings it up to the journal"
            )
        if self.state == "current":
            return "the database holds all of the journal already"
        return f"{self.state}: {self.records} records in {self.seconds:.2f} s"


def fold(paths: Paths, patience: float = 1.0) -> FoldReport:
    """Bring the database up to the journal. Cheap where there is nothing new.

    Waits up to `patience` seconds for a process that has the database open. A missing database,
    one of an older version, or one of another journal is made anew. UserError for a damaged
    database, a damaged journal line, a newer version's database, and a full or read-only disk.
    """
    started = time.monotonic()
    if not paths.journal.exists():
        paths.require()
        return FoldReport("current", 0, 0.0)
    try:
        con = open_writable(paths, patience)
    except Locked as error:
        return FoldReport("delayed", 0, time.monotonic() - started, error.holder)
    with naming_damage(paths), con:
        mark = read_mark(con, paths)
        if mark is None:
            mark = _create(con, paths)
        elif mark.schema_version != schema.SCHEMA_VERSION or not mark.continues(paths.journal):
            records = _replace(paths)
            return FoldReport("rebuilt", records, time.monotonic() - started)
        records = _fold_rest(con, mark, paths.journal, paths.results)
    state: Literal["current", "folded"] = "folded" if records else "current"
    return FoldReport(state, records, time.monotonic() - started)


def rebuild(paths: Paths, patience: float = 1.0) -> FoldReport:
    """Make the database anew from the journal, whatever state it is in.

    The old file stays until the new one is whole. UserError if there is no journal, or if the
    file is a database of something else.
    """
    started = time.monotonic()
    if not paths.journal.exists():
        raise UserError(
            f"there is no journal {paths.journal} to make {paths.results} from; name other "
            f"results with --results"
        )
    try:
        con = open_writable(paths, patience)
    except Locked as error:
        return FoldReport("delayed", 0, time.monotonic() - started, error.holder)
    except Corrupt:
        # The write-ahead log belongs to the damaged file and would be replayed into the new.
        _log(paths.results).unlink(missing_ok=True)
        records = _replace(paths)
    else:
        with con:
            try:
                with naming_damage(paths):
                    read_mark(con, paths)
            except Corrupt:
                pass
            records = _replace(paths)
    return FoldReport("rebuilt", records, time.monotonic() - started)


def build(paths: Paths, journal: Path) -> int:
    """Make a new database at `paths` from a journal elsewhere. Returns the records folded."""
    with open_writable(paths) as con:
        return _fold_rest(con, _create(con, paths), journal, paths.results)


def _replace(paths: Paths) -> int:
    """Build beside the old file and move over it; the caller holds the old one's lock."""
    fresh = Paths(paths.results.with_name(f".{paths.results.name}.{uuid.uuid4().hex}.rebuild"))
    try:
        records = build(fresh, paths.journal)
        os.replace(fresh.results, paths.results)
    except OSError as error:
        raise disk_error(error, paths.results, "write") from error
    finally:
        fresh.results.unlink(missing_ok=True)
        _log(fresh.results).unlink(missing_ok=True)
    return records


def _log(results: Path) -> Path:
    """DuckDB's write-ahead log of a database."""
    return results.with_name(results.name + ".wal")


def _create(con: DuckDBPyConnection, paths: Paths) -> Mark:
    con.execute("BEGIN")
    try:
        schema.create(con)
        con.execute("COMMIT")
    except BaseException as error:
        raise _written(error, paths.results) from error
    return Mark(schema.SCHEMA_VERSION, 0, 0, "", "")


def _fold_rest(con: DuckDBPyConnection, mark: Mark, journal: Path, path: Path) -> int:
    """Fold everything after the mark, batch by batch, into the database at `path`."""
    before = mark.records
    with tempfile.TemporaryDirectory(prefix="lth-bench-fold-") as folder:
        batch = Path(folder) / "batch.jsonl"
        while True:
            try:
                end, lines, longest = _copy_lines(journal, mark.offset, batch)
            except OSError as error:
                raise disk_error(error, batch, "copy the journal to") from error
            if end == mark.offset:
                return mark.records - before
            _stage(con, batch, longest, mark, journal)
            head, tail = digests(journal, end)
            mark = Mark(mark.schema_version, end, mark.records + lines, head, tail)
            con.execute("BEGIN")
            try:
                _fold_batch(con)
                write_mark(con, mark)
                con.execute("COMMIT")
            except BaseException as error:
                raise _written(error, path) from error
            con.execute("DROP VIEW staged; DROP TABLE lines")


def _fold_batch(con: DuckDBPyConnection) -> None:
    con.execute(schema.sql("fold.sql"))
    if con.execute("SELECT 1 FROM staged WHERE record = 'planned' LIMIT 1").fetchone():
        con.execute(schema.sql("slots.sql"))
        con.execute("DELETE FROM flat; CREATE TEMP VIEW stale AS FROM slots")
    else:
        con.execute("CREATE TEMP VIEW stale AS FROM slots SEMI JOIN touched USING (experiment_id)")
    con.execute(schema.sql("flat.sql"))
    con.execute("DROP VIEW stale; DROP TABLE touched")


def _copy_lines(journal: Path, offset: int, batch: Path) -> tuple[int, int, int]:
    """Copy whole lines from an offset on: (offset reached, lines, bytes of the longest).

    A copy, because DuckDB reads files from the start, and because the journal may grow.
    """
    lines = longest = 0
    end = offset
    with journal.open("rb") as source, batch.open("wb") as target:
        source.seek(offset)
        for line in source:
            if not line.endswith(b"\n"):
                break
            target.write(line)
            end += len(line)
            lines += 1
            longest = max(longest, len(line))
            if end - offset >= BATCH_BYTES:
                break
    return end, lines, longest


def _stage(con: DuckDBPyConnection, batch: Path, longest: int, mark: Mark, journal: Path) -> None:
    """The batch as the temporary view `staged`, in the journal's order."""
    import duckdb

    types = ", ".join(f"\"{name}\": '{kind}'" for name, kind in COLUMNS.items())
    size = max(longest + 1, 1 << 20)
    try:
        con.execute(
            f"CREATE TEMP TABLE lines AS SELECT * FROM read_ndjson(?, columns = {{{types}}}, "
            f"maximum_object_size = {size})",
            [str(batch)],
        )
    except duckdb.Error as error:
        _name_bad_line(batch, mark, journal)
        raise UserError(
            f"{journal}, after line {mark.records}: a record has a field of the wrong type "
            f"({str(error).splitlines()[0]}); mend or delete that line"
        ) from error
    if con.execute("SELECT 1 FROM lines WHERE record IS NULL LIMIT 1").fetchone():
        _name_bad_line(batch, mark, journal)
    con.execute(
        f'CREATE TEMP VIEW staged AS SELECT *, TRY_CAST("at" AS TIMESTAMP) AS recorded_at, '
        f"rowid + {mark.records} AS journal_order FROM lines"
    )


def _name_bad_line(batch: Path, mark: Mark, journal: Path) -> None:
    """UserError with the line's number, if a line of the batch is no record."""
    offset = mark.offset
    with batch.open("rb") as file:
        for line in file:
            if line.strip():
                decode(line, journal, offset)
            offset += len(line)


def _written(error: BaseException, path: Path) -> BaseException:
    """DuckDB's error in the user's words where the disk refuses; otherwise as it is."""
    if not re.search("no space|too large|quota|could not write|read-only file", str(error), re.I):
        return error
    why = str(error).splitlines()[0].rsplit(": ", 1)[-1]
    return DiskError(
        f"cannot write {path}: {why}. Every result is in the journal; free some space and run "
        f"`lth-bench db fold --results {path}`"
    )
