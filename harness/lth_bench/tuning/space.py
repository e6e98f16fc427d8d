"""What there is to tune: from the annotations of a strategy's parameters, and what a suite says.

A parameter is tuned over what its `Tune` declares. Without one: a choice over all of its values, a
number over its range, or, where that is open or its default lies at its very beginning, over
a tenth to ten times its default on a logarithmic scale.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.errors import UnknownName, UserError
from lth_bench.params import Param, Range, dotted, show
from lth_bench.params.build import convert
from lth_bench.params.describe import parameters
from lth_bench.params.tune import Tune, tune_in
from lth_bench.params.types import choices_of, is_table, members, range_of, unwrap
from lth_bench.tuning.dimension import Dimension, Path, choice, number

if TYPE_CHECKING:
    from lth_bench.suite.spec import Keys
    from lth_bench.suite.tune import Asked, Space

EDGE = 0.02
"""A default nearer than this fraction to the beginning of a range belongs to a log scale."""
INSIDE = 0.01
"""How far inside an open end the search begins, as a fraction of the range."""
WIDEST = 1000
"""An integer range of more values is searched around the default."""

Of = Literal["strategy", "recipe"]


@dataclass(frozen=True)
class _Leaf:
    """A parameter that is no table, wherever it stands."""

    path: Path
    type: Any
    value: Any
    """What the suite has."""
    tune: Tune | None
    kind_of: Path | None = None
    """The parameter by kind of layer that it is a number of."""

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
        """Of a number; of a union the kind that its value has."""
        options = {unwrap(m)[0] for m in members(self.type) or (self.type,)}
        if int in options and (float not in options or type(self.value) is int):
            return "int"
        return "float" if float in options else None


def space_of(
    instance: Any, asked: Space | None, kinds: Collection[str] = (), at: Keys = ()
) -> tuple[Dimension, ...]:
    """The dimensions of a strategy with the suite's own parameters.

    `asked` is what the suite's table says, None without one. Of parameters by kind of layer only
    those of `kinds`, the network's, are varied (all when empty). `at` is where the table stands.
    UserError for a parameter that there is not, or a range outside the parameter's own.
    """
    leaves = {leaf.path: leaf for leaf in _leaves(instance, (), kinds, None)}
    if asked is None:
        groups = _groups(leaves.values(), None)
        return tuple(d for group in groups if (d := _own(group, "strategy")) is not None)
    found: dict[str, Dimension] = {}
    for name, wish in _wishes(asked):
        here = (*at, name)
        try:
            for dimension in _asked(name, wish, leaves, instance):
                found[dimension.name] = dimension
        except UserError as error:
            message = f"{dotted(at)}: {error.message}" if at else error.message
            raise UserError(message, here) from error
    for name in (key for key, answer in asked.items() if answer is False):
        found = {k: d for k, d in found.items() if k != name and not k.startswith(f"{name}.")}
    return tuple(found.values())


def recipe_space(recipe: Any, asked: Space, at: Keys = ("tune", "recipe")) -> tuple[Dimension, ...]:
    """The dimensions of a training recipe, `recipe.lr` and so on: those that the suite names."""
    leaves = {leaf.path: leaf for leaf in _leaves(recipe, (), (), None)}
    found = []
    for name, wish in _wishes(asked):
        here = (*at, name)
        try:
            if name == "val_size":
                raise UserError("val_size: tuning is judged on the validation split; keep its size")
            found += _asked(name, wish, leaves, recipe, "recipe")
        except UserError as error:
            raise UserError(f"{dotted(at)}: {error.message}", here) from error
    return tuple(found)


def _wishes(asked: Space) -> list[tuple[str, Asked | Literal[True]]]:
    """What is to be tuned, a table's own entry before those of its parts."""
    return sorted(((k, w) for k, w in asked.items() if w is not False), key=lambda x: len(x[0]))


def _leaves(
    instance: Any, path: Path, kinds: Collection[str], tune: Tune | None
) -> Iterator[_Leaf]:
    """Every parameter, tables opened; of those by kind only the kinds that there are."""
    by_kind = _is_by_kind(type(instance))
    for param in parameters(type(instance)):
        if by_kind and kinds and param.name not in kinds:
            continue
        value, here = getattr(instance, param.name), (*path, param.name)
        own = tune_in(param.type) or tune
        if _table_of(param) is not None and value is not None:
            yield from _leaves(value, here, kinds, own)
        else:
            yield _Leaf(here, param.type, value, own, path if by_kind else None)


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
    """Each parameter by itself; the kinds of one by kind of layer together where they are `tied`.

    By default they are where the suite's own numbers are the same for all kinds.
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
    """A dimension of the first as one of all of them. UserError where trial 0 has no one value."""
    if len(group) == 1:
        return found
    name = ".".join(group[0].kind_of or ())
    if len({show(leaf.value) for leaf in group}) > 1:
        each = ", ".join(f"{leaf.path[-1]} = {show(leaf.value)}" for leaf in group)
        raise UserError(
            f"{name} cannot be tied: the suite's own values, which trial 0 tries, are not one"
            f" number ({each}); leave `tied` out, or set one number in the strategy's params"
        )
    return replace(found, name=name, places=tuple(leaf.path for leaf in group))


def _own(group: Sequence[_Leaf], of: Of) -> Dimension | None:
    """What the parameter's own declaration gives; None where that is nothing."""
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
    found = number(leaf.name, leaf.kind, leaf.value, (leaf.path,), low, high, log, step, of)
    return _tied(group, found)


def _bounds(leaf: _Leaf) -> tuple[float, float, bool, float | None] | None:
    """Low, high, log and step of a number that the suite does not narrow."""
    low, high = _inside(leaf)
    tune = leaf.tune
    if tune is not None and (tune.low is not None or tune.high is not None):
        low = low if tune.low is None else max(low, tune.low)
        high = high if tune.high is None else min(high, tune.high)
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
    """The parameter's range, its open ends left out by a little."""
    low, high = leaf.range.low, leaf.range.high
    nudge = 1.0 if leaf.kind == "int" else INSIDE * (high - low)
    if math.isfinite(nudge):
        low += nudge if leaf.range.open_low else 0
        high -= nudge if leaf.range.open_high else 0
    return low, high


def _asked(
    name: str,
    wish: Asked | Literal[True],
    leaves: Mapping[Path, _Leaf],
    instance: Any,
    of: Of = "strategy",
) -> list[Dimension]:
    """The dimensions of one entry of a suite's table."""
    path = tuple(name.split("."))
    within = {p: leaf for p, leaf in leaves.items() if p[: len(path)] == path}
    if not within:
        every = {leaf.name for leaf in _leaves(instance, (), (), None)}
        if any(k == name or k.startswith(f"{name}.") for k in every):
            return []  # a kind of layer that this network has not
        tables = {".".join(p[:-1]) for p in leaves if len(p) > 1}
        raise UnknownName("parameter", name, every | tables)
    if wish is True:
        groups = _groups(map(_named, within.values()), None)
        found = [d for group in groups if (d := _own(group, of)) is not None]
        if not found:
            raise UserError(f"{name} declares nothing to tune; give {{low, high}} or {{choices}}")
        return found
    return [
        _tied(group, _narrowed(group[0], wish, of)) for group in _groups(within.values(), wish.tied)
    ]


def _named(leaf: _Leaf) -> _Leaf:
    """A parameter that the suite asks for by name, which `search = False` does not hide."""
    tune = leaf.tune
    return leaf if tune is None else replace(leaf, tune=replace(tune, search=True))


def _narrowed(leaf: _Leaf, wish: Asked, of: Of) -> Dimension:
    """The values that the suite asks for, each one allowed by the parameter itself."""
    if wish.choices:
        for i, value in enumerate(wish.choices):
            convert(value, leaf.type, (leaf.name, "choices", i))
        return choice(leaf.name, leaf.value, (leaf.path,), wish.choices, of)
    if leaf.kind is None:
        hint = f" of {', '.join(map(show, leaf.choices))}" if leaf.choices else ""
        raise UserError(
            f"{leaf.name} is no number, so it has no range; give {{choices = […]}}{hint}"
        )
    if type(leaf.value) not in (int, float):
        raise UserError(
            f"{leaf.name} is not set, so there is no value for trial 0; set it in the strategy's"
            " params"
        )
    bounds = _bounds(leaf)
    low = _end(wish.low, bounds and bounds[0], leaf, "low")
    high = _end(wish.high, bounds and bounds[1], leaf, "high")
    log = wish.log if wish.log is not None else bool(bounds and bounds[2]) and wish.step is None
    step = wish.step if wish.step is not None or bounds is None or log else bounds[3]
    return number(leaf.name, leaf.kind, leaf.value, (leaf.path,), low, high, log, step, of)


def _end(given: float | None, own: float | None, leaf: _Leaf, key: str) -> float:
    """One end of a range: the suite's, which must lie in the parameter's own, or that."""
    if given is None:
        if own is None:
            raise UserError(f"{leaf.name} has no {key} of its own; give both low and high")
        return own
    if leaf.kind == "int" and given != int(given):
        raise UserError(f"{leaf.name} is an integer, but its {key} is {given:g}")
    if given not in leaf.range:
        raise UserError(
            f"{leaf.name}: {key} = {given:g} is outside the range of the parameter itself, which"
            f" must be {leaf.range.phrase}"
        )
    return given
