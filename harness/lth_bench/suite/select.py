"""The part of a suite to run: filters by name, and a smoke run of a few steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lth_bench.errors import NothingSelected, UserError, suggest
from lth_bench.params import show
from lth_bench.suite.document import distinct
from lth_bench.suite.spec import MAX_SEED, StrategySpec, Suite, TaskSpec
from lth_bench.suite.tune import smoke_tune


def select(
    suite: Suite,
    seeds: str | Sequence[int] | None = None,
    strategies: Sequence[str] = (),
    models: Sequence[str] = (),
    datasets: Sequence[str] = (),
) -> Suite:
    """The suite with only these strategies, models and datasets, by name or label, and these seeds.

    Raises NothingSelected for a name that the suite does not have, or if no experiment remains.
    """
    if seeds is not None:
        suite = dataclasses.replace(suite, seeds=parse_seeds(seeds))
    _known(suite, "strategy", strategies, (n for s in suite.strategies for n in (s.label, s.use)))
    for kind, names in (("model", models), ("dataset", datasets)):
        parts = [getattr(task, kind) for task in suite.tasks]
        _known(suite, kind, names, (n for part in parts for n in (part.label, part.name)))
    kept = dataclasses.replace(
        suite,
        strategies=tuple(
            s for s in suite.strategies if not strategies or {s.label, s.use} & set(strategies)
        ),
        tasks=tuple(
            task
            for task in suite.tasks
            if (not models or task.model.answers_to(models))
            and (not datasets or task.dataset.answers_to(datasets))
        ),
    )
    if not kept.pairs():
        raise NothingSelected(
            f"nothing selected: suite {suite.name!r} has no experiments for"
            f" {_filters(strategies, models, datasets)}; its tasks are"
            f" {', '.join(task.label for task in suite.tasks)}"
        )
    return kept


def _known(suite: Suite, kind: str, names: Sequence[str], choices: Iterable[str]) -> None:
    known = list(dict.fromkeys(choices))
    for name in names:
        if name not in known:
            raise NothingSelected(
                f"nothing selected: suite {suite.name!r} has no {kind} {show(name)}"
                f"{suggest(name, known)}"
            )


def _filters(strategies: Sequence[str], models: Sequence[str], datasets: Sequence[str]) -> str:
    options = (("-s", strategies), ("-m", models), ("-d", datasets))
    return " ".join(f"{option} {name}" for option, names in options for name in names) or "any task"


def parse_seeds(seeds: str | Sequence[int]) -> tuple[int, ...]:
    """`"3"` is 0, 1, 2; `"0,4,7"` and `"4,"` are those seeds; a sequence is itself."""
    if not isinstance(seeds, str):
        numbers = list(seeds)
        if any(type(n) is not int for n in numbers):
            raise UserError(f"seeds must be integers, but got {show(numbers)}")
    else:
        parts = [part.strip() for part in seeds.split(",")]
        parts = parts[:-1] if len(parts) > 1 and not parts[-1] else parts
        if not all(part.isascii() and part.isdecimal() and len(part) <= 10 for part in parts):
            raise UserError(
                f"--seeds takes a count (3) or a list (0,1,4) of integers from 0 to"
                f" {MAX_SEED}, but got {show(seeds)}"
            )
        numbers = [int(part) for part in parts]
        if "," not in seeds:
            if not 1 <= numbers[0] <= 10_000:
                raise UserError(
                    f"--seeds takes a count from 1 to 10000, but got {show(seeds)}; for the single"
                    f" seed {numbers[0]} use '{numbers[0]},'"
                )
            return tuple(range(numbers[0]))
    if not numbers:
        raise UserError("--seeds is empty; it needs at least one seed")
    if not all(0 <= number <= MAX_SEED for number in numbers):
        raise UserError(f"seeds must be in [0, {MAX_SEED}], but got {show(seeds)}")
    distinct(numbers, "seeds")
    return tuple(numbers)


STEPS = 8
BATCH_SIZE = 16
VAL_SIZE = 32
DENSITIES = 2
OWN = {"steps", "epochs", "milestones", "warmup", "eval_every", "val_size", "batch_size"}
"""Recipe values that a smoke run sets itself."""


def smoke(suite: Suite) -> Suite:
    """Every strategy on every task with 8 steps, one seed and the two densest targets below 1.

    Its name ends in -smoke, so that its results never mix with the suite's own. The suite must have
    passed `check`.
    """
    return dataclasses.replace(
        suite,
        name=f"{suite.name}-smoke",
        seeds=suite.seeds[:1],
        densities=_few(suite.densities),
        strategies=tuple(map(_untrained, suite.strategies)),
        tune=smoke_tune(suite.tune),
        tasks=tuple(
            dataclasses.replace(
                _short_task(task),
                sources=tuple(
                    dataclasses.replace(one, task=_short_task(one.task)) for one in task.sources
                ),
            )
            for task in suite.tasks
        ),
    )


def _untrained(strategy: StrategySpec) -> StrategySpec:
    """Without the tuned length and batch size of the recipe, which a smoke run sets itself."""
    return dataclasses.replace(
        strategy,
        tuned=tuple(
            dataclasses.replace(tuned, train={k: v for k, v in tuned.train.items() if k not in OWN})
            for tuned in strategy.tuned
        ),
    )


def _short_task(task: TaskSpec) -> TaskSpec:
    return dataclasses.replace(task, recipe=short(task.recipe), densities=_few(task.densities))


def _few(densities: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(d for d in densities if d < 1)[:DENSITIES] or densities[:1]


def short(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe at 8 steps, with milestones and warm-up scaled in proportion."""
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
    batch_size = min(BATCH_SIZE, recipe.get("batch_size", BATCH_SIZE))
    devices = recipe.get("devices", 1)  # each takes an equal part
    out["batch_size"] = max(devices, batch_size - batch_size % devices)
    return out
