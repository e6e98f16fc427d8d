"""Results as one Parquet file, and a database made of it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from close import rows_of

from lth_bench.errors import UserError
from lth_bench.store import fold, reading
from lth_bench.store.paths import DiskError
from lth_bench.store.seed_rows import COLUMNS, FORMAT, KEY, about, restored, write_rows

BACK = (
    "SELECT suite, strategy, label, params, control, model, dataset, recipe, seed, target_density, "
    "density, effective_density, test_accuracy, test_loss, score, early_stop_step, steps, "
    "search_steps, flops_dense, status, experiment_id, config_id, test_examples, metric "
    "FROM tickets_flat"
)


@pytest.fixture
def file(make_scenario: Callable[..., Any], write: Callable[..., Any], tmp_path: Path) -> Path:
    """A suite with controls, a seed that diverged, and a task that is judged by an error."""
    scenario = make_scenario(
        tasks=(("mlp", "digits", "mlp"), ("mlp", "diabetes", "mlp")),
        controls=("reinit",),
        judged={"diabetes": ("rmse", "", False)},
        outcomes={("snip", 1): ("diverged", "NaN")},
        test_examples=500,
    )
    paths = write(scenario)
    fold(paths)
    target = tmp_path / "rows.parquet"
    write_rows(paths.results, "quickstart", target, "lth-bench run quickstart")
    return target


def test_what_was_written_is_read_again(file: Path) -> None:
    with reading(file.with_name("results.duckdb")) as con:
        there = rows_of("tickets_flat", con.execute(BACK).fetchall())
        board = con.execute("SELECT label, control, n, rank FROM leaderboard").fetchall()
    with restored(file) as database, reading(database) as con:
        assert rows_of("tickets_flat", con.execute(BACK).fetchall()) == there
        again = con.execute("SELECT label, control, n, rank FROM leaderboard").fetchall()
        assert again == board
    assert not database.exists()


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


def rewritten(file: Path, select: str, said: object = None) -> Path:
    """The same rows, chosen or changed by SQL, with other metadata."""
    other = file.with_name("other.parquet")
    text = json.dumps(about(file) if said is None else said).replace("'", "''")
    with duckdb.connect() as con:
        con.execute(
            f"COPY ({select.format(file=file)}) TO '{other}' (FORMAT parquet, "
            f"KV_METADATA {{{KEY}: '{text}'}})"
        )
    return other


@pytest.mark.parametrize(
    ("select", "said", "told"),
    [
        ("SELECT * EXCLUDE (score) FROM '{file}'", None, "score is missing"),
        (
            "SELECT * REPLACE (CAST(seed AS VARCHAR) AS seed) FROM '{file}'",
            None,
            "seed is VARCHAR, not BIGINT",
        ),
        ("SELECT 1 AS x", None, r"experiment_id is missing.* and \d+ more"),
        ("FROM '{file}'", [1, 2], "its metadata has no 'lth_bench'"),
        ("FROM '{file}'", "later", f"it is of format 99, and this version reads {FORMAT}"),
        (
            "SELECT * REPLACE ('no JSON' AS config) FROM '{file}'",
            None,
            "has the right columns, but cannot be read",
        ),
    ],
)
def test_a_strangers_file_is_refused_in_one_message(
    file: Path, select: str, said: object, told: str
) -> None:
    other = rewritten(file, select, {**about(file), "format": 99} if said == "later" else said)
    with pytest.raises(UserError, match=told) as caught, restored(other):
        pass
    assert str(other) in caught.value.message


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "x.parquet"
    other.write_text("seed,score\n0,0.9\n")
    with pytest.raises(UserError, match="cannot be read as Parquet"), restored(other):
        pass
    with pytest.raises(UserError, match="there is no file"), restored(tmp_path / "y.parquet"):
        pass
    with pytest.raises(UserError, match="is a folder; name a"), restored(tmp_path):
        pass


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
    assert there == list(COLUMNS)
