"""Results that are not ours, opened: a stranger's file of rows that is whole but of no use."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lth_bench.errors import UserError
from lth_bench.maintenance.verify.recorded import opened
from lth_bench.maintenance.verify.rules import broken
from lth_bench.store import fold
from lth_bench.store.rows_file import about
from lth_bench.store.seed_rows import write_rows

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The rows of a suite whose seeds were added until decided."""
    paths = RECORDS["write"](tmp_path / "x.duckdb", RECORDS["UntilDecided"]())
    fold(paths)
    write_rows(paths.results, "quickstart", tmp_path / "x.parquet", "")
    return tmp_path / "x.parquet"


def rewritten(file: Path, where: str = "true", **said: Any) -> Path:
    other = file.with_name("other.parquet")
    text = json.dumps({**about(file), **said}).replace("'", "''")
    with duckdb.connect() as con:
        con.execute(
            f"COPY (FROM '{file}' WHERE {where}) TO '{other}' (FORMAT parquet, "
            f"KV_METADATA {{lth_bench: '{text}'}})"
        )
    return other


def test_a_file_without_a_row_is_refused(theirs: Path) -> None:
    other = rewritten(theirs, "false")
    with pytest.raises(UserError) as told, opened(other):
        pass
    assert told.value.message == f"{other} has no results: no row was planned in it"


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"margin": None, "max_seeds": 10**6}, "up to 1000000, with the default margin; there are"),
        ({"margin": 7.5, "max_seeds": 8}, "up to 8, with margin 7.5; there are 3 to 60 seeds"),
    ],
)
def test_a_rule_that_no_run_follows_is_one_message(
    theirs: Path, rule: dict[str, Any], told: str
) -> None:
    with opened(rewritten(theirs, decide=rule)) as con, pytest.raises(UserError, match=told):
        broken(con)


def test_another_version_of_a_shipped_suite_breaks_a_rule(theirs: Path) -> None:
    with opened(rewritten(theirs, suite_version=7)) as con:
        found = [one.message for one in broken(con) if one.rule == "suites"]
    assert found == ["quickstart is of version 7, and the shipped suite is of version 1"]
