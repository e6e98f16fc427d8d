"""`lth-bench tune` as a user meets it."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest

from lth_bench.store.paths import Paths
from lth_bench.store.runs import recorded_runs

TUNE = """
[tune]
budget = { trials = 2 }
seeds = 1
strategies = ["snip"]
"""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A tuning with its final runs."""
    from .conftest import TINY, Here

    here = Here(tmp_path_factory.mktemp("tuned"))
    suite = here.write("tiny.toml", TINY + TUNE)
    here.outcome = here("tune", suite, "--device", "cpu", "--json")
    return here


def test_the_output_shows_the_best_settings_and_their_gain(tuned):
    document = json.loads(tuned.outcome.stdout)
    (study,) = document["studies"]
    assert (study["label"], study["trials"], study["complete"]) == ("snip", 2, 2)
    assert study["best"][0] >= study["default"][0]
    # fresh seeds and the test split: those that the suite reports
    assert study["gain"]["n"] == 2
    assert study["gain"]["densities"] == [0.5, 0.2]
    assert study["gain"]["low"] <= study["gain"]["mean"] <= study["gain"]["high"]
    assert document["final"]["statuses"] == {"ok": 10}  # dense, snip and snip-tuned
    assert document["exit_code"] == 0


def test_who_follows_the_tuning_goes_on_to_the_comparison(tuned, capsys, monkeypatch):
    records = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
    compared, searched = recorded_runs(Paths(tuned.results))
    assert searched.tuning and not compared.tuning
    follow = ("show", "--follow", searched.run_id, "--results", tuned.results)
    code, out, _ = records["call"](capsys, monkeypatch, *follow)
    said = out.splitlines()
    assert code == 0
    assert said[0].startswith(f"tiny, run {searched.run_id}: 2 trials done")
    after = said.index("next: own and tuned settings, on the test split") + 1
    assert said[after].startswith(f"tiny, run {compared.run_id}: 10 done")
    assert said[-1].startswith("results: ")
    code, out, _ = records["call"](capsys, monkeypatch, *follow, "--json")
    assert json.loads(out)["run_id"] == searched.run_id
    assert json.loads(out)["comparison"]["finished"] == 10


def test_a_rerun_trains_nothing_and_prints_the_table(tuned, here):
    shutil.copytree(tuned.folder, here.folder, dirs_exist_ok=True)  # others count its runs
    again = here("tune", here.folder / "tiny.toml", "--device", "cpu")
    assert "tuned − own, test" in again.stdout
    assert "snip" in again.stdout
    assert "no new trials" in again.stderr
    assert "optuna-dashboard" in again.stderr


def test_the_best_settings_so_far_are_written_as_a_suite(tuned):
    file = tuned.folder / "found.toml"
    tuned("tune", tuned.folder / "tiny.toml", "--best", "--output", file)
    validated = json.loads(tuned("validate", file, "--json").stdout)
    assert [s["label"] for s in validated["strategies"]] == ["imp", "snip", "snip-tuned"]


def test_wrong_usage_is_one_error_before_training(here, tiny):
    suite = here.write("tiny.toml", tiny)
    error = here("tune", suite, "--budget", "trials=0", code=4).stderr
    assert error.count("\n") == 1
    assert "tune.budget.trials must be an integer in [1, 100000], but got 0" in error
    assert not here.results.exists()
