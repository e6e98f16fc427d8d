"""Sources of tasks: what a suite says of them, what is planned, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.plugins import load_registry
from lth_bench.running.plan import plan_suite
from lth_bench.suite.load import suite_of

TEXT = """
schema_version = 1
[suite]
name = "demo"
densities = [0.5, 0.2]
seeds = [0]
controls = ["shuffle"]
[recipes.one]
steps = 100
batch_size = 50
val_size = 97
[recipes.two]
steps = 60
optimizer = "adam"
batch_size = 50
val_size = 97
[[tasks]]
model = { name = "mlp", hidden = [10] }
dataset = "digits"
recipe = ["one", "two"]
sources = [{ recipe = ["one", "two"] }]
[[strategies]]
use = "imp"
[[strategies]]
use = "snip"
"""
SOURCES = '[{ recipe = ["one", "two"] }]'
REGISTRY = load_registry(third_party=False)


def planned(text: str, tmp_path: Path):
    return plan_suite(suite_of(text, Path("demo.toml")), REGISTRY, tmp_path)


def test_a_grid_leaves_out_its_diagonal(tmp_path: Path) -> None:
    plan = planned(TEXT, tmp_path)
    from_to = {
        (p.experiment.label, p.experiment.source_task.recipe_name, p.experiment.recipe_name)
        for p in plan.experiments
        if p.experiment.source_task is not None
    }
    assert from_to == {
        (label, *pair) for label in ("imp", "snip") for pair in (("one", "two"), ("two", "one"))
    }
    moved = next(p for p in plan.experiments if p.experiment.source_task is not None)
    record = moved.experiment.planned_record()
    assert (record["recipe"], record["source_recipe"]) == ("one", "two")
    assert record["config"]["source_task"]["recipe"]["optimizer"] == "adam"
    # tickets that are found on a task of the suite are trained there: on the target two tickets
    # and their controls are left
    assert moved.experiment.strategy == "imp"
    assert moved.fits == (100,) * 4


def test_own_tickets_keep_their_identities(tmp_path: Path) -> None:
    with_sources = planned(TEXT, tmp_path).experiments
    without = planned(TEXT.replace(f"sources = {SOURCES}", ""), tmp_path).experiments
    own = {p.experiment.experiment_id for p in with_sources if p.experiment.source_task is None}
    assert own == {p.experiment.experiment_id for p in without}
    records = [p.experiment.planned_record() for p in without]
    assert all("source_task" not in record["config"] for record in records)
    assert len({p.experiment.experiment_id for p in with_sources}) == len(with_sources)


def test_a_source_outside_of_the_suite_is_trained_too(tmp_path: Path) -> None:
    text = TEXT.replace('recipe = ["one", "two"]\n', 'recipe = "one"\n')
    plan = planned(text, tmp_path)
    moved = [p for p in plan.experiments if p.experiment.source_task is not None]
    imp = next(p for p in moved if p.experiment.strategy == "imp")
    # eight rounds on the source, of which the last is selected and trained on the target alone
    assert imp.fits == (*[60] * 7, *[100] * 4)
    snip = [p.fits for p in moved if p.experiment.strategy == "snip"]
    assert snip == [(100, 100)] * 2  # its mask takes no training; a ticket and its control
    assert sorted(plan.dense_runs.values()) == [60, 100]
    faster = planned(text.replace("steps = 60", "steps = 61"), tmp_path)
    changed = {p.experiment.experiment_id for p in faster.experiments}
    assert changed.isdisjoint(p.experiment.experiment_id for p in moved)


@pytest.mark.parametrize(
    ("use", "fits"),
    [
        # the mask is known when it is trained on the source; then it is trained plainly
        ('use = "rigl"', (60, 100)),
        ('use = "rigl"\nparams = { extend = 5 }', (300, 100)),
        ('use = "late_rewind"\nparams = { rewind_fraction = 0.1, prune_rate = 0.5 }', (90,)),
        ('use = "late_rewind"\nparams = { rewind_fraction = 0.1, prune_rate = 0.3 }', (54, 90)),
        ('use = "early_bird"', (15, 75)),  # a search on the source, which the ticket continues
    ],
)
def test_what_a_transfer_trains_by_hand(tmp_path: Path, use: str, fits: tuple[int, ...]) -> None:
    """From a recipe of 60 steps to one of 100, at half of the weights, without controls."""
    text = TEXT.replace('recipe = ["one", "two"]\n', 'recipe = "one"\n')
    text = text.replace("[0.5, 0.2]", "[0.5]").replace('controls = ["shuffle"]\n', "")
    text = text.replace('use = "snip"', use)
    (moved,) = [
        p for p in planned(text, tmp_path).experiments
        if p.experiment.source_task is not None and p.experiment.strategy in use
    ]  # fmt: skip
    assert moved.fits == fits


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            '[{ model = { name = "mlp", hidden = [11] } }]',
            "tickets of mlp(hidden=[11])/digits/one do not fit mlp(hidden=[10])/digits/one: fc1.",
        ),
        ('[{ recipe = "three" }]', "tasks[0].sources[0].recipe: unknown recipe 'three'"),
        ('[{ dataset = "digitz" }]', "unknown dataset 'digitz'"),
        (
            '[{ recipe = "two" }, { recipe = ["one", "two"] }]',
            "the source mlp(hidden=[10])/digits/two is listed twice",
        ),
        ('[{ recipe = "two", classifier = "old" }]', "classifier must be"),
        ('[{ recipe = "two", mask = "new" }]', "mask"),
        ("[{ recipe = [] }]", "sources[0].recipe is an empty list"),
    ],
)
def test_mistakes_are_one_message(tmp_path: Path, sources: str, message: str) -> None:
    from lth_bench.suite.check import check

    def plan() -> None:
        suite = suite_of(TEXT.replace(SOURCES, sources), Path("demo.toml"))
        check(suite, REGISTRY)
        plan_suite(suite, REGISTRY, tmp_path)

    with pytest.raises(UserError) as error:
        plan()
    assert message in error.value.message
    assert "demo.toml" in error.value.message


def test_a_smoke_run_shortens_sources(tmp_path: Path) -> None:
    from lth_bench.suite.select import smoke

    suite = smoke(suite_of(TEXT, Path("demo.toml")))
    assert {one.task.recipe["steps"] for task in suite.tasks for one in task.sources} == {8}
