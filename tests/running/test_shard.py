"""Parts of a plan: each experiment is in one, whole groups together, and evenly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lth_bench.errors import UserError
from lth_bench.plugins import load_registry
from lth_bench.running import arguments
from lth_bench.running.arguments import Shard
from lth_bench.running.plan import Plan, plan_suite
from lth_bench.running.shard import shard_of
from lth_bench.suite.load import suite_of

TEXT = """
schema_version = 1
[suite]
name = "parts"
densities = [0.5, 0.2]
seeds = [0, 1, 2]
[recipes.short]
steps = 100
batch_size = 50
val_size = 97
[recipes.long]
steps = 400
batch_size = 50
val_size = 97
[[tasks]]
model = { name = "mlp", hidden = [10] }
dataset = "digits"
recipe = ["short", "long"]
[[strategies]]
use = "imp"
[[strategies]]
use = "snip"
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    suite = suite_of(TEXT, Path("parts.toml"))
    return plan_suite(suite, load_registry(third_party=False), tmp_path_factory.mktemp("data"))


def groups(plan: Plan) -> set[tuple[str, int]]:
    return {(p.experiment.recipe_name, p.experiment.seed) for p in plan.experiments}


@pytest.mark.parametrize("count", range(1, 7))
def test_each_experiment_is_in_one_part(plan: Plan, count: int) -> None:
    parts = [shard_of(plan, Shard(i, count)) for i in range(1, count + 1)]
    ids = Counter(p.experiment.experiment_id for part in parts for p in part.experiments)
    assert ids == Counter(p.experiment.experiment_id for p in plan.experiments)
    # a group shares its dense run, so it is not split
    assert sum(len(groups(part)) for part in parts) == len(groups(plan)) == 6
    assert sum(len(part.dense_runs) for part in parts) == len(plan.dense_runs)
    assert sum(part.steps for part in parts) == plan.steps


def test_parts_are_even(plan: Plan) -> None:
    # three groups of 400 steps a training and three of 100: a long and a short one each
    parts = [shard_of(plan, Shard(i, 3)) for i in (1, 2, 3)]
    assert [sorted(r for r, _ in groups(part)) for part in parts] == [["long", "short"]] * 3


def test_more_parts_than_groups_are_refused(plan: Plan) -> None:
    with pytest.raises(UserError, match=r"--shard 7/7: this run has 6 parts at most"):
        shard_of(plan, Shard(7, 7))


def test_without_a_shard_all_is_run(plan: Plan) -> None:
    assert shard_of(plan, None) is plan


@pytest.mark.parametrize("given", ["3/8", " 3/8 ", (3, 8), [3, 8]])
def test_a_shard_is_read(given: Any) -> None:
    assert arguments.shard("--shard", given) == Shard(3, 8)


@pytest.mark.parametrize(
    "given", ["0/8", "9/8", "3", "3/0", "3/8/2", "a/b", "", (3,), (3.5, 8), (0, 2)]
)
def test_no_shard(given: Any) -> None:
    with pytest.raises(UserError, match="--shard takes a part of so many, counted from 1"):
        arguments.shard("--shard", given)
