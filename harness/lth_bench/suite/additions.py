"""Strategies that the command line adds to a suite which does not list them.

So a new method is compared on a shipped suite without a copy of it. An added strategy has the
suite's controls and its own default parameters, which `--set strategies.NAME.params.KEY=VALUE`
changes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import NothingSelected, UnknownName, UserError

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
    suite uses none of them; where it uses some, the others are added only if `wanted`, the names
    after `-s`, has them. UserError for a name that the suite lists already or that there is not.
    """
    listed = _listed(document)
    found: dict[str, str] = {}
    for name in asked:
        if name in listed:
            raise UserError(
                f"--add {name}: the suite lists it already; change its parameters with"
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
    _explain(wanted, listed | set(found), registry)
    return found


def add_to(document: dict[str, Any], names: Mapping[str, str]) -> dict[tuple[str | int, ...], str]:
    """Append these strategies to the document; where each one stands, with its option."""
    places: dict[tuple[str | int, ...], str] = {}
    strategies = document.setdefault("strategies", [])
    if isinstance(strategies, list):  # otherwise the reader says what it must be
        for name, option in names.items():
            places["strategies", len(strategies)] = option
            strategies.append({"use": name})
    return places


def _listed(document: Mapping[str, Any]) -> set[str]:
    """Names and labels of the suite's strategies, as far as it has the form of a suite."""
    tables = document.get("strategies")
    tables = [t for t in tables if isinstance(t, Mapping)] if isinstance(tables, list) else []
    return {str(table[key]) for table in tables for key in ("use", "label") if key in table}


def _explain(wanted: Collection[str], known: Collection[str], registry: Registry) -> None:
    """What `-s` names is not in the suite, but at hand: say how it gets there."""
    for name in wanted:
        if name not in known and name in registry.strategies:
            raise NothingSelected(
                f"nothing selected: the suite has no strategy {name!r}, but it is installed;"
                f" add it with --add {name}"
            )


def _unknown(registry: Registry, name: str) -> str:
    return UnknownName("strategy", name, registry.strategies).message
