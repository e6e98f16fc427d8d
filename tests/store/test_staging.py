from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import UNCHECKED, cases

from lth_bench.errors import UserError
from lth_bench.store import schema
from lth_bench.store.latencies import FormTime, LatencyRecord
from lth_bench.store.mark import FileMark
from lth_bench.store.records import (
    ExperimentRecord,
    PlannedExperiment,
    PlannedRecord,
    TicketCost,
    TicketRecord,
    TrainingUse,
    TrialRecord,
)
from lth_bench.store.run_records import (
    LookRecord,
    LookTaken,
    PluginUse,
    RunRecord,
    SeedRule,
    StragglerRecord,
    WorkersRecord,
    WorkerTotals,
)
from lth_bench.store.staging import COLUMNS, copy_lines, stage, unstage

START = FileMark(schema_version=schema.SCHEMA_VERSION, offset=0, records=0, head="", tail="")


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        schema.create(con)
        yield con


def take(con: duckdb.DuckDBPyConnection, content: bytes) -> bool:
    """Whether the lines could be folded; a clean error is the other possibility."""
    fold_batch = sys.modules["lth_bench.store.fold"]._fold_batch
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.jsonl"
        journal.write_bytes(content)
        try:
            batch = copy_lines(journal, START, Path(folder) / "batch.jsonl")
            if batch is None:
                return True
            stage(con, batch)
        except UserError:
            con.execute("DROP TABLE IF EXISTS lines")
            return False
        con.execute("BEGIN")
        fold_batch(con)
        con.execute("ROLLBACK")
        unstage(con)
    return True


few = settings(max_examples=cases(40), suppress_health_check=UNCHECKED)


@few
@given(st.lists(st.binary(max_size=80).map(lambda line: line.replace(b"\n", b"")), max_size=4))
def test_any_lines_are_read_or_one_error(con: Any, lines: list[bytes]) -> None:
    take(con, b"".join(line + b"\n" for line in lines))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["none", "ok", 1e300, -1, 0.5]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["experiment_id", "suite", "steps", "key", "a"]), inner),
    max_leaves=6,
)  # fmt: skip


@few
@given(
    st.sampled_from(["run", "planned", "ticket", "experiment", "look", "latency", "other"]),
    st.dictionaries(st.sampled_from([c for c in COLUMNS if c not in ("record", "at")]), values),
)
def test_any_fields_are_read_or_one_error(con: Any, record: str, fields: dict[str, Any]) -> None:
    take(con, json.dumps({"record": record, **fields}).encode() + b"\n")


def test_numbers_out_of_range_become_null(con: Any) -> None:
    ticket = {"record": "ticket", "ticket_id": "a", "reported": True,
              "metrics": {"early_stop_step": 1e300}, "curve": [[1e300, 0.1], []]}  # fmt: skip
    assert take(con, json.dumps(ticket).encode() + b"\n")


def test_every_documented_field_is_read() -> None:
    """`records.py` and the columns that are read from the journal say the same."""
    documented = set()
    for record in (
        RunRecord, PlannedRecord, TicketRecord, ExperimentRecord, TrialRecord, WorkersRecord,
        StragglerRecord, LookRecord, LatencyRecord,
    ):  # fmt: skip
        documented |= set(record.__annotations__)
    # asked by those that follow the journal, and no result
    assert documented - {"pid", "progress"} == set(COLUMNS)
    for inner, column in (
        (PluginUse, "plugins"), (PlannedExperiment, "experiments"), (TicketCost, "cost"),
        (TrainingUse, "trainings"), (WorkerTotals, "workers"), (SeedRule, "decide"),
        (LookTaken, "look"), (FormTime, "forms"),
    ):  # fmt: skip
        for name in inner.__annotations__:
            assert f"{name} " in COLUMNS[column].replace('"', ""), (column, name)
