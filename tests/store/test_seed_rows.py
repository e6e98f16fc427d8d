"""Results as one Parquet file: what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lth_bench.errors import UserError
from lth_bench.store import fold
from lth_bench.store.paths import DiskError
from lth_bench.store.rows_file import about
from lth_bench.store.rows_metadata import LOOKS
from lth_bench.store.seed_rows import ADDED_COLUMNS, COLUMNS, write_rows


def test_a_file_says_how_it_was_made_and_names_no_machine(file: Path) -> None:
    said = about(file)
    assert said["suite"] == "quickstart"
    assert said["command"] == "lth-bench run quickstart"
    assert said["environment"]["torch"] == "2.15.0"
    with duckdb.connect() as con:
        rows = con.execute(f"FROM '{file}'").fetchall()
    told = json.dumps([said, [[str(value) for value in row] for row in rows]])
    assert "lab" not in said["environment"].values()  # the host of the records
    assert '"host"' not in told
    assert str(file.parent) not in told


def test_a_file_that_cannot_be_written_is_one_message_and_leaves_nothing(file: Path) -> None:
    results = file.with_name("results.duckdb")
    before = sorted(file.parent.iterdir())
    for target in (file / "x.parquet", Path("/proc/x.parquet")):  # in a file, and where root cannot
        with pytest.raises(DiskError, match=r"cannot write .*x\.parquet: .*Nothing is left there"):
            write_rows(results, "quickstart", target, "")
    assert sorted(file.parent.iterdir()) == before


def test_runs_of_different_suites_make_no_one_file(
    make_scenario: Callable[..., Any], write: Callable[..., Any], tmp_path: Path
) -> None:
    paths = write(
        make_scenario(run_id="run-1"),
        make_scenario(run_id="run-2", seeds=(7,), toml='[suite]\nname = "quickstart"\nseeds = 9'),
    )
    fold(paths)
    with pytest.raises(UserError, match="differ in their suites or their --set"):
        write_rows(paths.results, "quickstart", tmp_path / "x.parquet", "")
    with pytest.raises(UserError, match="has no suite 'other'"):
        write_rows(paths.results, "other", tmp_path / "x.parquet", "")


def test_every_column_is_written(file: Path) -> None:
    with duckdb.connect() as con:
        there = [row[0] for row in con.execute(f"DESCRIBE FROM '{file}'").fetchall()]
    assert there == [*COLUMNS, *ADDED_COLUMNS]


def test_seeds_added_until_decided_are_told_with_every_look(decided_file: Path) -> None:
    said = about(decided_file)
    assert said["decide"] == {"margin": None, "max_seeds": 8}
    looks = said["looks"]
    assert list(looks) == sorted(LOOKS)
    assert looks["label"] == ["imp", "imp"] and looks["target_density"] == [0.5, 0.2]
    assert looks["stop"] == ["decided"] * 2 and looks["n"] == [3, 3]


def test_a_fixed_number_of_seeds_has_no_rule(file: Path) -> None:
    assert not {"decide", "looks"} & about(file).keys()


def test_what_ran_out_of_memory_or_time_has_ended_and_is_written(
    make_scenario: Callable[..., Any], write: Callable[..., Any], tmp_path: Path
) -> None:
    ends = ("oom", "timeout", "interrupted")
    paths = write(make_scenario(outcomes={("imp", i): (ends[i], "x") for i in range(3)}))
    fold(paths)
    write_rows(paths.results, "quickstart", tmp_path / "x.parquet", "")
    with duckdb.connect() as con:
        found = con.execute(
            f"SELECT DISTINCT seed, status FROM '{tmp_path / 'x.parquet'}' WHERE label = 'imp' "
            f"ORDER BY ALL"
        ).fetchall()
    assert found == [(0, "oom"), (1, "timeout")]
