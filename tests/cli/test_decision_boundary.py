"""Decision boundaries as a user meets them: asked for in a suite, ranked, drawn, and refused."""

from __future__ import annotations

import json

import pytest

SUITE = """
schema_version = 1
[suite]
name = "shapes"
densities = [0.6, 0.2]
seeds = 2
controls = ["reinit"]
[recipes.short]
optimizer = "adam"
lr = 0.02
steps = 40
batch_size = 50
val_size = 97
eval_every = 20
[[tasks]]
model = { name = "mlp", hidden = [20] }
dataset = "points:xor"
recipe = "short"
decision_boundary = true
[[strategies]]
use = "random"
"""


def test_hulls_are_compared_on_boards_and_kept_for_queries(here) -> None:
    suite = here.write("shapes.toml", SUITE)
    planned = json.loads(here("plan", suite, "--no-estimate", "--json").stdout)
    # the dense run twice at each seed, and at each density a ticket and a control
    assert planned["trainings"] == 2 * (2 + 2 * 2)
    here("run", suite, "--cohort-size", 8)
    command = ("leaderboard", "--metric", "hull_distance", "--json")
    rows = json.loads(here(*command).stdout)["leaderboard"]
    found = {(r["label"], r["control"], r["target_density"]): r for r in rows}
    assert set(found) == {("dense", "none", 1.0)} | {
        ("random", control, density) for control in ("none", "reinit") for density in (0.6, 0.2)
    }
    assert all(row["n"] == 2 and row["mean"] > 0 for row in rows)
    assert not any(row["higher_is_better"] for row in rows)
    told = here("query", "SELECT name, count(*) FROM outlines GROUP BY name", "--json").stdout
    kept = {row["name"]: row["count_star()"] for row in json.loads(told)["rows"]}
    dense = {f"other_{name}": 2 for name in ("boundary", "zonotope_0", "zonotope_1", "hull")}
    assert kept == {
        "boundary": 10, "zonotope_0": 10, "zonotope_1": 10, "hull": 10,
        "class_0": 2, "class_1": 2, **dense,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("points:xor", "digits", "its dataset has images [1, 8, 8], one of 10 classes"),
        ("points:xor", "points:blobs", "its dataset asks for one of 3 classes"),
        ("hidden = [20]", "hidden = [20, 20]", "its network is another one"),
    ],
)
def test_what_has_no_boundary_in_the_plane_is_said_at_once(here, before, after, why) -> None:
    suite = here.write("shapes.toml", SUITE.replace(before, after))
    failed = here("plan", suite, code=4)
    assert "shapes.toml:19: decision_boundary of mlp(hidden=[20" in failed.stderr
    assert why in failed.stderr and "Traceback" not in failed.stderr


def test_only_true_and_false_ask_for_it(here) -> None:
    suite = here.write("shapes.toml", SUITE.replace("= true", '= "yes"'))
    assert "decision_boundary" in here("validate", suite, code=4).stderr
