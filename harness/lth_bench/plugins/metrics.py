"""Collects the results of all plugins' `score` hooks in one table of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lth_bench.errors import StrategyError
from lth_bench.plugins.asking import short


@dataclass
class Metrics:
    """Metrics of one ticket, by name. Names are unique over all plugins."""

    source: dict[str, str] = field(default_factory=dict)
    """Name → the plugin it is from; may initially contain names already in use."""
    values: dict[str, float] = field(default_factory=dict)

    def add(self, plugin: str, answer: object) -> None:
        """Add one plugin's metrics, all of them or none. StrategyError for an invalid metric."""
        found = _numbers(plugin, answer)
        for name in found:
            if name in self.source:
                raise StrategyError(
                    plugin,
                    "score",
                    f"the metric name {name!r} is already used by {self.source[name]}",
                )
        self.values.update(found)
        self.source.update(dict.fromkeys(found, plugin))


def _numbers(plugin: str, answer: Any) -> dict[str, float]:
    if not isinstance(answer, Mapping):
        raise StrategyError(plugin, "score", f"must return a mapping, but returned {short(answer)}")
    numbers = {}
    for name, value in answer.items():
        try:
            if isinstance(value, str):
                raise TypeError("it is text")
            numbers[str(name)] = float(value)
        except Exception as error:  # a tensor or an array may raise anything
            raise StrategyError(
                plugin,
                "score",
                f"every metric must be a number, but {name!r} is {short(value)}: {error}",
            ) from error
    return numbers
