"""What gives an experiment another identity, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.plugins import load_registry
from lth_bench.running import plan, task_plan
from lth_bench.suite.load import suite_of

TEXT = """
schema_version = 1
[suite]
name = "demo"
description = "what it is"
densities = [0.5, 0.2]
seeds = [0]
[recipes.fast]
steps = 100
batch_size = 50
val_size = 97
[[tasks]]
model = { name = "mlp", hidden = [10] }
dataset = "digits"
recipe = "fast"
[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }
"""
REGISTRY = load_registry(third_party=False)


def ids(tmp_path: Path, old: str = "", new: str = "") -> set[str]:
    assert old in TEXT
    suite = suite_of(TEXT.replace(old, new, 1) if old else TEXT, Path("demo.toml"))
    planned = plan.plan_suite(suite, REGISTRY, tmp_path).experiments
    return {p.experiment.experiment_id for p in planned if p.experiment.label != "dense"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("prune_rate = 0.5", "prune_rate = 0.4"),
        ("prune_rate = 0.5", 'prune_rate = 0.5, scope = "global"'),
        ('use = "imp"\nparams = { prune_rate = 0.5 }', 'use = "snip"\nlabel = "imp"'),
        ("[10]", "[11]"),
        ("steps = 100", "steps = 101"),
        ("val_size = 97", "val_size = 97\nlr = 0.3"),
        ("densities = [0.5, 0.2]", "densities = [0.5, 0.1]"),
        ("seeds = [0]", "seeds = [1]"),
        ('params = {', 'controls = ["reinit"]\nparams = {'),
        ('name = "demo"', 'name = "other"'),
    ],
)  # fmt: skip
def test_changes_that_change_the_experiment_ids(tmp_path: Path, old: str, new: str) -> None:
    assert ids(tmp_path).isdisjoint(ids(tmp_path, old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("what it is", "something else"),
        ("steps = 100", "# a comment\nsteps = 100"),
        ("val_size = 97", "val_size = 97\nmomentum = 0.0"),  # the default
        ("prune_rate = 0.5", "prune_rate = { conv = 0.5, linear = 0.5, output = 0.5 }"),
        ('name = "demo"', 'name = "demo"\nversion = 2'),
    ],
)
def test_changes_that_keep_the_experiment_ids(tmp_path: Path, old: str, new: str) -> None:
    assert ids(tmp_path) == ids(tmp_path, old, new)


@pytest.mark.parametrize("edited", ["IMP", "MLP", "Digits"])
def test_the_source_of_strategy_model_and_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edited: str
) -> None:
    before = ids(tmp_path)
    for module in (plan, task_plan):
        monkeypatch.setattr(module, "source_hash", lambda cls: f"{cls.__name__} as ever")
    same = ids(tmp_path)
    for module in (plan, task_plan):
        monkeypatch.setattr(
            module, "source_hash",
            lambda cls: f"{cls.__name__} {'edited' if cls.__name__ == edited else 'as ever'}",
        )  # fmt: skip
    assert len(before) == len(same) == 1
    assert ids(tmp_path).isdisjoint(same)


def test_the_dense_run_is_beside_all_but_labels_with_a_recipe_of_their_own(tmp_path: Path) -> None:
    own = """
[[strategies]]
use = "snip"
[[strategies.tuned]]
model = "mlp"
dataset = "digits"
recipe = "fast"
train = { lr = 0.3 }
"""
    suite = suite_of(TEXT + own, Path("demo.toml"))
    planned = plan.plan_suite(suite, REGISTRY, tmp_path).experiments
    found = {p.experiment.label: p.experiment.beside_dense for p in planned}
    assert found == {"dense": True, "imp": True, "snip": False}


def test_too_many_experiments_are_refused(tmp_path: Path) -> None:
    text = TEXT.replace("seeds = [0]", "seeds = 10000").replace(
        'use = "imp"\nparams = { prune_rate = 0.5 }',
        'use = "snip"\n' + "".join(f'[[strategies]]\nuse = "snip"\nlabel = "s{i}"\n'
                                   for i in range(5)),
    )  # fmt: skip
    with pytest.raises(plan.UserError, match="asks for 120,000 experiments"):
        plan.plan_suite(suite_of(text, Path("demo.toml")), REGISTRY, tmp_path)


def test_planning_a_large_network_allocates_no_memory(tmp_path: Path) -> None:
    text = TEXT.replace("[10]", "[1000000, 1000000]")  # 4 TB
    planned = plan.plan_suite(suite_of(text, Path("demo.toml")), REGISTRY, tmp_path).experiments
    assert max(p.bytes for p in planned) > 10**12
