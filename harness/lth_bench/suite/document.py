"""The form of a suite file, as frozen dataclasses: the reader and the JSON schema follow them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from lth_bench.errors import UserError
from lth_bench.params import Range, show
from lth_bench.suite.tune import TuneTable
from lth_bench.suite.tuned import TunedTable

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
    tuned: tuple[TunedTable, ...] = ()
    """What tuning found, task by task; the strategy then runs on these tasks only."""

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
class ClaimTable:
    """One of [[claims]]: something that a paper says, and that this suite's results can decide.

    With none of `at_least`, `at_most` and `within`, it says `reported = true`.
    """

    name: str
    """Its name in tables; no two claims of a suite share one."""
    text: str
    """The claim in words."""
    source: str
    """Where it is from: paper, section, figure or table; and where the threshold is from."""
    metric: str = "test_accuracy"
    """A numeric column of `tickets_flat`, or a metric that a plugin reports."""
    of: str
    """What the claim is about: LABEL, or LABEL/CONTROL."""
    versus: str | None = None
    """What it is compared with, paired by seed; without it the claim is about the value itself."""
    model: str | None = None
    """Where the suite has several tasks: the model, by name or label."""
    dataset: str | None = None
    """Where the suite has several tasks: the dataset, by name or label."""
    recipe: str | None = None
    """Where the suite has several tasks: the recipe's name."""
    versus_recipe: str | None = None
    """Recipe of `versus` where it is another one, on the same model and dataset."""
    density: Density | tuple[Density, ...] | None = None
    """Kept fraction, one of the task's; of several the mean at each seed. None for dense runs."""
    compare: Literal["difference", "ratio"] = "difference"
    """`of` minus `versus`, or `of` divided by `versus` (over the seeds the geometric mean)."""
    at_least: float | None = None
    """The true mean is this or more. Accuracies are fractions: 0.002 is 0.2 points."""
    at_most: float | None = None
    """The true mean is this or less."""
    within: Annotated[float, Range(0, open_low=True)] | None = None
    """The true difference lies within this distance of 0; a ratio, of 1."""
    reported: bool = False
    """Print ours beside the published figure and give no verdict."""
    published: float | tuple[float, float] | None = None
    """The paper's figure in the unit of the claim, or [low, high]."""

    def __post_init__(self) -> None:
        safe(self.name, "name")
        for key in ("text", "source", "metric"):
            if not getattr(self, key).strip():
                raise UserError(f"{key} is empty", (key,))
        if isinstance(self.density, tuple):
            if not self.density:
                raise UserError(
                    "density is an empty list; it needs at least one number", ("density",)
                )
            distinct(self.density, "density")
        self._check_bounds()
        if self.versus is None:
            self._check_alone()
        if isinstance(self.published, tuple) and self.published[0] > self.published[1]:
            raise UserError(
                f"published must be [low, high], but got {show(list(self.published))}",
                ("published",),
            )

    def _check_bounds(self) -> None:
        bounds = {key: getattr(self, key) for key in ("at_least", "at_most", "within")}
        given = [key for key, value in bounds.items() if value is not None]
        given += ["reported"] * self.reported
        if len(given) != 1:
            raise UserError(
                "a claim has exactly one of at_least, at_most, within and reported = true, but this"
                f" has {' and '.join(given) or 'none'}",
                (given[-1],) if given else (),
            )
        if self.compare == "ratio" and given[0] != "reported":
            (key,) = given
            if bounds[key] <= 0 or (key == "within" and bounds[key] >= 1):
                allowed = "in (0, 1)" if key == "within" else "> 0"
                raise UserError(
                    f"{key} of a ratio must be a number {allowed}, but got {show(bounds[key])}",
                    (key,),
                )

    def _check_alone(self) -> None:
        """What needs something to compare with."""
        for key, given in (
            ("compare", self.compare == "ratio"),
            ("within", self.within is not None),
            ("versus_recipe", self.versus_recipe is not None),
        ):
            if given:
                raise UserError(f"{key} needs `versus`, what to compare with", (key,))


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
    claims: tuple[ClaimTable, ...] = ()
    """What the suite's papers claim; `lth-bench claims` holds the results against it."""
    tune: TuneTable | None = None
    """How `lth-bench tune` looks for the strategies' best parameters."""

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
            f"{key} must be ASCII letters, digits and _ . + - (at most 64, the first a letter or"
            f" digit),"
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
