"""`lth-bench plan`: what is shared."""

from __future__ import annotations

import json

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
    # and for each density the rest and a control
    assert plan["trainings"] == 2 * (1 + 3 + 1 + 3 * 2)
    assert plan["steps"] == 2 * (40 + 3 * 40 + 10 + 3 * (30 + 40))
    # seven experiments a seed with a dense run each, and two more searches
    assert plan["trainings_saved_by_sharing"] == 2 * (6 + 2)
    assert plan["steps_saved_by_sharing"] == 2 * (6 * 40 + 2 * 10)
    said = " ".join(CliRunner().invoke(app, arguments).stdout.split())
    assert "about 22 trainings of 760 steps, 2 of them dense runs" in said
    assert "sharing dense runs and searches saves 16 trainings and 520 steps" in said
