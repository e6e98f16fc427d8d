"""The shortest plain form of an instance: what keys and the database record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from lth_bench.params.describe import parameters
from lth_bench.params.types import members, unwrap


def canonical(instance: Any) -> dict[str, Any]:
    """JSON-able values of the parameters that differ from their defaults, keys sorted.

    Defaults are left out so that a new option keeps older results valid. `build` of the result
    gives the instance back.
    """
    return _difference(instance, None)


def _difference(instance: Any, default: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for param in sorted(parameters(type(instance)), key=lambda p: p.name):
        value = getattr(instance, param.name)
        usual = param.default if default is None else getattr(default, param.name)
        must_say = param.required and default is None
        if not must_say and plain(value, param.type) == plain(usual, param.type):
            continue
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            same_type = type(usual) is type(value)
            out[param.name] = _difference(value, usual if same_type else None)
        else:
            out[param.name] = plain(value, param.type)
    return out


def plain(value: Any, annotation: Any = None) -> Any:
    """A value as JSON knows it: lists for tuples, tables (all fields) for dataclasses.

    With its annotation, an int in a float field becomes a float: 1 and 1.0 are one value.
    """
    bare = unwrap(annotation)[0]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = sorted(parameters(type(value)), key=lambda p: p.name)
        return {p.name: plain(getattr(value, p.name), p.type) for p in fields}
    if isinstance(value, Mapping):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, tuple | list):
        inner = get_args(bare) if get_origin(bare) is tuple else ()
        each = inner[:1] * len(value) if Ellipsis in inner else inner
        each = each if len(each) == len(value) else (None,) * len(value)
        return [plain(v, a) for v, a in zip(value, each, strict=True)]
    options = [unwrap(member)[0] for member in members(bare) or (bare,)]
    if type(value) is int and float in options and int not in options:
        return float(value)
    return value
