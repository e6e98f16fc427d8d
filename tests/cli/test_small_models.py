"""Strategies on the built-in networks of every kind: SNIP's scores, IMP, RigL."""

from __future__ import annotations

import json

import pytest

import lth_bench

SUITE = """
schema_version = 1
[suite]
name = "kinds"
densities = [0.4]
seeds = [0]
[[tasks]]
model = { MODEL }
dataset = "digits"
recipe = "short"
[recipes.short]
batch_size = 50
steps = 6
val_size = 97
eval_every = 3
[[strategies]]
use = "imp"
params = { prune_rate = 0.6 }
[[strategies]]
use = "rigl"
params = { update_every = 2 }
[[strategies]]
use = "snip"
"""


NETWORKS = {
    "vit": "patch = 4, width = 8, depth = 2, heads = 2, mlp = 8",
    "mlp_mixer": "patch = 4, width = 8, depth = 1, tokens_mlp = 4, channels_mlp = 8",
    "lstm": "hidden = 6",
    "conv1d": "channels = [6, 6], kernels = [3, 3]",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_strategy(here, name):
    suite = here.write("s.toml", SUITE.replace("MODEL", f'name = "{name}", {NETWORKS[name]}'))
    outcome = json.loads(here("run", suite, "--cohort-size", "1", "--json").stdout)
    assert outcome["statuses"] == {"ok": 4}  # dense, imp, rigl and snip
    results = lth_bench.results(here.results)
    tickets, layers = results.table("tickets_flat"), set(results.table("layers").layer)
    assert (tickets.effective_density > 0).all()
    assert (tickets.density - tickets.target_density).abs().max() < 0.01
    assert not any("norm" in layer or "bias" in layer for layer in layers)
    if name == "lstm":
        assert layers == {"head", "lstm/weight_hh_l0", "lstm/weight_ih_l0"}
