"""The parameters of a class: name, type, default, range and documentation of each field."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args, get_origin, get_type_hints

from lth_bench.errors import UserError
from lth_bench.params.types import Range, choices_of, members, name_of, range_of, supported, unwrap


@dataclass(frozen=True, kw_only=True)
class Param:
    """One parameter of a strategy, model, dataset or recipe."""

    name: str
    type: Any
    """The annotation, resolved; `type_name` is its short form."""
    default: Any
    """None if `required`."""
    required: bool
    doc: str
    """The string under the field, as one paragraph; "" without one."""
    range: Range | None
    """The range of the number, of a union's number, or of a tuple's elements."""
    choices: tuple[Any, ...]
    """The values of a Literal, else ()."""

    @property
    def type_name(self) -> str:
        """For listings: `float`, `int | None`, `tuple[int, ...]`."""
        return name_of(self.type)


def parameters(cls: type[Any]) -> tuple[Param, ...]:
    """The fields of a frozen dataclass, inherited ones first, as parameters.

    UserError if the class is not a frozen dataclass, or a field has a type that cannot be written
    in a suite.
    """
    return _cached(cls)


def _parameters(cls: type[Any]) -> tuple[Param, ...]:
    if not dataclasses.is_dataclass(cls):
        raise UserError(f"{cls!r} must be a frozen dataclass: its fields are its parameters")
    if not cast(Any, cls).__dataclass_params__.frozen:
        raise UserError(f"{cls.__qualname__} must be frozen: @dataclass(frozen=True, eq=False)")
    try:
        hints = get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise UserError(f"{cls.__qualname__}: an annotation cannot be read: {error}") from error
    docs = field_docs(cls)
    found = []
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        annotation = hints[field.name]
        if not supported(annotation):
            raise UserError(
                f"{cls.__qualname__}.{field.name}: a parameter's type is int, float, bool, str,"
                f" Literal, X | None, tuple[T, ...] or a frozen dataclass, but got"
                f" {name_of(annotation)}"
            )
        required, default = False, field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        elif default is dataclasses.MISSING:
            required, default = True, None
        found.append(
            Param(
                name=field.name,
                type=annotation,
                default=default,
                required=required,
                doc=docs.get(field.name, ""),
                range=range_of(annotation),
                choices=choices_of(annotation),
            )
        )
    return tuple(found)


_cached = cast(Callable[[type[Any]], tuple[Param, ...]], functools.cache(_parameters))


def field_docs(cls: type[Any]) -> dict[str, str]:
    """Field name → the string literal under it, inherited fields included.

    Python drops such strings, so they are read from the source; a class without source (made in
    an interactive session) has none.
    """
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            continue
        body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
        for field, below in itertools.pairwise(body):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    docs[name] = " ".join(inspect.cleandoc(text).split())
    return docs


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
    """A value in JSON types: lists for tuples, tables (all fields) for dataclasses.

    With its annotation, an int in a float field becomes a float, so that 1 and 1.0 are the same
    value.
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
