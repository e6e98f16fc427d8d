"""Checks of plugins' hooks before anything trains."""

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
    """Replaces the default hooks, which need the data."""


def preflight(experiments: Iterable[Experiment], registry: Registry) -> list[str]:
    """UserError for a strategy or observer whose hooks cannot be called.

    Detects a misspelt hook, a wrong argument name, a hook without @hookimpl, a strategy without
    `select_mask`, an observer with a strategy's hook. Returns why each unavailable observer is left
    out.
    """
    observers = registry.make_observers()
    seen = set()
    for experiment in experiments:
        if experiment.label in seen:
            continue
        seen.add(experiment.label)
        cls = registry.get("strategies", experiment.strategy)
        strategy = build(cls, experiment.params, f"strategy {experiment.label!r}")
        try:
            Hooks(
                label=experiment.label,
                strategy=strategy,
                defaults=_NoDefaults(),
                observers=observers.working,
            )
        except StrategyError as error:
            raise UserError(str(error)) from error
    return observers.left_out
