"""What is wrong with a plugin's hooks, found before anything trains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.params import build
from lth_bench.plugins.dispatch import Hooks, StrategyError
from lth_bench.plugins.registry import Registry

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment


class _NoDefaults:
    """Stands in for the default hooks, which need the data."""


def preflight(experiments: Iterable[Experiment], registry: Registry) -> None:
    """UserError for a strategy or an observer whose hooks cannot be called as they are.

    A misspelt hook, a wrong argument name, a hook's name without @hookimpl, a strategy without
    `select_mask`, an observer that cannot be made or that meddles.
    """
    observers = {}
    for name, entry in registry.observers.items():
        try:
            observers[name] = entry.load()()
        except UserError:
            raise
        except Exception as error:  # whatever somebody's constructor raises
            raise UserError(
                f"observer {name!r} of {entry.origin} cannot be made: "
                f"{type(error).__name__}: {error}"
            ) from error
    seen = set()
    for experiment in experiments:
        if experiment.label in seen:
            continue
        seen.add(experiment.label)
        cls = registry.get("strategies", experiment.strategy)
        strategy = build(cls, experiment.params, f"strategy {experiment.label!r}")
        try:
            Hooks(experiment.label, strategy, _NoDefaults(), observers)
        except StrategyError as error:
            raise UserError(str(error)) from error
