"""A network of which little is prunable says so wherever its densities are read."""

from __future__ import annotations

import json

import duckdb

SUITE = """
schema_version = 1
[suite]
name = "rows"
densities = [0.5]
seeds = [0]
[[tasks]]
model = ["rows", { name = "mlp", hidden = [32] }]
dataset = "digits"
recipe = "short"
[recipes.short]
batch_size = 50
steps = 2
val_size = 97
eval_every = 2
[[strategies]]
use = "random"
"""
MODULE = """
from dataclasses import dataclass
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.lstm, self.head = nn.LSTM(8, 32, batch_first=True), nn.Linear(32, classes)

    def forward(self, x):
        return self.head(self.lstm(x.squeeze(1))[0][:, -1])

@dataclass(frozen=True)
class Rows:
    not_prunable = ("lstm.*",)

    def build(self, input_shape, classes):
        return Net(classes)
"""
SHARE = "320 of 5,706 parameters (5.6%) are prunable, and densities count these alone"
REST = "lstm.weight_hh_l0, lstm.weight_ih_l0, lstm.bias_ih_l0, …"
NOTE = f"rows: {SHARE}, as declared; the rest stays dense ({REST})"


def test_the_prunable_share_is_in_plan_run_tables_and_report(here, install):
    install("lth-bench-rows", {"models": {"rows": "rows_x:Rows"}}, rows_x=MODULE)
    file = here.write("rows.toml", SUITE)
    assert json.loads(here("plan", file, "--no-estimate", "--json").stdout)["notes"] == [NOTE]
    assert json.loads(here("run", file, "--json").stdout)["notes"] == [NOTE]
    board = here("leaderboard").stdout
    # of the task that it is true of, and no other
    assert board.count(SHARE.split(" (")[0]) == 1
    assert SHARE in here("leaderboard", "--format", "markdown").stdout
    sizes = here(
        "query", "SELECT DISTINCT model, prunable, parameters FROM experiments ORDER BY ALL"
    )
    assert "2368" in sizes.stdout and "5706" in sizes.stdout
    here("report", "--output", "page.html")
    page = (here.folder / "page.html").read_text()
    assert SHARE in page and f"the rest stays dense ({REST})" in page
    with duckdb.connect(str(here.results), read_only=True) as con:
        sql = "SELECT experiment_id, not_prunable FROM experiments WHERE model = 'rows' LIMIT 1"
        ((experiment, named),) = con.execute(sql).fetchall()
    assert named[:3] == REST.split(", ")[:3]
    shown = " ".join(here("show", experiment).stdout.split())
    assert f"network {SHARE}; the rest stays dense ({REST})" in shown
