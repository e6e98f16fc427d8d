"""The order of rows, and the types of columns: the same in SQL, data frames and files, always."""

from __future__ import annotations

import json
import random
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from close import close

import lth_bench
from lth_bench.store import Paths, fold
from lth_bench.store.export import documented, export_tables
from lth_bench.store.glossary import VIEWS

Make = Callable[..., Any]
RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))
TASK = ["suite", "model", "dataset", "recipe"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Two tasks, four labels, four seeds, three densities, a control, a study; some rows failed."""
    scenario = RECORDS["Scenario"](
        tasks=(("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper")),
        strategies=("dense", "imp", "one_shot", "snip"),
        seeds=(0, 1, 2, 5), densities=(0.9, 0.5, 0.2), controls=("reinit",), weights=True,
        outcomes={("snip", 1): ("failed", "ValueError: boom")},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("order")
    found: Paths = RECORDS["write"](
        folder / "results.duckdb", scenario, RECORDS["Search"](trials=2)
    )
    fold(found)
    return found


def rows(paths: Paths, name: str, threads: int) -> Any:
    config = {"threads": threads}
    with duckdb.connect(str(paths.results), read_only=True, config=config) as con:
        return close(con.execute(f"FROM {name}").fetchall())


def cells(frame: pd.DataFrame) -> Any:
    found = frame.astype(object)
    return close(found.where(found.notna(), None).values)


def test_views_have_an_order_of_their_own(paths: Paths, tmp_path: Path) -> None:
    """Not that of the records, nor that in which threads are done."""
    lines = paths.journal.read_text().splitlines()
    tickets = [i for i, line in enumerate(lines) if json.loads(line)["record"] == "ticket"]
    mixed = random.Random(0).sample(tickets, len(tickets))
    other = Paths(tmp_path / "results.duckdb")
    order = dict(zip(tickets, mixed, strict=True))
    other.journal.write_text("".join(lines[order.get(i, i)] + "\n" for i in range(len(lines))))
    fold(other)
    for name in VIEWS:
        expected = rows(other, name, threads=1)
        assert rows(paths, name, threads=1) == expected, name
        assert rows(paths, name, threads=4) == expected, name


def test_the_order_is_the_one_that_is_stated(paths: Paths) -> None:
    results = lth_bench.results(paths.results)
    board = results.leaderboard()
    by = [*TASK, "target_density", "is_control", "control", "rank", "label"]
    keys = board.assign(is_control=board["control"] != "none", rank=board["rank"].fillna(99))
    up = [True] * 4 + [False] + [True] * 4
    assert keys.sort_values(by, ascending=up).index.tolist() == list(range(len(board)))
    tickets = results.tickets()
    by = [*TASK, "label", "is_control", "control", "seed", "target_density"]
    keys = tickets.assign(is_control=tickets["control"] != "none")
    up = [True] * 8 + [False]
    assert keys.sort_values(by, ascending=up).index.tolist() == list(range(len(tickets)))


def test_frames_and_files_have_that_order(paths: Paths, tmp_path: Path) -> None:
    results = lth_bench.results(paths.results)
    export_tables(paths.results, tmp_path / "out", format="parquet")
    with duckdb.connect() as con:
        for name in documented():
            file = con.execute(f"FROM '{tmp_path}/out/{name}.parquet'").df()
            assert cells(results.table(name)) == cells(file), name


def test_rows_that_are_chosen_keep_it(paths: Paths) -> None:
    results = lth_bench.results(paths.results)
    for name in ("leaderboard", "tickets_flat", "cost"):
        whole = results.table(name)
        some = results.table(name, label=["imp", "snip"])
        assert some["label"].nunique() == 2
        expected = whole[whole["label"].isin(["imp", "snip"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(some, expected)


def test_types_do_not_depend_on_the_rows(paths: Paths) -> None:
    results = lth_bench.results(paths.results)
    for name in documented():
        whole = results.table(name)
        empty = results.sql(f"FROM {name} WHERE false")
        assert len(empty) == 0
        assert empty.dtypes.to_dict() == whole.dtypes.to_dict(), name
    tickets = results.tickets()
    assert tickets["seed"].dtype == "Int64" and tickets["density"].dtype == "float64"
    assert results.table("tickets")["reported"].dtype == "boolean"
    assert tickets["label"].dtype == pd.Series(["text"]).dtype
