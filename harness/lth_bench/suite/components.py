"""Models, datasets, objectives and recipes as a suite names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lth_bench.errors import UserError, suggest
from lth_bench.params import dotted, show
from lth_bench.params.build import Keys
from lth_bench.suite.spec import Component
from lth_bench.system.text import snake

PYTHON = "python:"


def recipes_of(given: str | tuple[str, ...], at: Keys, known: Mapping[str, Any]) -> tuple[str, ...]:
    """The recipes of a task. UserError for one that the suite does not have."""
    names = (given,) if isinstance(given, str) else given
    if not names:
        raise UserError(f"{dotted(at)} is an empty list; it needs at least one recipe", at)
    for j, name in enumerate(names):
        here = at if isinstance(given, str) else (*at, j)
        if name not in known:
            hint = suggest(name, known) or "; this suite has no recipes, add [recipes.NAME]"
            raise UserError(f"{dotted(here)}: unknown recipe {show(name)}{hint}", here)
    return names


def components(given: Any, at: Keys) -> list[Component]:
    """A name or a table, or a list of them."""
    if not isinstance(given, tuple):
        return [component(given, at)]
    if not given:
        raise UserError(f"{dotted(at)} is an empty list; it needs at least one name", at)
    return [component(item, (*at, j)) for j, item in enumerate(given)]


def component(given: str | Mapping[str, Any], at: Keys = ()) -> Component:
    """`"conv2"`, `"torchvision:resnet50"` or `{name = "mlp", hidden = [300, 100]}`."""
    params: dict[str, Any] = {}
    name: object = given
    if isinstance(given, Mapping):
        params = {key: value for key, value in given.items() if key != "name"}
        name = given.get("name")
        if name is None:
            raise UserError(f"{dotted(at)} has no name; use {{name = '...', ...}}", at)
    here = (*at, "name") if isinstance(given, Mapping) else at
    if not isinstance(name, str) or not name:
        raise UserError(f"{dotted(here)} must be a name, but got {show(name)}", here)
    if name.startswith(PYTHON):
        return _in_file(name, params, at, here)
    plugin, colon, variant = name.partition(":")
    if colon:
        if not plugin or not variant:
            raise UserError(f"{dotted(here)} must be PLUGIN:NAME, but got {show(name)}", here)
        params = {"name": variant, **params}
    return Component(plugin, params, at)


def _in_file(name: str, params: dict[str, Any], at: Keys, here: Keys) -> Component:
    """`python:mine.py:Net`: the class of a one-file plugin, under the name that it has there."""
    file, _, cls = name.removeprefix(PYTHON).rpartition(":")
    if not file.endswith(".py") or not cls.isidentifier():
        raise UserError(
            f"{dotted(here)} must be python:FILE.py:CLASS, a class of a file beside the suite, but "
            f"got {show(name)}",
            here,
        )
    return Component(snake(cls), params, at, file=file)
