from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lth_bench
from lth_bench.errors import UserError
from lth_bench.store import Journal, Paths, fold
from lth_bench.store.glossary import VIEWS

Make = Callable[..., Any]
RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))


@pytest.fixture
def paths(make_scenario: Make, write: Make) -> Paths:
    scenario = make_scenario(
        strategies=("dense", "imp", "early_bird"), seeds=(0, 1), controls=("reinit",), weights=True
    )
    found: Paths = write(scenario, RECORDS["Search"](trials=2))
    return found


def test_default_path_is_that_of_a_run(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(paths.results))
    assert lth_bench.results().path == paths.results
    monkeypatch.delenv("LTH_BENCH_RESULTS")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"reports.results\.duckdb"):
        lth_bench.results()


def test_every_view_is_a_data_frame(paths: Paths) -> None:
    totals = {"slot": 0, "worker": "cpu", "host": "lab", "device": "cpu", "busy_seconds": 1.0}
    with Journal(paths) as journal:
        journal.append({"record": "workers", "run_id": "run-1", "workers": [totals]})
    results = lth_bench.results(paths.results)
    assert len(results.tickets()) == 18
    assert set(results.leaderboard()["label"]) == {"dense", "imp", "early_bird"}
    for name in VIEWS:
        if name not in ("tickets_flat", "failures"):
            assert len(getattr(results, name)()), name
    for name in ("metrics", "layers", "units", "curves", "weights", "fates", "matrices", "trials"):
        assert len(getattr(results, name)()), name
    assert len(results.failures()) == 0
    assert results.sql("SELECT 1 AS x")["x"].tolist() == [1]
    assert len(results.table("environments")) == 1


def test_rows_are_filtered_by_column(paths: Paths) -> None:
    results = lth_bench.results(paths.results)
    one = results.tickets(label="imp", control="none", target_density=0.2, seed=1)
    assert one[["label", "control", "target_density", "seed"]].values.tolist() == [
        ["imp", "none", 0.2, 1]
    ]
    assert len(results.tickets(label=["imp", "dense"], control="none")) == 2 * 2 + 2
    frame = results.tickets()
    assert len(results.tickets(seed=frame["seed"].max())) == 9  # a number of numpy's
    assert len(results.curves(ticket_id=frame["ticket_id"][:4])) == 4 * 3
    assert len(results.tickets(reason=None)) == len(frame)
    assert len(results.tickets(label=[])) == 0
    assert len(results.tickets(label="' OR true --")) == 0
    assert len(results.matrices(name="mask_distance")) == 4  # two seeds, two densities; no control


def test_an_invalid_filter_is_one_error(paths: Paths) -> None:
    results = lth_bench.results(paths.results)
    with pytest.raises(UserError, match="unknown column of tickets_flat 'sed'; did you mean 'seed"):
        results.tickets(sed=0)
    with pytest.raises(UserError, match=r"cannot choose rows of tickets_flat: .*'many'"):
        results.tickets(seed="many")
    with pytest.raises(UserError, match="did you mean 'leaderboard'"):
        results.columns("leaderbord")


def test_columns_are_explained(paths: Paths) -> None:
    columns = lth_bench.results(paths.results).columns("leaderboard")
    assert columns["column_name"].tolist()[:3] == ["suite", "model", "dataset"]
    assert columns["comment"].notna().all()


def test_repr_lists_suites_and_experiments(paths: Paths, make_scenario: Make, write: Make) -> None:
    write(make_scenario(suite="x\x1b[2J", config="b", outcomes={("imp", 0): ("failed", "boom")}))
    results = lth_bench.results(paths.results)
    text = repr(results)
    assert text.splitlines()[:3] == [
        f"Results({str(paths.results)!r})",
        "  suite 'quickstart', experiments: 6 ok",
        "  suite 'x\\x1b[2J', experiments: 1 failed, 11 ok",
    ]
    paths.journal.unlink()
    paths.results.write_bytes(b"damaged" * 9000)
    assert "cannot be read" in repr(results)


def test_each_call_reads_new_records(paths: Paths) -> None:
    results = lth_bench.results(str(paths.results))
    before = len(results.table("outcomes"))
    with Journal(paths) as journal:
        journal.append({"record": "experiment", "experiment_id": "x", "status": "ok"})
    assert len(results.table("outcomes")) == before + 1


def test_an_open_notebook_does_not_block_a_run(paths: Paths) -> None:
    results = lth_bench.results(paths.results)
    results.leaderboard()
    with Journal(paths) as journal:
        journal.append({"record": "experiment", "experiment_id": "x", "status": "ok"})
    assert fold(paths, patience=0.0).state == "folded"


def test_an_unknown_table_gets_the_nearest_name(paths: Paths) -> None:
    with pytest.raises(UserError, match="did you mean 'leaderboard'"):
        lth_bench.results(paths.results).table("leaderbord")


def test_an_invalid_query_is_one_error(paths: Paths) -> None:
    with pytest.raises(UserError, match="syntax error"):
        lth_bench.results(paths.results).sql("SELEC")


def test_missing_results_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results"):
        lth_bench.results(tmp_path / "none.duckdb")


def test_the_store_imports_nothing_heavy() -> None:
    code = (
        "import sys, lth_bench.store, lth_bench.analysis.leaderboard; "
        "print([m for m in ('torch', 'duckdb', 'pandas', 'scipy', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
