"""The form of a suite file, as frozen dataclasses: the reader and the JSON schema follow them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from lth_bench.errors import UserError
from lth_bench.params import Range, show

SCHEMA_VERSION = 1
"""The newest form of suites that this version reads."""

Density = Annotated[float, Range(0, 1, open_low=True)]
Seed = Annotated[int, Range(0, 2**31 - 1)]
SeedCount = Annotated[int, Range(1, 10_000)]
Control = Literal["reinit", "shuffle"]
Table = Mapping[str, object]
Named = str | Table | tuple[str | Table, ...]

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
"""Suites, recipes and labels: they become part of file names and of table rows."""


@dataclass(frozen=True)
class Ladder:
    """Densities (1 - rate)^i for i = 1 ... rounds: what `rate` leaves after each round."""

    rate: Annotated[float, Range(0, 1, open_low=True, open_high=True)]
    """Fraction removed each round."""
    rounds: Annotated[int, Range(1, 100)]
    """Number of densities."""

    def rungs(self) -> tuple[float, ...]:
        """From dense to sparse, at ten digits: 0.8, 0.64, 0.512, ..."""
        return tuple(float(f"{(1 - self.rate) ** i:.10g}") for i in range(1, self.rounds + 1))


Densities = tuple[Density, ...] | Ladder


@dataclass(frozen=True, kw_only=True)
class Header:
    """The table [suite]."""

    name: str
    """Name of the suite in the database."""
    version: Annotated[int, Range(1)] = 1
    """Raise it when the suite's meaning changes."""
    description: str = ""
    """What it asks, for listings."""
    densities: Densities | None = None
    """Kept fractions of the prunable weights, in (0, 1]: a list, or {rate, rounds}."""
    seeds: SeedCount | tuple[Seed, ...]
    """The seeds, or how many (0, 1, ...)."""
    controls: tuple[Control, ...] = ()
    """Controls that every strategy's tickets get."""
    baseline: str = "dense"
    """Label that the others are compared to."""

    def __post_init__(self) -> None:
        safe(self.name, "name")
        check_densities(self.densities)
        if isinstance(self.seeds, tuple):
            distinct(self.seeds, "seeds")
        distinct(self.controls, "controls")


@dataclass(frozen=True, kw_only=True)
class TaskTable:
    """One of [[tasks]]; lists make a grid."""

    model: Named
    """A model's name, or a table {name, parameters...}, or a list of them."""
    dataset: Named
    """A dataset's name, or a table {name, parameters...}, or a list of them."""
    recipe: str | tuple[str, ...]
    """The name of a recipe of this suite, or a list of them."""
    densities: Densities | None = None
    """Instead of the suite's, since what a network bears depends on its size."""

    def __post_init__(self) -> None:
        check_densities(self.densities)


@dataclass(frozen=True, kw_only=True)
class StrategyTable:
    """One of [[strategies]]."""

    use: str
    """The strategy's name."""
    label: str | None = None
    """Name in the results, by default `use`; two labels of one strategy rank separately."""
    params: Table = field(default_factory=dict)
    """The strategy's parameters."""
    per_model: Mapping[str, Table] = field(default_factory=dict)
    """Parameters for one model, laid over `params`; the key is the model's name."""
    controls: tuple[Control, ...] | None = None
    """Instead of the suite's."""
    models: tuple[str, ...] = ()
    """Only for these models."""

    def __post_init__(self) -> None:
        if self.label is None:
            safe(self.use, "use")
        else:
            safe(self.label, "label")
        if self.label == "dense" and self.use != "dense":
            raise UserError(
                f"label 'dense' belongs to the strategy dense, but this uses {show(self.use)};"
                " choose another label",
                ("label",),
            )
        distinct(self.controls or (), "controls")
        distinct(self.models, "models")


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole suite file."""

    schema_version: int
    """Form of this file: 1."""
    plugins: tuple[str, ...] = ()
    """One-file plugins it needs; each loads only if --plugin names it too."""
    suite: Header
    """What the suite is called, and its grid of densities and seeds."""
    recipes: Mapping[str, Table] = field(default_factory=dict)
    """Training recipes by name."""
    tasks: tuple[TaskTable, ...]
    """Models, datasets and recipes."""
    strategies: tuple[StrategyTable, ...]
    """The methods to compare."""

    def __post_init__(self) -> None:
        for name in self.recipes:
            safe(name, "recipes")
        for key in ("tasks", "strategies"):
            if not getattr(self, key):
                raise UserError(f"{key} is empty; a suite needs at least one [[{key}]]", (key,))
        distinct(self.plugins, "plugins")


def safe(name: str, key: str) -> None:
    """Refuse a name that would not do as part of a file name."""
    if not SAFE_NAME.fullmatch(name):
        raise UserError(
            f"{key} must be letters, digits and _ . + - (at most 64, the first a letter or digit),"
            f" but got {show(name)}",
            (key,),
        )


def distinct(values: Sequence[Hashable], key: str) -> None:
    """Refuse a value that is listed twice."""
    seen: set[Hashable] = set()
    for i, value in enumerate(values):
        if value in seen:
            raise UserError(f"{key} lists {show(value)} twice; keep one", (key, i))
        seen.add(value)


def check_densities(densities: Densities | None) -> None:
    """Refuse an empty list, a density listed twice, a ladder that ends at 0."""
    rungs = densities.rungs() if isinstance(densities, Ladder) else densities
    if rungs is None:
        return
    if not rungs:
        raise UserError(
            "densities is empty; it needs at least one number in (0, 1]", ("densities",)
        )
    if min(rungs) <= 0:
        raise UserError("densities: so many rounds at this rate leave nothing", ("densities",))
    distinct(rungs, "densities")
