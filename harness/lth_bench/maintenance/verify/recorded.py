"""What a database says of its experiments: what they were, what they rest on, what came out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.store.fold import build
from lth_bench.store.origin import find_journal
from lth_bench.store.paths import Paths, is_folder, looks_like_duckdb
from lth_bench.store.reading import is_current, reading
from lth_bench.store.rows_file import restored
from lth_bench.system.temporary import temporary_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WITH_RESULT = ("ok", "skipped", "diverged")
"""Statuses of experiments that have a result, which a rerun is to give again."""

RowKey = tuple[float, str]
"""Target density and control: a row of an experiment."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came out at one target density."""

    status: str
    values: Mapping[str, Any]
    """Everything of it that is not a time: densities, costs, metrics, weights kept in each layer,
    which test examples it gets right, and the key of its training, which its start values and its
    mask are part of."""
    score: float | None
    """The task's primary metric on the test split."""


@dataclass(frozen=True, kw_only=True)
class RecordedExperiment:
    """An experiment as a database has it."""

    experiment_id: str
    suite: str
    label: str
    strategy: str
    task: tuple[str, str, str]
    """Labels of model and dataset, name of the recipe."""
    source: tuple[str, str, str]
    """The task it was found on; its own unless transferred."""
    seed: int
    source_hash: str | None
    plugin_version: str | None
    config: Mapping[str, Any]
    run_id: str
    """The run that planned it last, whose suite it is of."""
    fingerprint: str | None
    numerics: Mapping[str, Any]
    """torch, engine, device, cpu (its name), cohort_size; None where it is not recorded."""
    densities: tuple[float, ...]
    """Its target densities."""
    rows: Mapping[RowKey, Row]
    """Empty where they were not asked for."""

    @property
    def name(self) -> str:
        """`imp on mlp/digits/short, seed 3 at 0.2`; the density where there is one alone."""
        return f"{self.label} on {'/'.join(self.task)}, {self._which}"

    @property
    def name_in_task(self) -> str:
        """`imp, seed 3 at 0.2`."""
        return f"{self.label}, {self._which}"

    @property
    def _which(self) -> str:
        at = f" at {self.densities[0]:g}" if len(self.densities) == 1 else ""
        return f"seed {self.seed}{at}"


@dataclass(frozen=True, kw_only=True)
class RunText:
    """The suite of a run, as it was recorded."""

    suite: str
    toml: str
    overrides: tuple[str, ...]


@contextlib.contextmanager
def opened(database: Path) -> Iterator[DuckDBPyConnection]:
    """A safe connection to results that are not ours: nothing is written beside them.

    Takes a database with its journal beside it, a snapshot, a journal (.jsonl) and a file of rows
    (.parquet). UserError for anything else, for what is damaged or has no row, and for what a newer
    version made.
    """
    with contextlib.ExitStack() as stack:
        try:
            con = _open(database, stack)
            if con.execute("SELECT 1 FROM flat LIMIT 1").fetchone() is None:
                raise UserError(f"{database} has no results: no row was planned in it")
        except UserError as error:  # the store's own advice concerns our results
            said = error.message.replace(" with --results", "").replace("--results ", "")
            raise UserError(said) from error
        yield con


def _open(database: Path, stack: contextlib.ExitStack) -> DuckDBPyConnection:
    if is_folder(database):
        raise UserError(
            f"{database} is a folder; name a file in it: results (.duckdb), a journal (.jsonl) or "
            f"rows (.parquet)"
        )
    if database.suffix == ".parquet":
        return stack.enter_context(reading(stack.enter_context(restored(database))))
    if database.suffix != ".jsonl":
        paths = Paths(database)
        if not (database.exists() or paths.journal.exists()):
            raise UserError(f"there are no results at {database}")
        if not paths.journal.exists() and not looks_like_duckdb(database):
            raise UserError(
                f"{database} is neither a DuckDB database nor a file of rows (.parquet)"
            )
        if _is_current(paths):
            return stack.enter_context(reading(database))
    temporary = temporary_folder("lth-bench-verify-")
    folder = Path(stack.enter_context(temporary))
    private = Paths(folder / "results.duckdb")
    journal = find_journal(database, private, folder / "journal.jsonl")
    build(private, journal)
    return stack.enter_context(reading(private.results))


def _is_current(paths: Paths) -> bool:
    """False for a database of an older version too, whose journal may still be read."""
    try:
        return is_current(paths)
    except UserError:
        if paths.journal.exists():
            raise
        return False  # a snapshot has its journal in it; what has none is refused by `find_journal`


def runs(con: DuckDBPyConnection) -> dict[str, RunText]:
    """The suite of every run that counts, by the run's id."""
    found = con.execute(
        "SELECT run_id, suite, suite_toml, overrides FROM environments WHERE suite_toml IS NOT NULL"
    ).fetchall()
    return {
        run_id: RunText(suite=suite, toml=toml, overrides=tuple(overrides or ()))
        for run_id, suite, toml, overrides in found
    }


def recorded(
    con: DuckDBPyConnection, ids: Collection[str] | None = None
) -> list[RecordedExperiment]:
    """The experiments that count and have a result, by id; those of `ids`, with their rows, where
    they are given, otherwise all of them, without.

    What a search for parameters tried on the validation split is not among them.
    """
    found = con.execute(
        """
        SELECT e.experiment_id, e.suite, e.label, e.strategy, e.model, e.dataset, e.recipe,
            e.source_model, e.source_dataset, e.source_recipe, e.seed, e.source_hash,
            e.plugin_version, e.config, e.run_id, e.fingerprint, e.torch, e.engine, e.device,
            v.environment ->> 'cpu' AS cpu, o.cohort_size, e.densities
        FROM experiments e
        LEFT JOIN outcomes o ON o.experiment_id = e.experiment_id
        LEFT JOIN environments v ON v.run_id = o.run_id
        WHERE e.current AND e.scored_on = 'test' AND list_contains(?, e.status)
            AND (? IS NULL OR list_contains(?, e.experiment_id))
        ORDER BY e.experiment_id, e.suite
        """,
        [list(WITH_RESULT), *(2 * [None if ids is None else list(ids)])],
    ).fetchall()
    rows = _rows(con, ids) if ids else {}
    return [_one(row, rows.get((row[1], row[0]), {})) for row in found]


def _one(row: tuple[Any, ...], rows: Mapping[RowKey, Row]) -> RecordedExperiment:
    (identity, suite, label, strategy, model, dataset, recipe, *source, seed, code, version, config,
     run_id, fingerprint, torch, engine, device, cpu, size, densities) = row  # fmt: skip
    said = json.loads(config) if config else {}
    return RecordedExperiment(
        experiment_id=identity,
        suite=suite,
        label=label,
        strategy=strategy,
        task=(model, dataset, recipe),
        source=(source[0], source[1], source[2]),
        seed=seed,
        source_hash=code,
        plugin_version=version,
        config=said if isinstance(said, dict) else {},
        run_id=run_id,
        fingerprint=fingerprint,
        numerics={
            "torch": torch,
            "engine": engine,
            "device": device,
            "cpu": cpu,
            "cohort_size": size,
        },
        densities=tuple(densities or ()),
        rows=rows,
    )


OF_ROW = (
    "density", "effective_density", "unit_density", "rewind_step", "test_examples", "steps",
    "examples", "flops_dense", "flops_masked_theoretical", "search_steps", "search_examples",
    "search_flops_dense", "search_flops_masked_theoretical", "bit_operations",
    "search_bit_operations",
)  # fmt: skip
"""Columns of `flat` that a rerun gives again."""
BESIDE = (
    "SELECT ticket_id, metric, value FROM metrics WHERE metric NOT LIKE '%seconds'",
    "SELECT ticket_id, 'kept in ' || layer, kept FROM layers",
    "SELECT ticket_id, 'training', min(key) FROM ticket_trainings WHERE role = 'train' GROUP BY 1",
    "SELECT ticket_id, 'answers by ' || metric, bits FROM answers",
)
"""Queries for what other tables have of a ticket: its id, a name and a value."""


def _rows(
    con: DuckDBPyConnection, ids: Collection[str]
) -> dict[tuple[str, str], dict[RowKey, Row]]:
    """By suite and experiment."""
    names = ", ".join(f"f.{name}" for name in OF_ROW)
    found = con.execute(
        f"""
        SELECT f.suite, f.experiment_id, f.target_density, f.control, f.status, f.score,
            f.ticket_id, {names}
        FROM flat f WHERE list_contains(?, f.experiment_id)
        """,
        [list(ids)],
    ).fetchall()
    tickets = [row[6] for row in found if row[6] is not None]
    beside: dict[str, dict[str, Any]] = {ticket: {} for ticket in tickets}
    for query in BESIDE:
        for ticket, name, value in con.execute(
            f"FROM ({query}) WHERE list_contains(?, ticket_id)", [tickets]
        ).fetchall():
            beside[ticket][name] = value
    rows: dict[tuple[str, str], dict[RowKey, Row]] = {}
    for suite, identity, density, control, status, score, ticket, *own in found:
        values = {**dict(zip(OF_ROW, own, strict=True)), **beside.get(ticket, {})}
        row = Row(status=status, values=values, score=score)
        rows.setdefault((suite, identity), {})[density, control] = row
    return rows
