"""What the command line changes in a suite before it is read: `--add` and `--plugin` append
strategies, `--set` replaces values.

So a new method can be compared on a shipped suite without copying it. An added strategy uses
the suite's controls and its own default parameters, which `--set strategies.NAME.params.KEY=VALUE`
changes.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import NothingSelected, UnknownName, UserError, suggest
from lth_bench.params import dotted, show
from lth_bench.params.build import Keys
from lth_bench.suite.source import MAX_DEPTH, depth
from lth_bench.system.streams import typed

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


def additions(
    document: Mapping[str, Any],
    asked: Sequence[str],
    wanted: Collection[str],
    files: Sequence[Path],
    registry: Registry,
) -> dict[str, str]:
    """Name → the option that adds it, in that order.

    `asked` are the names after `--add`. A file after `--plugin` adds its strategies where the
    suite uses none of them; where it uses some, it adds only those in `wanted`, the names after
    `-s`. UserError for a name that the suite already lists, and for an unknown one.
    """
    listed = listed_names(document)
    found: dict[str, str] = {}
    for name in asked:
        if name in listed:
            raise UserError(
                f"--add {name}: the suite already has it; change its parameters with"
                f" --set strategies.{name}.params.KEY=VALUE"
            )
        if name not in registry.strategies:
            raise UserError(f"--add: {_unknown(registry, name)}")
        found[name] = f"--add {name}"
    for file in files:
        names = registry.of_file(file)
        used = not listed.isdisjoint(names)
        for name in names:
            if name not in listed and (not used or name in wanted):
                found.setdefault(name, f"--plugin {file}: strategy {name}")
    _require_listed(wanted, listed | set(found), registry)
    return found


def add_to(document: dict[str, Any], names: Mapping[str, str]) -> dict[tuple[str | int, ...], str]:
    """Append these strategies to the document; returns the place and the option of each."""
    places: dict[tuple[str | int, ...], str] = {}
    strategies = document.setdefault("strategies", [])
    if isinstance(strategies, list):  # otherwise reading the suite reports the mistake
        for name, option in names.items():
            places["strategies", len(strategies)] = option
            strategies.append({"use": name})
    return places


def listed_names(document: Mapping[str, Any]) -> set[str]:
    """Names and labels of the suite's strategies, as far as the document is valid."""
    tables = document.get("strategies")
    tables = [t for t in tables if isinstance(t, Mapping)] if isinstance(tables, list) else []
    return {str(table[key]) for table in tables for key in ("use", "label") if key in table}


def _require_listed(wanted: Collection[str], known: Collection[str], registry: Registry) -> None:
    """NothingSelected, with the option to add it, where `-s` names an installed strategy that the
    suite does not have.
    """
    for name in wanted:
        if name not in known and name in registry.strategies:
            raise NothingSelected(
                f"nothing selected: the suite has no strategy {name!r}, but it is installed;"
                f" add it with --add {name}"
            )


def _unknown(registry: Registry, name: str) -> str:
    return UnknownName("strategy", name, registry.strategies).message


EXAMPLE = "such as --set recipes.paper.lr=0.05"
NAMED = ("recipes", "strategies", "tasks")
WORD = re.compile(r"[A-Za-z_\x80-\U0010ffff][\w.:+\x80-\U0010ffff-]*")
"""A text that needs no quotes, in any script, and that is not another TOML value."""
KEY_PARTS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s.\"']+")


def apply_overrides(document: dict[str, Any], overrides: Sequence[str]) -> dict[Keys, str]:
    """Change the document in place; returns the place of each override with its text.

    A key is dotted: `suite.seeds`, `recipes.paper.lr`, `tasks.0.densities`, and strategies by
    label: `strategies.imp.params.prune_rate`. A value is TOML; a bare word is a string. UserError
    where an override would undo an earlier one.
    """
    places: dict[Keys, str] = {}
    for text in map(typed, overrides):
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set takes KEY=VALUE, {EXAMPLE}, but got {show(text)}")
        try:
            keys, item = _keys(key.strip()), _value(value)
            if len(keys) + depth(item) > MAX_DEPTH:
                raise UserError(
                    f"nested too deeply; at most {MAX_DEPTH} tables or lists are allowed"
                )
            place = _assign(document, keys, item)
            for other, earlier in places.items():
                if other[: len(place)] == place:
                    what = "sets the same key" if other == place else "would be undone"
                    raise UserError(f"--set {earlier} {what}; keep one of the two")
            places[place] = text
        except UserError as error:
            raise UserError(f"--set {text}: {error.message}") from error
    return places


def _keys(key: str) -> list[str]:
    # TOML's bare keys are ASCII; accept words in other scripts too
    quoted = KEY_PARTS.sub(lambda part: _quoted(part[0]), key)
    try:
        table: Any = tomllib.loads(f"{quoted} = 0")
    except (ValueError, RecursionError):
        raise UserError(f"{show(key)} is not a dotted key, {EXAMPLE}") from None
    keys = []
    while isinstance(table, dict):
        if len(table) != 1:
            raise UserError(f"{show(key)} is not a single key, {EXAMPLE}")
        ((name, table),) = table.items()
        keys.append(name)
    return keys


def _quoted(part: str) -> str:
    bare = not part.isascii() and part[0] not in "\"'" and part.isprintable()
    return json.dumps(part, ensure_ascii=False) if bare else part


def _value(value: str) -> Any:
    value = value.strip()
    try:
        table = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        if WORD.fullmatch(value) and value.isprintable():
            return value
        raise UserError(
            f"{show(value)} is not a TOML value (0.05, true, [0, 1], {{conv = 0.1}}, 'text')"
        ) from None
    if list(table) != ["value"]:
        raise UserError(f"{show(value)} is more than one TOML value")
    return table["value"]


def _assign(document: dict[str, Any], keys: list[str], value: Any) -> Keys:
    place: Keys = ()
    here: Any = document
    for number, key in enumerate(keys):
        step = _index(here, key, place) if isinstance(here, list) else key
        last = number == len(keys) - 1
        if isinstance(here, dict) and key not in here and not last:
            # Only existing recipes, strategies and tasks can be changed.
            if place and place[0] in NAMED and len(place) == 1:
                kind = str(place[0]).removesuffix("s")
                raise UserError(f"no {kind} {show(key)}{suggest(key, map(str, here))}")
            here[key] = {}
        elif not isinstance(here, dict | list):
            raise UserError(f"{dotted(place)} is {show(here)}, not a table")
        place = (*place, step)
        if last:
            here[step] = value
        else:
            here = here[step]
    return place


def _index(items: list[Any], key: str, place: Keys) -> int:
    """The index of an element given by number, from 0, or of a strategy given by label."""
    if key.isdecimal() and int(key) < len(items):
        return int(key)
    names = [str(_label(item)) for item in items] if place == ("strategies",) else []
    if key in names:
        return names.index(key)
    allowed = f"0 to {len(items) - 1}" if items else "it is empty"
    hint = suggest(key, names) if names else ""
    raise UserError(f"{dotted(place)} has no element {show(key)} ({allowed}){hint}")


def _label(item: Any) -> Any:
    return item.get("label", item.get("use")) if isinstance(item, Mapping) else None
