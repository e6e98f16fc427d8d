"""`lth-bench plan`: what is shared."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lth_bench.cli.app import app

SUITE = """
schema_version = 1
[suite]
name = "shares"
version = 1
densities = [0.5, 0.3, 0.2]
seeds = [0, 1]
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
[recipes.short]
batch_size = 50
steps = 40
val_size = 97
[[strategies]]
use = "early_bird"
controls = ["shuffle"]
[[strategies]]
use = "snip"
"""


def test_dense_runs_and_searches_count_once(tmp_path):
    path = tmp_path / "shares.toml"
    path.write_text(SUITE)
    arguments = ["plan", str(path), "--no-estimate", "--results", str(tmp_path / "none.duckdb")]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    plan = json.loads(done.stdout)
    # a seed: the dense run, three tickets of snip; of early_bird a search of a quarter of training,
    # and for each density the rest and a control, from the same step
    assert plan["trainings"] == 2 * (1 + 3 + 1 + 3 * 2)
    assert plan["steps"] == 2 * (40 + 3 * 40 + 10 + 3 * (30 + 30))
    # seven experiments a seed with a dense run each, and two more searches
    assert plan["trainings_saved_by_sharing"] == 2 * (6 + 2)
    assert plan["steps_saved_by_sharing"] == 2 * (6 * 40 + 2 * 10)
    said = " ".join(CliRunner().invoke(app, arguments).stdout.split())
    assert "about 22 trainings of 700 steps, 2 of them dense runs" in said
    assert "sharing dense runs and searches saves 16 trainings and 520 steps" in said


def test_no_data_is_downloaded_for_an_estimate(tmp_path, monkeypatch):
    monkeypatch.setenv("LTH_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(
        "lth_bench.data.published.Published._fetch", lambda *_: pytest.fail("it is")
    )
    path = tmp_path / "shares.toml"
    path.write_text(SUITE.replace('"digits"', '"mnist"'))
    done = CliRunner().invoke(app, ["plan", str(path), "--results", str(tmp_path / "no.duckdb")])
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "about 22 trainings" in said
    assert "no estimate of time: a few steps are timed, but dataset 'mnist' is not in" in said
    assert "`lth-bench validate SUITE --download` downloads it" in said


ANY = """
schema_version = 1
[suite]
name = "any"
densities = [0.5]
seeds = [0]
[recipes.short]
batch_size = 16
steps = 8
val_size = 32
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "tabular:diabetes"
recipe = "short"
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = { name = "modular", p = 23, train_fraction = 0.68 }
recipe = "short"
generalises_at = 0.95
[[tasks]]
model = { name = "transformer", width = 16, heads = 2, mlp = 16 }
dataset = { name = "stdlib_text", length = 32, size = 20000 }
recipe = "short"
[[strategies]]
use = "random"
"""


def test_what_goes_in_what_comes_out_and_what_judges_it(tmp_path):
    path = tmp_path / "any.toml"
    path.write_text(ANY)
    arguments = ["plan", str(path), "--no-estimate", "--results", str(tmp_path / "none.duckdb")]
    done = CliRunner().invoke(app, arguments)
    said = " ".join(done.stdout.split())
    better, lower = "higher is better", "judged by test_perplexity, lower is better"
    for line in (
        f"digits: images [1, 8, 8], one of 10 classes; judged by test_accuracy in %, {better}",
        "tabular:diabetes: features [10], 1 real value; judged by test_rmse, lower is better",
        f"tokens [3] of 24, one of 23 classes; judged by test_accuracy in %, {better}",
        "a network generalises at 95% of the validation split's",
        f"tokens [32] of 256, a token of 256 at every place; {lower}",
    ):  # fmt: skip
        assert line in said, (line, said)
    tasks = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["tasks"]
    assert [(t["inputs"], t["targets"], t["metric"], t["higher_is_better"]) for t in tasks] == [
        ("images", "class", "test_accuracy", True),
        ("features", "values", "test_rmse", False),
        ("tokens", "class", "test_accuracy", True),
        ("tokens", "tokens", "test_perplexity", False),
    ]
