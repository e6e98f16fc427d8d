"""A batch of journal lines in a temporary table, typed, in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.store.journal import decode
from lth_bench.store.mark import Mark, digests
from lth_bench.store.paths import disk_error

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH_BYTES = 64 << 20
"""Journal bytes folded in one transaction: bounds the memory of a rebuild to some 500 MB."""

_LAYER = "STRUCT(layer VARCHAR, kind VARCHAR, total BIGINT, kept BIGINT)[]"
_WEIGHTS = "STRUCT(layer VARCHAR, moment VARCHAR, reach DOUBLE, counts BIGINT[])[]"
_MATRIX = 'STRUCT(name VARCHAR, steps BIGINT[], "values" DOUBLE[][])[]'
_COST = (
    "STRUCT(steps BIGINT, examples BIGINT, flops_dense DOUBLE, flops_masked_theoretical DOUBLE, "
    "seconds DOUBLE, search_steps BIGINT, search_examples BIGINT, search_flops_dense DOUBLE, "
    "search_flops_masked_theoretical DOUBLE, search_seconds DOUBLE, spent_steps BIGINT, "
    "spent_seconds DOUBLE)"
)
_TRAINING = (
    'STRUCT(key VARCHAR, role VARCHAR, start BIGINT, "end" BIGINT, steps BIGINT, '
    "flops_dense DOUBLE, flops_masked_theoretical DOUBLE, seconds DOUBLE, device VARCHAR, "
    "width BIGINT, variant VARCHAR, reused BOOLEAN, device_name VARCHAR, peak_memory BIGINT)[]"
)
_EXPERIMENT = (
    "STRUCT(experiment_id VARCHAR, config_id VARCHAR, suite VARCHAR, strategy VARCHAR, "
    "label VARCHAR, params JSON, model VARCHAR, dataset VARCHAR, recipe VARCHAR, "
    "source_model VARCHAR, source_dataset VARCHAR, source_recipe VARCHAR, seed BIGINT, "
    "densities DOUBLE[], controls VARCHAR[], iterative BOOLEAN, plugin_version VARCHAR, "
    "source_hash VARCHAR, config JSON, scored_on VARCHAR, "
    "tuned_from STRUCT(study VARCHAR, trial BIGINT, steps BIGINT))[]"
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
    "width": "BIGINT",
    "fingerprint": "VARCHAR",
    "test_examples": "BIGINT",
    "replaces": "VARCHAR",
    "numerics": "STRUCT(torch VARCHAR, engine BIGINT, device VARCHAR)",
    "metrics": "MAP(VARCHAR, DOUBLE)",
    "layers": _LAYER,
    "cost": _COST,
    "trainings": _TRAINING,
    "curve": "DOUBLE[][]",
    "weights": _WEIGHTS,
    "matrices": _MATRIX,
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
    "budget": "JSON",
    "sampler": "VARCHAR",
    "pruner": "VARCHAR",
    "source_hash": "VARCHAR",
}
"""Keys of all records and the types DuckDB reads them as; unknown keys are passed over."""


@dataclass(frozen=True)
class Batch:
    """Whole lines of a journal, copied to a file of their own."""

    journal: Path
    file: Path
    before: Mark
    end: int
    """Offset in the journal that follows them."""
    lines: int
    longest: int
    """Bytes of the longest line."""

    def after(self) -> Mark:
        """How far a database is with them folded in."""
        head, tail = digests(self.journal, self.end)
        records = self.before.records + self.lines
        return Mark(self.before.schema_version, self.end, records, head, tail)


def copy_lines(journal: Path, before: Mark, file: Path) -> Batch | None:
    """The next whole lines after the mark, or None where there is none.

    A copy, because DuckDB reads files from the start, and because the journal may grow.
    DiskError where there is no room for it.
    """
    lines = longest = 0
    end = before.offset
    try:
        with journal.open("rb") as source, file.open("wb") as target:
            source.seek(end)
            for line in source:
                if not line.endswith(b"\n"):
                    break
                target.write(line)
                end += len(line)
                lines += 1
                longest = max(longest, len(line))
                if end - before.offset >= BATCH_BYTES:
                    break
    except OSError as error:
        raise disk_error(error, file, "copy the journal to") from error
    return Batch(journal, file, before, end, lines, longest) if lines else None


def stage(con: DuckDBPyConnection, batch: Batch) -> None:
    """Make the view `staged` of the batch, with `journal_order` and `recorded_at`.

    Outside of a transaction, where the rowids of the table count from 0. UserError that names
    the line which is no record, or whose fields are of the wrong type.
    """
    import duckdb

    types = ", ".join(f"\"{name}\": '{kind}'" for name, kind in COLUMNS.items())
    size = max(batch.longest + 1, 1 << 20)
    try:
        con.execute(
            f"CREATE TEMP TABLE lines AS SELECT * FROM read_ndjson(?, columns = {{{types}}}, "
            f"maximum_object_size = {size})",
            [str(batch.file)],
        )
    except (duckdb.Error, UnicodeDecodeError) as error:  # its message may end within a character
        _name_bad_line(batch)
        raise UserError(
            f"{batch.journal}, after line {batch.before.records}: a record has a field of the "
            f"wrong type ({str(error).splitlines()[0]}); mend or delete that line"
        ) from error
    if con.execute("SELECT 1 FROM lines WHERE record IS NULL LIMIT 1").fetchone():
        _name_bad_line(batch)
    con.execute(
        f'CREATE TEMP VIEW staged AS SELECT *, TRY_CAST("at" AS TIMESTAMP) AS recorded_at, '
        f"rowid + {batch.before.records} AS journal_order FROM lines"
    )


def unstage(con: DuckDBPyConnection) -> None:
    """Drop what `stage` made."""
    con.execute("DROP VIEW staged; DROP TABLE lines")


def _name_bad_line(batch: Batch) -> None:
    """UserError with the line's number, if a line of the batch is no record."""
    offset = batch.before.offset
    with batch.file.open("rb") as file:
        for line in file:
            if line.strip():
                decode(line, batch.journal, offset)
            offset += len(line)
