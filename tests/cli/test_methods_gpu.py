"""Every method, control and ablation on a pretend GPU, by the real command line and its workers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lth_bench.lottery.controls import CONTROLS
from lth_bench.plugins import load_registry
from lth_bench.suite.ablations import FROM_SCRATCH, OF_DATA

SUITE = """
schema_version = 1
[suite]
name = "methods"
densities = [0.5]
seeds = [0]
[recipes.short]
optimizer = "adam"
lr = 0.01
steps = 8
batch_size = 50
val_size = 97
eval_every = 4
[recipes.other]
optimizer = "sgd"
lr = 0.1
momentum = 0.9
steps = 8
batch_size = 50
val_size = 97
eval_every = 4
[[tasks]]
model = { name = "conv_bn", gamma_init = 0.5 }
dataset = "digits"
recipe = "short"
SOURCES
"""
PARAMS = {
    "early_bird": "interval = 0.2, window = 2, threshold = 0.9",
    "aws": "rounds = 2, dense_fraction = 0.25, round_fraction = 0.25",
    "grasp": "per_class = 2",
    "n_m": 'unfitting = "dense", method = "sr_ste"',
    "late_rewind": "rewind_fraction = 0.5",
    "rigl": "update_every = 3",
    "set": "update_every = 3",
    "snfs": "update_every = 3",
    "snip": "batch_size = 20",
    "iter_snip": "batch_size = 20, rounds = 2",
    "force": "batch_size = 20, rounds = 2",
}


def strategies(names: Any, keys: str = "") -> str:
    return "".join(
        f'[[strategies]]\nuse = "{name}"\nparams = {{ {PARAMS.get(name, "")} }}\n{keys}\n'
        for name in names
    )


def run(lth: Any, gpu_env: Any, tmp_path: Any, text: str, *more: str) -> list[dict[str, Any]]:
    """The rows of the tickets, after a run without a race or a failed capture."""
    lth.patience = 1100  # all is computed on the CPU, one operation at a time
    lth.env |= gpu_env(devices=1) | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    file = lth.write("methods.toml", text)
    lth("run", file, "--device", "cuda", "--cohort-size", "2", *more)
    noted = [json.loads(line) for line in (tmp_path / "gpu.log").read_text().splitlines()]
    assert {e["event"] for e in noted} == {"capture"}
    asked = "SELECT label, control, status, reason FROM tickets_flat"
    rows: list[dict[str, Any]] = json.loads(lth("query", "--format", "json", asked).stdout)["rows"]
    return rows


@pytest.mark.slow
def test_every_method(lth: Any, gpu_env: Any, tmp_path: Any) -> None:
    names = sorted(load_registry(third_party=False).strategies.keys() - {"n_m"})
    text = SUITE.replace("SOURCES", "") + strategies(names)
    rows = run(lth, gpu_env, tmp_path, text, "--plugin", "reliability")
    assert {row["label"] for row in rows} == {*names}
    assert [row for row in rows if row["status"] != "ok"] == []


@pytest.mark.slow
def test_those_that_need_a_density_or_a_recipe_of_their_own(
    lth: Any, gpu_env: Any, tmp_path: Any
) -> None:
    """SR-STE, with the whole first layer kept, and Early-Bird's search in eight bits."""
    text = SUITE.replace("SOURCES", "").replace('recipe = "short"', 'recipe = "other"')
    text = text.replace("densities = [0.5]", "densities = [0.50504]")
    methods = strategies(["n_m", "early_bird"]).replace("0.9", "0.9, search_bits = 8")
    rows = run(lth, gpu_env, tmp_path, text + methods)
    assert {row["label"]: row["status"] for row in rows} == {
        "dense": "ok", "n_m": "ok", "early_bird": "ok",
    }  # fmt: skip
    asked = "SELECT DISTINCT variant FROM trainings WHERE variant = 'low_precision'"
    assert len(json.loads(lth("query", "--format", "json", asked).stdout)["rows"]) == 1


@pytest.mark.slow
def test_every_control_and_ablation(lth: Any, gpu_env: Any, tmp_path: Any) -> None:
    ablations = [*OF_DATA, *FROM_SCRATCH, "inverted_score", "other_order"]
    keys = f"controls = {json.dumps([*CONTROLS])}\nablations = {json.dumps(ablations)}"
    text = SUITE.replace("SOURCES", "") + strategies(["late_rewind"], keys)
    rows = run(lth, gpu_env, tmp_path, text)
    assert {row["control"] for row in rows} == {*CONTROLS, "none"}
    assert {row["label"] for row in rows} >= {f"late_rewind-{name}" for name in ablations}
    assert [row for row in rows if row["status"] != "ok"] == []


@pytest.mark.slow
def test_a_transfer(lth: Any, gpu_env: Any, tmp_path: Any) -> None:
    text = SUITE.replace("SOURCES", 'sources = [{ recipe = "other" }]')
    rows = run(lth, gpu_env, tmp_path, text + strategies(["imp", "rigl"]))
    assert [row for row in rows if row["status"] != "ok"] == []
    assert len(rows) == 5  # dense, and each ticket from here and from there
