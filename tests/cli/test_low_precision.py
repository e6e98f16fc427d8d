"""A search in few bits from suite to results: its bit operations beside unchanged FLOPs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

SUITE = """
schema_version = 1
[suite]
name = "bits"
densities = [0.5]
seeds = [0]
[recipes.short]
lr = 0.05
momentum = 0.9
steps = 20
batch_size = 50
val_size = 97
eval_every = 10
[[tasks]]
model = { name = "conv_bn", gamma_init = 0.5 }
dataset = "digits"
recipe = "short"
[[strategies]]
use = "early_bird"
params = { interval = 0.1, window = 100 }
[[strategies]]
use = "early_bird"
label = "early_bird-8bit"
params = { interval = 0.1, window = 100, search_bits = 8 }
"""


@pytest.mark.slow
def test_a_search_in_eight_bits_costs_a_sixteenth_in_bit_operations(here: Any) -> None:
    here("run", here.write("bits.toml", SUITE), "--workers", "1")
    rows = json.loads(
        here(
            "query", "--format", "json",
            "SELECT label, status, test_accuracy, search_flops_dense, search_bit_operations, "
            "bit_operations, flops_masked_theoretical FROM tickets_flat WHERE target_density < 1 "
            "ORDER BY label",
        ).stdout
    )["rows"]  # fmt: skip
    plain, few = rows
    assert [row["label"] for row in rows] == ["early_bird", "early_bird-8bit"]
    assert [row["status"] for row in rows] == ["ok", "ok"]
    assert plain["search_flops_dense"] == few["search_flops_dense"]
    assert plain["search_bit_operations"] / few["search_bit_operations"] == 16
    for row in rows:  # the ticket itself trains in float32
        assert row["bit_operations"] / row["flops_masked_theoretical"] == 512
    board = here("leaderboard", "--metric", "search_bit_operations", "--format", "csv").stdout
    ranked = [row["label"] for row in csv.DictReader(io.StringIO(board))]
    assert [x for x in ranked if x.startswith("early_bird")] == ["early_bird-8bit", "early_bird"]
