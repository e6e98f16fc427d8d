"""Builds an instance from a user's values, checking every value."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args, get_origin

from lth_bench.errors import UserError, suggest
from lth_bench.params.describe import parameters
from lth_bench.params.types import (
    dotted,
    finite,
    is_mapping,
    is_table,
    literals,
    members,
    phrase_of,
    show,
    unwrap,
)

T = TypeVar("T")
Keys = tuple[str | int, ...]


class WrongType(UserError):
    """A value of another type; a union then tries its next member."""


def build(cls: type[T], values: Mapping[str, object], where: str = "") -> T:
    """An instance of `cls` with these parameter values; the others keep their defaults.

    `where` starts an error's message, such as "strategy imp". A table for a nested dataclass is
    merged into the field's default, so `{conv = 0.1}` changes one number.

    UserError for an unknown or missing parameter, a wrong type, a value out of range, NaN and
    infinity, and for ValueErrors of the class's own `__post_init__`. Its `path` leads to the
    offending key.
    """
    try:
        return _table(cls, values, (), None)
    except UserError as error:
        message = f"{where}: {error.message}" if where else error.message
        raise UserError(message, error.path) from error


def _defaults_checked(cls: type[Any]) -> None:
    """UserError if a class's default is not a valid value."""
    for param in parameters(cls):
        if not param.required:
            try:
                convert(param.default, param.type, (param.name,))
            except UserError as error:
                raise UserError(
                    f"the default of {cls.__qualname__}.{error.message}; change the default, or "
                    f"the field's declaration"
                ) from error


_check_defaults = cast(Callable[[type[Any]], None], functools.cache(_defaults_checked))


def _table(cls: type[T], values: Mapping[str, object], path: Keys, default: T | None) -> T:
    _check_defaults(cls)
    known = {param.name: param for param in parameters(cls)}
    for key in values:
        if key not in known:
            hint = suggest(str(key), known) if known else "; there is none to set"
            raise UserError(f"unknown key {dotted((*path, key))}{hint}", (*path, key))
    given: dict[str, Any] = {}
    for name, param in known.items():
        if name in values:
            given[name] = convert(values[name], param.type, (*path, name), param.default)
        elif default is not None:
            given[name] = getattr(default, name)
        elif param.required:
            raise UserError(f"missing key {dotted((*path, name))}: {phrase_of(param.type)}", path)
    try:
        return cls(**given)
    except UserError as error:
        raise UserError(error.message, (*path, *error.path)) from error
    except ValueError as error:
        prefix = f"{dotted(path)}: " if path else ""
        raise UserError(f"{prefix}{error}", path) from error


def convert(value: object, annotation: Any, path: Keys, default: object = None) -> Any:
    """`value` as the annotated type, or UserError that names `path`, value and what is allowed."""
    bare, limits = unwrap(annotation)
    if members(bare):
        return _union(value, bare, path, default)
    if literals(bare):
        for allowed in literals(bare):
            if type(value) is type(allowed) and value == allowed:
                return value
        kind = WrongType if type(value) not in map(type, literals(bare)) else UserError
        hint = suggest(value, map(str, literals(bare))) if isinstance(value, str) else ""
        hint = hint if "did you mean" in hint else ""
        raise kind(f"{_must(path, annotation, value)}{hint}", path)
    if get_origin(bare) is tuple:
        return _tuple(value, annotation, path)
    if is_mapping(bare):
        if not isinstance(value, Mapping):
            raise WrongType(_must(path, annotation, value), path)
        inner = get_args(bare)[1]
        if inner is object:
            return dict(value)
        return {k: convert(v, inner, (*path, k)) for k, v in value.items()}
    if is_table(bare):
        return _nested(value, bare, path, default)
    if type(value) is not bare and not (bare is float and type(value) is int):
        raise WrongType(_must(path, annotation, value), path)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if (bare is float and not finite(value)) or (limits is not None and value not in limits):
            raise UserError(_must(path, annotation, value), path)
        return float(value) if bare is float else value
    return value


def _union(value: object, bare: Any, path: Keys, default: object) -> Any:
    refusal: UserError | None = None
    # An exact type first: 1 is an int in `float | int`, whatever the order.
    for member in sorted(members(bare), key=lambda m: type(value) is not unwrap(m)[0]):
        try:
            fitting = default if isinstance(default, _class_of(member)) else None
            return convert(value, member, path, fitting)
        except UserError as error:
            # The form is right but a part is invalid: report that.
            if not isinstance(error, WrongType) or error.path != path:
                refusal = refusal or error
    raise refusal or WrongType(_must(path, bare, value), path)


def _class_of(annotation: Any) -> type:
    bare = unwrap(annotation)[0]
    return bare if isinstance(bare, type) else type(None)


def _tuple(value: object, annotation: Any, path: Keys) -> tuple[Any, ...]:
    inner = get_args(unwrap(annotation)[0])
    if not isinstance(value, list | tuple):
        raise WrongType(_must(path, annotation, value), path)
    each = inner[:1] * len(value) if Ellipsis in inner else inner
    if len(each) != len(value):
        raise UserError(_must(path, annotation, value), path)
    return tuple(
        convert(v, t, (*path, i)) for i, (v, t) in enumerate(zip(value, each, strict=True))
    )


def _nested(value: object, cls: type, path: Keys, default: object) -> Any:
    if isinstance(value, cls):
        return _table(cls, _fields(value), path, None)
    if isinstance(value, Mapping):
        return _table(cls, value, path, default if isinstance(default, cls) else None)
    if hasattr(cls, "of") and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return _table(cls, _fields(cls.of(float(value))), (), None)
        except (ValueError, OverflowError) as error:
            # The number is used for every field, so an invalid field means an invalid number.
            allowed = phrase_of(parameters(cls)[0].type)
            raise UserError(
                f"{dotted(path)} must be {allowed}, but got {show(value)}", path
            ) from error
    raise WrongType(_must(path, cls, value), path)


def _fields(instance: Any) -> dict[str, Any]:
    return {f.name: getattr(instance, f.name) for f in dataclasses.fields(instance) if f.init}


def _must(path: Keys, annotation: Any, value: object) -> str:
    return f"{dotted(path)} must be {phrase_of(annotation)}, but got {show(value)}"
