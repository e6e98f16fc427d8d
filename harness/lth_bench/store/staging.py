"""A batch of journal lines in a temporary table, typed, in order."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.store import latencies
from lth_bench.store.finite import finite
from lth_bench.store.journal import bad_record, decode, is_ticket, lines_of, require_short
from lth_bench.store.mark import FileMark, digests
from lth_bench.store.paths import disk_error, open_to_read

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH_BYTES = 64 << 20
"""Journal bytes folded in one transaction: limits the memory of a rebuild to about 500 MB."""

_LAYER = "STRUCT(layer VARCHAR, kind VARCHAR, total BIGINT, kept BIGINT, frozen BOOLEAN)[]"
_UNITS = "STRUCT(layer VARCHAR, side VARCHAR, shape BIGINT[], kept BIGINT[])[]"
_WEIGHTS = "STRUCT(layer VARCHAR, moment VARCHAR, reach DOUBLE, counts BIGINT[])[]"
_FATE = (
    "STRUCT(layer VARCHAR, fate VARCHAR, weights BIGINT, same_sign BIGINT, grew BIGINT, "
    "moved DOUBLE, initial DOUBLE, reach DOUBLE, cells BIGINT[], counts BIGINT[])[]"
)
_MATRIX = 'STRUCT(name VARCHAR, steps BIGINT[], "values" DOUBLE[][])[]'
_OUTLINE = "STRUCT(name VARCHAR, x DOUBLE[], y DOUBLE[])[]"
_COST = (
    "STRUCT(steps BIGINT, examples BIGINT, flops_dense DOUBLE, flops_masked_theoretical DOUBLE, "
    "seconds DOUBLE, search_steps BIGINT, search_examples BIGINT, search_flops_dense DOUBLE, "
    "search_flops_masked_theoretical DOUBLE, search_seconds DOUBLE, spent_steps BIGINT, "
    "spent_seconds DOUBLE, bit_operations DOUBLE, search_bit_operations DOUBLE)"
)
_TRAINING = (
    'STRUCT(key VARCHAR, role VARCHAR, start BIGINT, "end" BIGINT, steps BIGINT, '
    "flops_dense DOUBLE, flops_masked_theoretical DOUBLE, seconds DOUBLE, device VARCHAR, "
    "cohort_size BIGINT, width BIGINT, variant VARCHAR, reused BOOLEAN, device_name VARCHAR, "
    "peak_memory BIGINT)[]"
)
_EXPERIMENT = (
    "STRUCT(experiment_id VARCHAR, config_id VARCHAR, suite VARCHAR, strategy VARCHAR, "
    "label VARCHAR, params JSON, model VARCHAR, dataset VARCHAR, recipe VARCHAR, "
    "source_model VARCHAR, source_dataset VARCHAR, source_recipe VARCHAR, seed BIGINT, "
    "densities DOUBLE[], controls VARCHAR[], iterative BOOLEAN, plugin_version VARCHAR, "
    "source_hash VARCHAR, config JSON, scored_on VARCHAR, "
    "tuned_from STRUCT(study VARCHAR, trial BIGINT, steps BIGINT), "
    "parameters BIGINT, prunable BIGINT, not_prunable VARCHAR[], metric VARCHAR, "
    "metric_unit VARCHAR, higher_is_better BOOLEAN, start JSON)[]"
)
_LOOK = (
    "STRUCT(n BIGINT, verdict VARCHAR, stop VARCHAR, difference DOUBLE, deviation DOUBLE, "
    "p DOUBLE, p_equivalent DOUBLE, margin DOUBLE, max_seeds BIGINT, baseline VARCHAR, "
    "metric VARCHAR, source_model VARCHAR, source_dataset VARCHAR, source_recipe VARCHAR)"
)
_WORKER = (
    "STRUCT(slot BIGINT, worker VARCHAR, host VARCHAR, device VARCHAR, state VARCHAR, "
    "processes BIGINT, units BIGINT, experiments BIGINT, retries BIGINT, steps BIGINT, "
    "examples BIGINT, training_seconds DOUBLE, starting_seconds DOUBLE, busy_seconds DOUBLE, "
    "queued_seconds DOUBLE, idle_seconds DOUBLE)[]"
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
    "cohort_size": "BIGINT",
    "width": "BIGINT",  # its name in older journals
    "fingerprint": "VARCHAR",
    "test_examples": "BIGINT",
    "replaces": "VARCHAR",
    "numerics": "STRUCT(torch VARCHAR, engine BIGINT, device VARCHAR)",
    "metrics": "MAP(VARCHAR, DOUBLE)",
    "score": "DOUBLE",
    "right": "MAP(VARCHAR, VARCHAR)",
    "layers": _LAYER,
    "units": _UNITS,
    "cost": _COST,
    "trainings": _TRAINING,
    "curve": "DOUBLE[][]",
    "weights": _WEIGHTS,
    "fates": _FATE,
    "matrices": _MATRIX,
    "outlines": _OUTLINE,
    "study_id": "VARCHAR",
    "study": "VARCHAR",
    "model": "VARCHAR",
    "dataset": "VARCHAR",
    "recipe": "VARCHAR",
    "strategy": "VARCHAR",
    "label": "VARCHAR",
    "number": "BIGINT",
    "state": "VARCHAR",
    "origin": "VARCHAR",
    "params": "JSON",
    "distributions": "JSON",
    "objectives": "VARCHAR[]",
    "directions": "VARCHAR[]",
    "values": "DOUBLE[]",
    "intermediate": "DOUBLE[][]",
    "densities": "DOUBLE[]",
    "seeds": "BIGINT[]",
    "steps": "BIGINT",
    "experiment_ids": "VARCHAR[]",
    "workers": _WORKER,
    "expected_seconds": "DOUBLE",
    "ended": "BOOLEAN",
    "budget": "JSON",
    "sampler": "VARCHAR",
    "pruner": "VARCHAR",
    "source_hash": "VARCHAR",
    "decide": "STRUCT(margin DOUBLE, max_seeds BIGINT)",
    "look": _LOOK,
    **latencies.COLUMNS,
}
"""Keys of all records and the types that DuckDB reads them as; unknown keys are ignored."""

_TYPES = ", ".join(f"\"{name}\": '{kind}'" for name, kind in COLUMNS.items())
_FINITE = ", ".join(
    f'{sql} AS "{name}"'
    for name, kind in COLUMNS.items()
    if (sql := finite(f'"{name}"', kind)) is not None
)
_LARGE = re.compile(rb"[eE]\+?[0-9]{3}|[0-9]{308}")
"""What a number beyond every float has in it, and some that are none."""


@dataclass(frozen=True, kw_only=True)
class StagedLines:
    """Complete lines of a journal, copied to a separate file."""

    journal: Path
    file: Path
    before: FileMark
    end: int
    """Offset in the journal after them."""
    lines: int
    longest: int
    """Bytes of the longest line."""

    def after(self) -> FileMark:
        """The database's mark once they are folded in."""
        head, tail = digests(self.journal, self.end)
        records = self.before.records + self.lines
        return FileMark(
            schema_version=self.before.schema_version,
            offset=self.end,
            records=records,
            head=head,
            tail=tail,
        )


def copy_lines(journal: Path, before: FileMark, file: Path) -> StagedLines | None:
    """The next complete lines after the mark; None if there are none.

    Copied, because DuckDB reads files from the start and the journal may grow. DiskError if there
    is no space.
    """
    lines = longest = 0
    end = before.offset
    try:
        with open_to_read(journal, "journal") as source, file.open("wb") as target:
            source.seek(end)
            for line in lines_of(source):
                if not line.endswith(b"\n"):
                    require_short(line, journal, end)
                    break
                target.write(_readable(line, journal, end))
                end += len(line)
                lines += 1
                longest = max(longest, len(line))
                if end - before.offset >= BATCH_BYTES:
                    break
    except OSError as error:
        raise disk_error(error, file, "copy the journal to") from error
    return (
        StagedLines(
            journal=journal, file=file, before=before, end=end, lines=lines, longest=longest
        )
        if lines
        else None
    )


def stage(con: DuckDBPyConnection, batch: StagedLines) -> None:
    """Create the view `staged` of the batch, with `journal_order` and `recorded_at`.

    Call outside of a transaction, so that the table's rowids count from 0. UserError naming a line
    that is not a record, or has fields of the wrong type.
    """
    import duckdb

    try:
        _read(con, "lines", batch.file, batch.longest)
    except (duckdb.Error, UnicodeDecodeError) as error:  # its message may end within a character
        _name_bad_line(batch)
        raise _wrong_type(con, batch, error) from error
    if con.execute("SELECT 1 FROM lines WHERE record IS NULL LIMIT 1").fetchone():
        _name_bad_line(batch)
    con.execute(
        f'CREATE TEMP VIEW staged AS SELECT *, TRY_CAST("at" AS TIMESTAMP) AS recorded_at, '
        f"rowid + {batch.before.records} AS journal_order FROM lines"
    )


def _read(con: DuckDBPyConnection, table: str, file: Path, longest: int) -> None:
    """Read lines into a new temporary table, with null for numbers that are not finite."""
    con.execute(
        f"CREATE TEMP TABLE {table} AS SELECT * REPLACE ({_FINITE}) "
        f"FROM read_ndjson(?, columns = {{{_TYPES}}}, maximum_object_size = {longest + (1 << 20)})",
        [str(file)],
    )


def unstage(con: DuckDBPyConnection) -> None:
    """Drop what `stage` created."""
    con.execute("DROP VIEW staged; DROP TABLE lines")


def _readable(line: bytes, journal: Path, offset: int) -> bytes:
    """The line in a form that DuckDB and readers of the tables can read.

    For any record but a ticket, with null for numbers too large for a float, since its parameters
    are kept as text. UserError for a number that JSON does not allow.
    """
    if is_ticket(line) and not (b"NaN" in line or b"Infinity" in line):
        return line
    if not line.strip():
        return line
    record = decode(line, journal, offset)
    large = not is_ticket(line) and _LARGE.search(line)
    return json.dumps(record, separators=(",", ":")).encode() + b"\n" if large else line


def _wrong_type(con: DuckDBPyConnection, batch: StagedLines, error: Exception) -> UserError:
    """The error for the first line with a field of the wrong type, found by bisection."""
    with batch.file.open("rb") as file:
        lines = file.readlines()
    first, last = 0, len(lines)  # the line is one of these
    while last - first > 1:
        middle = (first + last) // 2
        if _complaint(con, batch, lines[first:middle]) is None:
            first = middle
        else:
            last = middle
    found = _complaint(con, batch, lines[first:last]) or error
    offset = batch.before.offset
    with open_to_read(batch.journal, "journal") as file:
        file.seek(offset)
        offset += sum(len(line) for line in islice(lines_of(file), first))
    why = re.sub(r".*in line \d+: ", "", str(found).splitlines()[0])
    return bad_record(batch.journal, offset, f"a field is of the wrong type: {why}")


def _complaint(
    con: DuckDBPyConnection, batch: StagedLines, lines: Sequence[bytes]
) -> Exception | None:
    """DuckDB's error for these lines."""
    import duckdb

    piece = batch.file.with_suffix(".piece")
    piece.write_bytes(b"".join(lines))
    try:
        _read(con, "piece", piece, batch.longest)
    except (duckdb.Error, UnicodeDecodeError) as error:
        return error
    con.execute("DROP TABLE piece")
    return None


def _name_bad_line(batch: StagedLines) -> None:
    """UserError with the line's number, if a line of the batch is not a record."""
    offset = batch.before.offset
    with batch.file.open("rb") as file:
        for line in file:
            if line.strip():
                decode(line, batch.journal, offset)
            offset += len(line)
