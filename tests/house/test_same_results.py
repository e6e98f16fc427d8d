"""The comparison of two databases: it finds every table, and a difference in one."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import duckdb
import pytest

from lth_bench.store import fold

HERE = Path(__file__).parent
RECORDS = runpy.run_path(str(HERE.parent / "store" / "records.py"))
TOOL = runpy.run_path(str(HERE / "same_results.py"))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("same") / "results.duckdb"
    fold(RECORDS["write"](path, RECORDS["Scenario"](strategies=("dense", "imp"), seeds=(0, 1))))
    return path


def test_a_database_is_the_same_as_itself(results: Path, capsys: pytest.CaptureFixture[str]):
    assert TOOL["main"](str(results), str(results)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(TOOL["TABLES"])
    assert all(line.endswith(" 0 differences") for line in lines)
    found = {name: int(rows.split()[0]) for name, rows in (line.split(": ") for line in lines)}
    assert found["tickets_flat"] == 6
    assert found["metrics"] > 0 and found["layers"] > 0


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE metrics SET value = value + 1e-6 WHERE metric = 'test_loss'", "metrics"),
        ("UPDATE layers SET kept = kept - 1 WHERE layer = 'fc1'", "layers"),
        ("DELETE FROM flat WHERE control = 'none' AND seed = 1", "tickets_flat"),
    ],
)
def test_a_difference_is_found(
    change: str, table: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    other = Path(shutil.copy(results, tmp_path))
    with duckdb.connect(str(other)) as con:
        con.execute(change)
    assert TOOL["main"](str(results), str(other)) == 1
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith(table)]
    assert len(heads) == 1 and not heads[0].endswith(" 0 differences")
