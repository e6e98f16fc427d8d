"""`lth-bench ls papers`: what is claimed, what can be checked here, and what came out."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from lth_bench.suite.source import papers

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


@pytest.fixture
def lth(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LTH_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LTH_BENCH_RESULTS", str(tmp_path / "results.duckdb"))
    return lambda *words: RECORDS["call"](capsys, monkeypatch, "ls", "papers", *words)


def test_what_this_machine_can_check(lth, tmp_path):
    code, out, _ = lth("snip_2019", "--json")
    assert code == 0
    (row,) = json.loads(out)["papers"]
    mnist, digits = row["parts"]
    assert (mnist["dataset"], digits["dataset"]) == ("mnist", "digits")
    assert "mnist is not in" in mnist["obstacle"] and str(tmp_path / "data") in mnist["obstacle"]
    assert not any(claim["checkable"] for claim in mnist["claims"])
    assert {claim["name"]: claim["figures"] for claim in mnist["claims"]} == {
        "snip-5": ["lee2019/lenet300-5"], "snip-2": ["lee2019/lenet300-2"],
    }  # fmt: skip
    # five seeds: a dense run, and SNIP and the random mask at two densities, of 400 steps each
    assert (digits["obstacle"], digits["trainings"], digits["steps"]) == (None, 25, 10_000)
    assert digits["command"] == "lth-bench run snip_2019 -d digits"
    assert all(claim["checkable"] and claim["verdict"] is None for claim in digits["claims"])
    assert digits["seconds"] is None

    said = " ".join(lth("snip_2019")[1].split())
    assert "lth-bench run snip_2019 -d digits: 25 trainings of 10,000 steps" in said
    assert "cannot be checked here: mnist is not in" in said


def test_the_time_is_measured_where_it_is_asked_for(lth):
    code, out, _ = lth("snip_2019", "--json", "--estimate")
    assert code == 0
    assert json.loads(out)["papers"][0]["parts"][1]["seconds"] > 0


def test_the_verdicts_that_the_results_have(lth, tmp_path):
    scenario = RECORDS["Scenario"](
        suite="snip_2019", tasks=[("mlp", "digits", "short")], densities=[0.0467, 0.0168],
        strategies=("dense", "snip", "random"),
    )  # fmt: skip
    RECORDS["write"](tmp_path / "results.duckdb", scenario)
    code, out, _ = lth("snip_2019", "--json")
    assert code == 0
    mnist, digits = json.loads(out)["papers"][0]["parts"]
    assert {claim["verdict"] for claim in mnist["claims"]} == {"no data"}
    found = {claim["name"]: (claim["verdict"], claim["n"]) for claim in digits["claims"]}
    assert found["digits-snip-beats-random"] == ("not reproduced", 3)  # made-up accuracies
    assert "not reproduced (n = 3)" in " ".join(lth("snip_2019")[1].split())


def test_a_paper_whose_package_is_missing_says_so(lth):
    from lth_bench.plugins import load_registry

    if "synflow" in load_registry().groups["strategies"]:
        pytest.skip("lth-bench-synflow is installed")
    (row,) = json.loads(lth("synflow_2020", "--json")[1])["papers"]
    for part in row["parts"]:
        assert part["obstacle"] == "needs synflow, a strategy that is not installed"


def test_an_unknown_paper(lth):
    code, _, err = lth("snip_2018")
    assert code == 4
    assert "unknown paper 'snip_2018'" in err and "snip_2019" in err


def test_all_papers_are_found_by_name():
    from lth_bench.suite.source import find

    assert papers()
    for name, path in papers().items():
        assert find(name) == path
