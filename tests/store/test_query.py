from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lth_bench.errors import UserError
from lth_bench.store import Paths, fold, reading
from lth_bench.store.query import plain, query


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    records = runpy.run_path(str(Path(__file__).with_name("records.py")))
    scenario = records["Scenario"](strategies=("dense", "imp"), seeds=(0, 1))
    found: Paths = records["write"](tmp_path_factory.mktemp("query") / "results.duckdb", scenario)
    fold(found)
    return found


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1 AS one", [(1,)]),
        ("FROM (VALUES (1), (2)) v(x)", [(1,), (2,)]),
        ("-- a comment\nSELECT count(*) FROM tickets_flat;", [(6,)]),
        ("WITH a AS (SELECT 3 AS x) FROM a", [(3,)]),
        pytest.param(
            "PIVOT (SELECT 'a' AS k, 2 AS v) ON k USING sum(v)",
            [(2,)],
            marks=pytest.mark.skipif(
                duckdb.__version__ < "2", reason="DuckDB 1 takes it for two statements"
            ),
        ),
    ],
)
def test_reading_queries_are_answered(paths: Paths, sql: str, rows: list[tuple[Any, ...]]) -> None:
    with reading(paths.results) as con:
        assert list(query(con, sql).rows) == rows


@pytest.mark.parametrize("sql", ["SHOW TABLES", "DESCRIBE leaderboard", "SUMMARIZE tickets",
                                 "EXPLAIN FROM leaderboard"])  # fmt: skip
def test_describing_queries_are_answered(paths: Paths, sql: str) -> None:
    with reading(paths.results) as con:
        assert list(query(con, sql).rows)


FORBIDDEN = [
    "DROP TABLE tickets",
    "DELETE FROM tickets",
    "UPDATE tickets SET density = 1",
    "INSERT INTO metrics VALUES ('a', 'b', 1)",
    "CREATE TABLE mine (x INT)",
    "CREATE TEMP TABLE mine AS SELECT 1",
    "CREATE OR REPLACE VIEW leaderboard AS SELECT 1",
    "COPY tickets TO 'FOLDER/out.csv'",
    "COPY tickets FROM 'FOLDER/secret.csv'",
    "EXPORT DATABASE 'FOLDER/out'",
    "ATTACH 'FOLDER/other.duckdb'",
    "FROM read_csv('FOLDER/secret.csv')",
    "FROM read_text('FOLDER/secret.csv')",
    "FROM 'FOLDER/secret.csv'",
    "FROM glob('FOLDER/*')",
    "SELECT getenv('HOME')",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "PREPARE p AS SELECT 1",
    "BEGIN",
    "CHECKPOINT",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE tickets",
    "",
    "-- nothing",
    "SELEC 1",
    "SELECT nothing FROM nowhere",
    "FROM paths",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_queries_that_write_or_read_files_are_refused(paths: Paths, sql: str) -> None:
    folder = paths.results.parent
    (folder / "secret.csv").write_text("secret\n1\n")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with reading(paths.results) as con, pytest.raises(UserError) as error:
        list(query(con, sql.replace("FOLDER", str(folder))).rows)
    assert "secret\n1" not in error.value.message
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_an_error_after_many_rows_is_one_error(paths: Paths) -> None:
    late = "SELECT CASE WHEN range = 50000 THEN error('late') ELSE range END FROM range(100000)"
    with reading(paths.results) as con, pytest.raises(UserError, match="late"):
        list(query(con, late).rows)


def test_a_query_over_the_memory_limit_fails_without_spilling(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lth_bench.store.database.MEMORY_LIMIT", "200MB")
    folder = paths.results.parent
    before = sorted(p.name for p in folder.iterdir())
    with reading(paths.results) as con, pytest.raises(UserError, match="more memory"):
        list(query(con, "SELECT list(repeat('x', 1000) || range) FROM range(100000000)").rows)
    assert sorted(p.name for p in folder.iterdir()) == before


def test_an_endless_query_can_be_interrupted(paths: Paths) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from lth_bench.store import reading
        from lth_bench.store.query import query
        with reading(Path({str(paths.results)!r})) as con:
            try:
                print("begun", flush=True)
                list(query(con, "SELECT sum(a.range * b.range) "
                                "FROM range(10000000) a, range(10000000) b").rows)
            except KeyboardInterrupt:
                print("interrupted")
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGINT)
        try:
            out, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert out.endswith("interrupted\n")  # DuckDB may have begun a progress bar


def test_a_query_that_ignores_the_interrupt_is_abandoned(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lth_bench.store.query.HEARS", 0.1)

    def unheard(reason: BaseException) -> None:
        raise ZeroDivisionError from reason

    sql = "SELECT levenshtein(repeat('ab', 12000), repeat('bc', 12000))"  # 2 s
    with pytest.raises(ZeroDivisionError) as caught:
        query(duckdb.connect(), sql, 0.1, unheard)
    assert "longer than 0.1 s" in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("1::HUGEINT << 70", 1 << 70),
        ("1.5::DECIMAL(5, 2)", 1.5),
        ("'NaN'::DOUBLE", None),
        ("'-inf'::FLOAT", None),
        ("TIMESTAMP '2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
        ("DATE '2026-01-02'", "2026-01-02"),
        ("INTERVAL 90 SECOND", "00:01:30"),
        ("INTERVAL 3 MONTH", "3 months"),
        ("INTERVAL '1000000000 days'", "1000000000 days"),
        ("TIMESTAMPTZ '2026-01-02 03:04:05+00'", "2026-01-02T03:04:05+00"),
        ("TIMESTAMP 'infinity'", "infinity"),
        ("DATE '-infinity'", "-infinity"),
        ("TIMESTAMP_NS '2026-01-02 03:04:05.123456789'", "2026-01-02T03:04:05.123456789"),
        ("TIMETZ '12:00:00+02'", "12:00:00+02"),
        ("TIME '24:00:00'", "24:00:00"),
        ("'101'::BIT", "101"),
        ("'x'::ENUM('x', 'y')", "x"),
        ("union_value(a := INTERVAL 3 MONTH)", {"a": "3 months"}),
        ("[INTERVAL 3 MONTH, NULL]", ["3 months", None]),
        ("MAP {'x': DATE '2026-01-02'}", {"x": "2026-01-02"}),
        ("NULL::TIMESTAMPTZ[]", None),
        ("array_value(1, 2)", [1, 2]),
        ("'\\xAA'::BLOB", "aa"),
        ("{'a': [1, NULL], 'b': MAP {'x': 2.0}}", {"a": [1, None], "b": {"x": 2.0}}),
        ("'8d2e4f5e-5f3b-4b6e-9a4e-0e6f3f7b9c1d'::UUID", "8d2e4f5e-5f3b-4b6e-9a4e-0e6f3f7b9c1d"),
        ("true", True),
        ("NULL", None),
    ],
)
def test_every_type_becomes_json(paths: Paths, sql: str, value: object) -> None:
    with reading(paths.results) as con:
        ((found,),) = query(con, f"SELECT {sql}").rows
    assert plain(found) == value
    json.dumps(plain(found), allow_nan=False)
