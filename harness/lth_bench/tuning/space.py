"""The search space of a strategy: what its parameters declare, and what a suite says.

A parameter is tuned over what its `Tune` declares. Without one, a choice is tuned over all of its
values and a number over its range; where that range is open, or the default lies at its very start,
over a tenth to ten times the default on a logarithmic scale.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.errors import UnknownName, UserError
from lth_bench.params import Param, Range, dotted, show
from lth_bench.params.build import Keys, convert
from lth_bench.params.describe import parameters
from lth_bench.params.types import Tune, choices_of, is_table, members, range_of, tune_in, unwrap
from lth_bench.tuning.dimension import Dimension, Path, choice, number

if TYPE_CHECKING:
    from lth_bench.suite.tune import SearchDomain, Space

EDGE = 0.02
"""A default closer to the start of a range than this fraction of it is tuned on a log scale."""
INSIDE = 0.01
"""How far inside an open end the search starts, as a fraction of the range."""
WIDEST = 1000
"""An integer range with more values is searched around the default."""

Varied = Literal["strategy", "recipe"]


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    """A parameter that is not a table, at any depth."""

    path: Path
    type: Any
    value: Any
    """The suite's value."""
    tune: Tune | None
    kind_of: Path | None = None
    """The parameter by kind of layer to which this number belongs."""

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def range(self) -> Range:
        return range_of(self.type) or Range()

    @property
    def choices(self) -> tuple[Any, ...]:
        found = choices_of(self.type)
        return found or ((False, True) if unwrap(self.type)[0] is bool else ())

    @property
    def kind(self) -> Literal["float", "int"] | None:
        """The kind of a number; for a union, the kind of its value."""
        options = {unwrap(m)[0] for m in members(self.type) or (self.type,)}
        if int in options and (float not in options or type(self.value) is int):
            return "int"
        return "float" if float in options else None


def space_of(
    instance: Any, given: Space | None, kinds: Collection[str] = (), at: Keys = ()
) -> tuple[Dimension, ...]:
    """The dimensions of a strategy with the suite's own parameters.

    `given` is the suite's table, None without one. Of parameters by kind of layer only those of
    `kinds`, the network's, are varied (all when empty). `at` is where the table is in the suite.
    UserError for an unknown parameter, or a range outside the parameter's own.
    """
    leaves = {leaf.path: leaf for leaf in _leaves(instance, (), kinds, None)}
    if given is None:
        groups = _groups(leaves.values(), None)
        return tuple(d for group in groups if (d := _own(group, "strategy")) is not None)
    found: dict[str, Dimension] = {}
    for name, domain in _domains(given):
        here = (*at, name)
        try:
            for dimension in _dimensions(name, domain, leaves, instance):
                found[dimension.name] = dimension
        except UserError as error:
            message = f"{dotted(at)}: {error.message}" if at else error.message
            raise UserError(message, here) from error
    for name in (key for key, answer in given.items() if answer is False):
        found = {k: d for k, d in found.items() if k != name and not k.startswith(f"{name}.")}
    return tuple(found.values())


def recipe_space(recipe: Any, given: Space, at: Keys = ("tune", "recipe")) -> tuple[Dimension, ...]:
    """The dimensions of a training recipe, `recipe.lr` and so on: those that the suite lists."""
    leaves = {leaf.path: leaf for leaf in _leaves(recipe, (), (), None)}
    found = []
    for name, domain in _domains(given):
        here = (*at, name)
        try:
            if name == "val_size":
                raise UserError(
                    "val_size cannot be tuned: trials are compared on the validation split, so its"
                    " size must stay the same; remove it"
                )
            found += _dimensions(name, domain, leaves, recipe, "recipe")
        except UserError as error:
            raise UserError(f"{dotted(at)}: {error.message}", here) from error
    return tuple(found)


def _domains(given: Space) -> list[tuple[str, SearchDomain | Literal[True]]]:
    """What to tune; an entry for a whole table comes before those for its parts."""
    return sorted(((k, w) for k, w in given.items() if w is not False), key=lambda x: len(x[0]))


def _leaves(
    instance: Any, path: Path, kinds: Collection[str], tune: Tune | None
) -> Iterator[_Leaf]:
    """Every parameter, tables included; of those by kind of layer only the existing kinds."""
    by_kind = _is_by_kind(type(instance))
    for param in parameters(type(instance)):
        if by_kind and kinds and param.name not in kinds:
            continue
        value, here = getattr(instance, param.name), (*path, param.name)
        own = tune_in(param.type) or tune
        if _table_of(param) is not None and value is not None:
            yield from _leaves(value, here, kinds, own)
        else:
            yield _Leaf(
                path=here, type=param.type, value=value, tune=own, kind_of=path if by_kind else None
            )


def _is_by_kind(cls: type[Any]) -> bool:
    from lth_bench.masks import PerKind

    return issubclass(cls, PerKind)


def _table_of(param: Param) -> type[Any] | None:
    for annotation in members(param.type) or (param.type,):
        if is_table(annotation):
            found: type[Any] = unwrap(annotation)[0]
            return found
    return None


def _groups(leaves: Iterable[_Leaf], tied: bool | None) -> list[list[_Leaf]]:
    """Each parameter by itself; the kinds of a parameter by kind of layer together where `tied`.

    By default they are tied where the suite's own numbers are the same for all kinds.
    """
    found: dict[Path, list[_Leaf]] = {}
    for leaf in leaves:
        found.setdefault(leaf.path if leaf.kind_of is None else leaf.kind_of, []).append(leaf)
    groups = []
    for group in found.values():
        equal = len({show(leaf.value) for leaf in group}) == 1
        together = equal if tied is None else tied
        groups += [group] if together else [[leaf] for leaf in group]
    return groups


def _tied(group: Sequence[_Leaf], found: Dimension) -> Dimension:
    """The dimension of the first as one for all of them. UserError where their values differ."""
    if len(group) == 1:
        return found
    name = ".".join(group[0].kind_of or ())
    if len({show(leaf.value) for leaf in group}) > 1:
        each = ", ".join(f"{leaf.path[-1]} = {show(leaf.value)}" for leaf in group)
        raise UserError(
            f"{name} cannot be tied: trial 0 tries the suite's own values, and these differ"
            f" ({each}); remove `tied`, or set a single number in the strategy's params"
        )
    return replace(found, name=name, places=tuple(leaf.path for leaf in group))


def _own(group: Sequence[_Leaf], of: Varied) -> Dimension | None:
    """The dimension that the parameter itself declares; None where it declares none."""
    leaf = group[0]
    if leaf.tune is not None and not leaf.tune.search:
        return None
    if leaf.choices:
        return choice(leaf.name, leaf.value, (leaf.path,), leaf.choices, of)
    if leaf.kind is None or type(leaf.value) not in (int, float):
        return None
    bounds = _bounds(leaf)
    if bounds is None:
        return None
    low, high, log, step = bounds
    found = number(
        leaf.name,
        leaf.kind,
        leaf.value,
        (leaf.path,),
        low=low,
        high=high,
        log=log,
        step=step,
        of=of,
    )
    return _tied(group, found)


def _bounds(leaf: _Leaf) -> tuple[float, float, bool, float | None] | None:
    """Low, high, log and step of a number where the suite does not restrict it."""
    low, high = _inside(leaf)
    tune = leaf.tune
    if tune is not None and (tune.low is not None or tune.high is not None):
        # what it names within the range is tried itself, however near to an open end
        low = low if tune.low is None or tune.low <= leaf.range.low else tune.low
        high = high if tune.high is None or tune.high >= leaf.range.high else tune.high
        if math.isfinite(low) and math.isfinite(high):
            return low, high, tune.log, tune.step
    value, width = float(leaf.value), high - low
    closed = math.isfinite(width) and not (leaf.kind == "int" and width >= WIDEST)
    if closed and (value - low >= EDGE * width or value <= 0):
        return low, high, tune is not None and tune.log, None if tune is None else tune.step
    if value <= 0:
        return None
    least, most = max(low, value / 10), min(high, value * 10)
    return (least, most, True, None) if least < most else None


def _inside(leaf: _Leaf) -> tuple[float, float]:
    """The parameter's range, starting slightly inside its open ends."""
    low, high = leaf.range.low, leaf.range.high
    nudge = 1.0 if leaf.kind == "int" else INSIDE * (high - low)
    if math.isfinite(nudge):
        low += nudge if leaf.range.open_low else 0
        high -= nudge if leaf.range.open_high else 0
    return low, high


def _dimensions(
    name: str,
    domain: SearchDomain | Literal[True],
    leaves: Mapping[Path, _Leaf],
    instance: Any,
    of: Varied = "strategy",
) -> list[Dimension]:
    """The dimensions of one entry in a suite's table."""
    path = tuple(name.split("."))
    within = {p: leaf for p, leaf in leaves.items() if p[: len(path)] == path}
    if not within:
        every = {leaf.name for leaf in _leaves(instance, (), (), None)}
        if any(k == name or k.startswith(f"{name}.") for k in every):
            return []  # a kind of layer that this network does not have
        tables = {".".join(p[:-1]) for p in leaves if len(p) > 1}
        raise UnknownName("parameter", name, every | tables)
    if domain is True:
        groups = _groups(map(_named, within.values()), None)
        found = [d for group in groups if (d := _own(group, of)) is not None]
        if not found:
            raise UserError(
                f"{name} declares no range to tune over; give {{low, high}} or {{choices}}"
            )
        return found
    return [
        _tied(group, _narrowed(group[0], domain, of))
        for group in _groups(within.values(), domain.tied)
    ]


def _named(leaf: _Leaf) -> _Leaf:
    """A parameter that the suite lists by name, so `search = False` does not apply."""
    tune = leaf.tune
    return leaf if tune is None else replace(leaf, tune=replace(tune, search=True))


def _narrowed(leaf: _Leaf, domain: SearchDomain, of: Varied) -> Dimension:
    """The values that the suite lists, each allowed by the parameter itself."""
    if domain.choices:
        for i, value in enumerate(domain.choices):
            convert(value, leaf.type, (leaf.name, "choices", i))
        return choice(leaf.name, leaf.value, (leaf.path,), domain.choices, of)
    if leaf.kind is None:
        hint = f" of {', '.join(map(show, leaf.choices))}" if leaf.choices else ""
        raise UserError(
            f"{leaf.name} is not a number, so it has no range; give {{choices = […]}}{hint}"
        )
    if type(leaf.value) not in (int, float):
        raise UserError(
            f"{leaf.name} has no value, and trial 0 needs one; set it in the strategy's params"
        )
    bounds = _bounds(leaf)
    low = _end(domain.low, bounds and bounds[0], leaf, "low")
    high = _end(domain.high, bounds and bounds[1], leaf, "high")
    log = (
        domain.log if domain.log is not None else bool(bounds and bounds[2]) and domain.step is None
    )
    step = domain.step if domain.step is not None or bounds is None or log else bounds[3]
    return number(
        leaf.name,
        leaf.kind,
        leaf.value,
        (leaf.path,),
        low=low,
        high=high,
        log=log,
        step=step,
        of=of,
    )


def _end(given: float | None, own: float | None, leaf: _Leaf, key: str) -> float:
    """One end of a range: the suite's, which must be allowed by the parameter, or its own."""
    if given is None:
        if own is None:
            raise UserError(f"{leaf.name} declares no {key}; give both low and high")
        return own
    if leaf.kind == "int" and given != int(given):
        raise UserError(
            f"{leaf.name} is an integer, so its {key} must be one too, but got {given:g}"
        )
    if given not in leaf.range:
        raise UserError(f"{leaf.name}: {key} must be {leaf.range.phrase}, but got {given:g}")
    return given
