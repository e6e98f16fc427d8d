"""What differs between two experiments, part by part of what decides their identity."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]

PARTS = (
    "strategy", "source_hash", "params", "model", "dataset", "recipe", "densities", "controls",
    "scored_on",
)  # fmt: skip
"""Keys of an experiment's configuration that are part of its identity."""
BESIDE = ("torch", "device")
"""What decides its trainings besides; it has no part in the experiment's own identity."""

_WORDS = {
    "source_hash": "source of the strategy",
    "params": "parameter",
    "recipe": "recipe",
    "model": "model",
    "dataset": "dataset",
    "scored_on": "split it is scored on",
}


@dataclass(frozen=True)
class Change:
    """One part that differs."""

    part: str
    """In words, such as `parameter prune_rate.conv`."""
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.part}: {_shown(self.before)} → {_shown(self.after)}"


def changes(before: Record, after: Record) -> list[Change]:
    """The parts in which two configurations differ, as the journal has them.

    Where nothing that is recorded differs, though their ids do, it is the source of the model or
    the dataset, whose hashes are in the id alone.
    """
    found = [
        Change(_title(part, path), old, new)
        for part in PARTS
        for path, old, new in _differences(before.get(part), after.get(part))
    ]
    found = found or [Change("source of the model or the dataset", "another", "this")]
    beside = [Change(x, before.get(x), after.get(x)) for x in BESIDE if x in before and x in after]
    return [*found, *(change for change in beside if change.before != change.after)]


def _differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(before.get(key), after.get(key), inner)
    elif before != after:
        yield path, before, after


def _title(part: str, path: str) -> str:
    # a model's table is {name, params}: "model params.hidden" says no more than "model hidden"
    path = path.removeprefix("params.") if part in ("model", "dataset") else path
    return f"{_WORDS.get(part, part)} {path}".strip()


def _shown(value: Any) -> str:
    if value is None:
        return "the default"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
