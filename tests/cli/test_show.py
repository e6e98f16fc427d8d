from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from lth_bench.store import Results

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("show") / "results.duckdb"
    RECORDS["write"](path, RECORDS["Scenario"](strategies=("dense", "imp"), seeds=(0,)))
    return path


@pytest.fixture
def run(capsys, monkeypatch, results):
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(results))
    return lambda *arguments: call(capsys, monkeypatch, "show", *arguments)


def test_an_experiment_for_people_and_for_programs(run, results: Path) -> None:
    frame = Results(results).experiments()
    identity = str(frame[frame["label"] == "imp"]["experiment_id"].iloc[0])
    code, out, err = run(identity[:12])
    assert (code, err) == (0, "")
    for words in ("imp · mlp · digits · mlp · seed 0  ok", "Tickets", "Weights kept", "repeat"):
        assert words in out
    code, out, err = run(identity, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["experiment"]["experiment_id"] == identity


def test_an_unknown_id_is_one_message(run) -> None:
    code, out, err = run("zzz")
    assert (code, out) == (4, "")
    assert err.startswith("error: no experiment and no ticket has an id that begins with 'zzz'")
