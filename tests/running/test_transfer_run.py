"""A suite with sources, run as a user does: in cohorts, and with the trainings of both tasks."""

from __future__ import annotations

import pytest

import lth_bench

SUITE = """
schema_version = 1
[suite]
name = "moved"
densities = [0.5]
seeds = 2
controls = ["shuffle"]
[recipes.one]
steps = 12
batch_size = 32
val_size = 97
eval_every = 6
[recipes.two]
steps = 16
optimizer = "adam"
lr = 0.01
batch_size = 32
val_size = 97
eval_every = 8
[[tasks]]
model = { name = "mlp", hidden = [10] }
dataset = "digits"
recipe = ["one", "two"]
sources = [{ recipe = ["one", "two"] }]
[[strategies]]
use = "one_shot"
[[strategies]]
use = "rigl"
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("moved")
    (folder / "moved.toml").write_text(SUITE)
    lth_bench.run(folder / "moved.toml", results=folder / "r.duckdb")
    return lth_bench.results(folder / "r.duckdb").tickets()


def test_every_pair_has_its_rows(rows) -> None:
    assert set(rows.status) == {"ok"}
    moved = rows[rows.recipe != rows.source_recipe]
    assert len(moved) == 2 * 2 * 2 * 2  # strategies, pairs, seeds, ticket and control
    assert set(moved.source_dataset) == {"digits"}
    assert {tuple(x) for x in moved[["source_recipe", "recipe"]].to_numpy()} == {
        ("one", "two"), ("two", "one"),
    }  # fmt: skip


def test_the_search_is_on_the_source(rows) -> None:
    tickets = rows[(rows.control == "none") & (rows.label == "one_shot")]
    for source, target in (("one", "two"), ("two", "one")):
        own = tickets[(tickets.recipe == source) & (tickets.source_recipe == source)]
        moved = tickets[(tickets.recipe == target) & (tickets.source_recipe == source)]
        assert list(moved.steps) == [{"one": 12, "two": 16}[target]] * 2
        found = own.set_index("seed").density
        assert (moved.set_index("seed").density == found).all()
