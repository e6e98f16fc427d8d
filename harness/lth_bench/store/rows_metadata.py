"""What a file of rows says of how they were made: JSON in its metadata, and what of it is checked.

A file may come from anyone, so every value is held to its type before anything uses it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, NamedTuple

FORMAT = 1
"""Raised when columns change their meaning; columns and keys are otherwise only added."""
KEY = "lth_bench"
"""The file's metadata under this key is a JSON object with the keys `ABOUT`."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if not isinstance(value, float | int) or isinstance(value, bool):
        return False
    with suppress(OverflowError):  # a whole number beyond every float
        return math.isfinite(value)
    return False


def _is_text_or_null(value: Any) -> bool:
    return value is None or _is_text(value)


def _is_number_or_null(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_date(value: Any) -> bool:
    with suppress(ValueError, TypeError):
        return bool(date.fromisoformat(value).isoformat() == value)
    return False


def _is_machine(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    packages = value.get("packages") or {}
    texts = [said for name, said in value.items() if name != "packages"]
    return isinstance(packages, dict) and all(map(_is_text_or_null, [*texts, *packages.values()]))


def _is_rule(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_count(value.get("max_seeds"))
        and _is_number_or_null(value.get("margin"))
    )


OF_COMPARISON = ("model", "dataset", "recipe", "label", "target_density")
"""Columns of a look that its record has at the top (`run_records.LookRecord`)."""
LOOKS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(OF_COMPARISON, _is_text), "target_density": _is_number,
    **dict.fromkeys(("source_model", "source_dataset", "source_recipe"), _is_text),
    "n": _is_count, "verdict": _is_text, "stop": _is_text_or_null,
    **dict.fromkeys(("difference", "deviation", "p", "p_equivalent"), _is_number_or_null),
    "margin": _is_number, "max_seeds": _is_count, "baseline": _is_text, "metric": _is_text,
}  # fmt: skip
"""Columns of the looks, and what their values are."""


def _is_looks(value: Any) -> bool:
    if not isinstance(value, dict) or any(name not in value for name in LOOKS):
        return False
    columns = [value[name] for name in LOOKS]
    if not all(isinstance(column, list) for column in columns):
        return False
    return len(set(map(len, columns))) == 1 and all(
        all(map(fits, value[name])) for name, fits in LOOKS.items()
    )


class Demand(NamedTuple):
    """What a key's value must be."""

    words: str
    holds: Callable[[Any], bool]


TEXT = Demand("a text", _is_text)
ABOUT: Mapping[str, Demand] = {
    "format": Demand("a whole number", _is_count),
    "suite": TEXT,
    "suite_version": Demand("a text or a whole number", lambda x: _is_text(x) or _is_count(x)),
    "suite_toml": TEXT,
    "overrides": Demand("a list of texts", lambda x: isinstance(x, list) and all(map(_is_text, x))),
    "baseline": TEXT,
    "command": TEXT,
    "date": Demand("a date such as 2026-01-31", _is_date),
    "environment": Demand("an object of texts, and its packages another", _is_machine),
}
"""Keys that every file has."""
ADDED: Mapping[str, Demand] = {
    "decide": Demand("an object with margin, a number or null, and max_seeds, a number", _is_rule),
    "looks": Demand(f"an object with lists of equal length: {', '.join(LOOKS)}", _is_looks),
}
"""Keys of a file whose seeds were added until decided: the rule, and what each look said, column by
column in the order of the looks. Missing where their number was fixed, and in older files."""


def metadata(text: str | bytes | None) -> tuple[dict[str, Any], list[str]]:
    """The object in a file's metadata, and what is wrong with it in a few words each: nothing, or
    it must not be used.
    """
    said: Any = None
    if text is not None:
        with suppress(ValueError, RecursionError):
            said = json.loads(text)
    if not isinstance(said, dict) or any(key not in said for key in ABOUT):
        return {}, [f"its metadata has no {KEY!r} with {', '.join(ABOUT)}"]
    there = {**ABOUT, **{key: demand for key, demand in ADDED.items() if key in said}}
    wrong = [
        f"{key} in its metadata must be {demand.words}, but is {_short(said[key])}"
        for key, demand in there.items()
        if not demand.holds(said[key])
    ]
    if not wrong and said["format"] != FORMAT:
        wrong = [f"it is of format {said['format']}, and this version reads {FORMAT}"]
    return said, wrong


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def looks_table(rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Looks, each with the values of `LOOKS` in that order, column by column. Without those that no
    run has written, as of merged results that lack a value.
    """
    fits = tuple(LOOKS.values())
    sound = [row for row in rows if all(fit(x) for fit, x in zip(fits, row, strict=True))]
    return {name: [row[place] for row in sound] for place, name in enumerate(LOOKS)}


def look_records(said: Mapping[str, Any], run: str, at: str) -> Iterator[dict[str, Any]]:
    """The journal's records of the looks that a file tells of (`run_records.LookRecord`)."""
    table = said.get("looks") or dict.fromkeys(LOOKS, ())
    for values in zip(*(table[name] for name in LOOKS), strict=True):
        look = dict(zip(LOOKS, values, strict=True))
        yield {
            "record": "look", "at": at, "run_id": run, "suite": said["suite"],
            **{name: look.pop(name) for name in OF_COMPARISON}, "look": look,
        }  # fmt: skip
