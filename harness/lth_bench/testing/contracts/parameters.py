"""The contract on parameters: documented and bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from lth_bench.errors import UserError
from lth_bench.params import Param, build, plain
from lth_bench.params import parameters as fields
from lth_bench.params.types import is_table, literals, members, unwrap
from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract


@contract(
    "every parameter is a field with a type, a range where it is a number, and a docstring",
    meet="make the class a @dataclass(frozen=True, eq=False) and write each parameter as "
    '`rate: Annotated[float, Range(0, 1, open_low=True)] = 0.2` with a string """…""" below it '
    "that says what it does and its unit; checks of several fields go into __post_init__",
)
def parameters(case: Case) -> None:
    """Suites, listings and tuning read types, ranges and docstrings from the fields.

    Defaults must pass their own checks, and values just outside a range must be refused, in nested
    tables too. A range without bounds, `Range()`, also counts as a declaration.
    """
    found = documented(case.cls)
    fault = case.base.fault
    if fault is not None and fault.contract == "parameters":
        raise Broken(f"{fault.what} (with params = {case.params!r})")
    require_checked(case.cls, found, case.params)
    if not found:
        raise NotApplicable("the strategy has no parameters")


def documented(cls: type[Any]) -> list[Param]:
    """A class's parameters. Broken for one without a docstring, or for a number without a range."""
    try:
        found = list(fields(cls))
    except UserError as error:
        raise Broken(error.message) from error
    for param in found:
        if not param.doc:
            raise Broken(f"parameter {param.name!r} has no docstring below it")
    missing = [where for param in found for where in _without_range(param.type, param.name)]
    if missing:
        raise Broken(f"{', '.join(missing)} may be any number: there is no Range on it")
    return found


def require_checked(cls: type[Any], found: Sequence[Param], params: Mapping[str, object]) -> None:
    """Broken where a default is refused, or a value just outside of a range is not."""
    required = {p.name: params[p.name] for p in found if p.required}
    for param in found:
        if not param.required:
            _accepts_default(cls, param, required)
        _refuses_outside(cls, param, required)


def _without_range(annotation: Any, where: str) -> Iterator[str]:
    """Numbers that are not bounded, by dotted name."""
    bare, limits = unwrap(annotation)
    if limits is not None or literals(bare):
        return
    if bare in (int, float):
        yield where
    elif is_table(bare):
        for inner in fields(bare):
            yield from _without_range(inner.type, f"{where}.{inner.name}")
    elif members(bare) or get_origin(bare) is tuple:
        for part in get_args(bare):
            if part is not Ellipsis:
                yield from _without_range(part, where)


def _accepts_default(cls: type[Any], param: Param, required: dict[str, Any]) -> None:
    try:
        build(cls, {**required, param.name: plain(param.default, param.type)})
    except UserError as error:
        raise Broken(f"the default of {param.name!r} is refused: {error.message}") from error


def _refuses_outside(cls: type[Any], param: Param, required: dict[str, Any]) -> None:
    bare, limits = unwrap(param.type)
    if limits is None or bare not in (int, float):
        return
    ends = ((limits.low, limits.open_low, -1), (limits.high, limits.open_high, 1))
    for end, is_open, outwards in ends:
        if abs(end) == float("inf"):
            continue
        outside = bare(end) if is_open else bare(end) + outwards
        try:
            build(cls, {**required, param.name: outside})
        except UserError:
            continue
        raise Broken(f"{param.name} = {outside} is accepted, outside its range {limits}")
