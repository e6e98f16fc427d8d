"""Reading type annotations: the few forms that a parameter may have."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included unless declared open; infinite where not given."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, number: float) -> bool:
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        return above and below

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{'>' if self.open_low else '>='} {self.low:g}"
        if self.low == -math.inf:
            return f"{'<' if self.open_high else '<='} {self.high:g}"
        opening, closing = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"{opening}{self.low:g}, {self.high:g}{closing}"

    @property
    def phrase(self) -> str:
        """For messages: `in [0, 1]` or `>= 1`."""
        return str(self) if math.inf in (self.high, -self.low) else f"in {self}"


SCALARS: dict[object, str] = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a string",
    type(None): "none",
}


def unwrap(annotation: Any) -> tuple[Any, Range | None]:
    """The annotation without `Annotated` (and PEP 695 aliases), and the range it carried."""
    found = None
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *metadata = get_args(annotation)
            found = next((m for m in metadata if isinstance(m, Range)), found)
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return annotation, found


def members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, else ()."""
    bare = unwrap(annotation)[0]
    return get_args(bare) if get_origin(bare) in (Union, types.UnionType) else ()


def literals(annotation: Any) -> tuple[Any, ...]:
    """The values of a Literal, else ()."""
    bare = unwrap(annotation)[0]
    return get_args(bare) if get_origin(bare) is Literal else ()


def is_table(annotation: Any) -> bool:
    """Whether it is a dataclass, which a suite writes as a table."""
    bare = unwrap(annotation)[0]
    return isinstance(bare, type) and dataclasses.is_dataclass(bare)


def is_mapping(annotation: Any) -> bool:
    """Whether it is `Mapping[str, T]`: a table whose keys are free; T may be `object`."""
    return get_origin(unwrap(annotation)[0]) in (Mapping, dict)


def range_of(annotation: Any) -> Range | None:
    """The range of a number, of a union's member or of a tuple's elements."""
    bare, found = unwrap(annotation)
    if found is not None or literals(bare):
        return found
    inner = get_args(bare) if members(bare) or get_origin(bare) is tuple else ()
    return next((r for r in map(range_of, inner) if r is not None), None)


def choices_of(annotation: Any) -> tuple[Any, ...]:
    """The values of a Literal, or of the Literals in a union."""
    return literals(annotation) or tuple(c for m in members(annotation) for c in literals(m))


def supported(annotation: Any) -> bool:
    """Whether a parameter may have this type."""
    bare = unwrap(annotation)[0]
    if members(bare):
        return all(map(supported, members(bare)))
    if literals(bare):
        return all(isinstance(value, str | int) for value in literals(bare))
    if get_origin(bare) is tuple:
        return all(a is Ellipsis or supported(a) for a in get_args(bare))
    if is_mapping(bare):
        key, value = get_args(bare)
        return key is str and (value is object or supported(value))
    return bare in SCALARS or is_table(bare)


def name_of(annotation: Any) -> str:
    """Short name for listings: `float`, `int | None`, `tuple[int, ...]`."""
    bare = unwrap(annotation)[0]
    if members(bare):
        return " | ".join(map(name_of, members(bare)))
    if literals(bare):
        return " | ".join(repr(value) for value in literals(bare))
    if get_origin(bare) is tuple:
        return f"tuple[{', '.join('...' if a is Ellipsis else name_of(a) for a in get_args(bare))}]"
    if is_mapping(bare):
        return "table"
    return "None" if bare is type(None) else str(getattr(bare, "__name__", bare))


def phrase_of(annotation: Any) -> str:
    """What is allowed, for messages: `an integer >= 1`, `a number in (0, 1]`."""
    bare, found = unwrap(annotation)
    if members(bare):
        return " or ".join(phrase_of(m) for m in members(bare) if m is not type(None))
    if literals(bare):
        return "one of " + ", ".join(repr(value) for value in literals(bare))
    if get_origin(bare) is tuple:
        inner = [a for a in get_args(bare) if a is not Ellipsis]
        if len(inner) < len(get_args(bare)):
            return f"a list, each element {phrase_of(inner[0])}"
        return f"a list of {len(inner)} ({', '.join(map(phrase_of, inner))})"
    if is_mapping(bare):
        return "a table"
    if is_table(bare):
        keys = ", ".join(f.name for f in dataclasses.fields(bare) if f.init)
        return f"a table of {keys}" + (", or one number" if hasattr(bare, "of") else "")
    text = SCALARS.get(bare, str(bare))
    return f"{text} {found.phrase}" if found is not None and found != Range() else text


def finite(number: float) -> bool:
    """Whether a number is neither NaN nor infinite, however large an integer it is."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def show(value: object) -> str:
    """A user's value in a message: as TOML writes it, cut at 80 characters."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, int):
        # Python refuses to print an integer of thousands of digits.
        text = str(value) if abs(value) < 10**80 else "an integer of more than 80 digits"
    else:
        text = repr(value) if isinstance(value, str | float | list | dict) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def dotted(path: tuple[str | int, ...]) -> str:
    """`("densities", 2)` → `densities[2]`; `("prune_rate", "conv")` → `prune_rate.conv`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", key)
            text += ("." if text else "") + (key if bare else json.dumps(key))
    return text


@dataclass(frozen=True)
class Tune:
    """What tuning tries, where that is less than the whole range:

        batch_size: Annotated[int, Range(1, 10**6), Tune(16, 512, log=True)] = 128

    On a parameter that is a table, such as PerKind, it holds for each of its numbers. A suite can
    narrow it, widen it within the range, or leave the parameter out.
    """

    low: float | None = None
    """Smallest value tried; the range's own end where not given."""
    high: float | None = None
    """Largest value tried."""
    _: KW_ONLY
    log: bool = False
    """Whether values are spread evenly over their logarithm."""
    step: float | None = None
    """Distance between values; none when `log`."""
    search: bool = True
    """False: tuned only where a suite names the parameter."""


def tune_in(annotation: Any) -> Tune | None:
    """The `Tune` that an annotation carries, or that one of its union's members does."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *metadata = get_args(annotation)
            found = next((m for m in metadata if isinstance(m, Tune)), None)
            if found is not None:
                return found
        elif hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        else:
            return next((t for t in map(tune_in, members(annotation)) if t is not None), None)
