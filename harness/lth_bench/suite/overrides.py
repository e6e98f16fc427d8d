"""`--set KEY=VALUE`: changing a suite's document before it is checked."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from lth_bench.errors import UserError, suggest
from lth_bench.params import dotted, show
from lth_bench.suite.source import MAX_DEPTH, depth
from lth_bench.suite.spec import Keys
from lth_bench.system.streams import typed

EXAMPLE = "such as --set recipes.paper.lr=0.05"
NAMED = ("recipes", "strategies", "tasks")
WORD = re.compile(r"[A-Za-z_\x80-\U0010ffff][\w.:+\x80-\U0010ffff-]*")
"""A text that needs no quotes, in whatever script; not what TOML could have meant otherwise."""
KEY_PARTS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s.\"']+")


def apply(document: dict[str, Any], overrides: Sequence[str]) -> dict[Keys, str]:
    """Change the document in place; where each override took effect, with its text.

    A key is dotted: `suite.seeds`, `recipes.paper.lr`, `tasks.0.densities`, and strategies by
    label: `strategies.imp.params.prune_rate`. A value is TOML; a bare word is a string. UserError
    where one undoes another.
    """
    places: dict[Keys, str] = {}
    for text in map(typed, overrides):
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set takes KEY=VALUE, {EXAMPLE}, but got {show(text)}")
        try:
            keys, item = _keys(key.strip()), _value(value)
            if len(keys) + depth(item) > MAX_DEPTH:
                raise UserError(f"more than {MAX_DEPTH} tables or lists within each other")
            place = _assign(document, keys, item)
            for other, earlier in places.items():
                if other[: len(place)] == place:
                    what = "is given before" if other == place else "would be undone"
                    raise UserError(f"--set {earlier} {what}; keep one of the two")
            places[place] = text
        except UserError as error:
            raise UserError(f"--set {text}: {error.message}") from error
    return places


def _keys(key: str) -> list[str]:
    # TOML's bare keys are ASCII; a word in another script is one all the same
    quoted = KEY_PARTS.sub(lambda part: _quoted(part[0]), key)
    try:
        table: Any = tomllib.loads(f"{quoted} = 0")
    except (ValueError, RecursionError):
        raise UserError(f"{show(key)} is not a dotted key, {EXAMPLE}") from None
    keys = []
    while isinstance(table, dict):
        if len(table) != 1:
            raise UserError(f"{show(key)} is not one key, {EXAMPLE}")
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
            # Of what has a name of its own, only what exists can be changed.
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
    """An element by number (from 0), or a strategy by label."""
    if key.isdecimal() and int(key) < len(items):
        return int(key)
    names = [str(_label(item)) for item in items] if place == ("strategies",) else []
    if key in names:
        return names.index(key)
    allowed = f"0 to {len(items) - 1}" if items else "nothing, it is empty"
    hint = suggest(key, names) if names else ""
    raise UserError(f"{dotted(place)} has no element {show(key)} ({allowed}){hint}")


def _label(item: Any) -> Any:
    return item.get("label", item.get("use")) if isinstance(item, Mapping) else None
