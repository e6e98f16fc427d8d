"""The same grid at a few steps, to see that everything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lth_bench.suite.spec import StrategySpec, Suite
from lth_bench.suite.tune import smoke_tune

STEPS = 8
BATCH_SIZE = 16
VAL_SIZE = 32
DENSITIES = 2
OWN = {"steps", "epochs", "milestones", "warmup", "eval_every", "val_size", "batch_size"}
"""Values of a recipe that a smoke run sets itself."""


def smoke(suite: Suite) -> Suite:
    """Every strategy on every task, but 8 steps, one seed and the two densest targets below 1.

    Its name ends in -smoke, so its results never mix with the suite's own. Takes a suite that
    `check` has passed.
    """
    return dataclasses.replace(
        suite,
        name=f"{suite.name}-smoke",
        seeds=suite.seeds[:1],
        densities=_few(suite.densities),
        strategies=tuple(map(_untrained, suite.strategies)),
        tune=smoke_tune(suite.tune),
        tasks=tuple(
            dataclasses.replace(task, recipe=short(task.recipe), densities=_few(task.densities))
            for task in suite.tasks
        ),
    )


def _untrained(strategy: StrategySpec) -> StrategySpec:
    """Without what tuning found of the recipe's length and batches, which are smoke's own here."""
    return dataclasses.replace(
        strategy,
        tuned=tuple(
            dataclasses.replace(tuned, train={k: v for k, v in tuned.train.items() if k not in OWN})
            for tuned in strategy.tuned
        ),
    )


def _few(densities: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(d for d in densities if d < 1)[:DENSITIES] or densities[:1]


def short(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe at 8 steps, its milestones and warm-up moved in proportion."""
    length = recipe.get("steps", recipe.get("epochs", STEPS))
    out = {key: value for key, value in recipe.items() if key != "epochs"}
    scale = STEPS / length
    if "milestones" in out:
        out["milestones"] = [milestone * scale for milestone in out["milestones"]]
    if "warmup" in out:
        out["warmup"] = out["warmup"] * scale
    out["steps"] = STEPS
    out["eval_every"] = STEPS // 2
    out["val_size"] = min(VAL_SIZE, recipe.get("val_size", VAL_SIZE))
    out["batch_size"] = min(BATCH_SIZE, recipe.get("batch_size", BATCH_SIZE))
    return out
