"""The format of a suite file as frozen dataclasses, used for reading suites and for the schema."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from lth_bench.errors import UserError
from lth_bench.params import Range, show
from lth_bench.suite.ablations import Ablation
from lth_bench.suite.decide import Decide
from lth_bench.suite.spec import BoardKind, Seed
from lth_bench.suite.tune import TuneTable
from lth_bench.suite.tuned import TunedTable

SCHEMA_VERSION = 1
"""The newest format of suites that this version reads."""

TargetDensity = Annotated[float, Range(0, 1, open_low=True)]
SeedCount = Annotated[int, Range(1, 10_000)]
ControlName = Literal[
    "reinit",
    "reinit_at_rewind",
    "reinit_same_signs",
    "random_signs",
    "shuffle",
    "moved_values",
    "random_layers",
    "shuffle_global",
    "reorder",
]
TomlTable = Mapping[str, object]
Named = str | TomlTable | tuple[str | TomlTable, ...]

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
"""Suites, recipes and labels: these names become parts of file names and of table rows."""


@dataclass(frozen=True)
class SparsitySchedule:
    """Densities (1 - rate)^i for i = 1 ... rounds: the weights remaining after each round."""

    rate: Annotated[float, Range(0, 1, open_low=True, open_high=True)]
    """Fraction removed each round."""
    rounds: Annotated[int, Range(1, 100)]
    """Number of densities."""

    def densities(self) -> tuple[float, ...]:
        """From dense to sparse, at ten digits: 0.8, 0.64, 0.512, ..."""
        return tuple(float(f"{(1 - self.rate) ** i:.10g}") for i in range(1, self.rounds + 1))


Densities = tuple[TargetDensity, ...] | SparsitySchedule


@dataclass(frozen=True, kw_only=True)
class Header:
    """The table [suite]."""

    name: str
    """Name of the suite in the database."""
    version: Annotated[int, Range(1)] = 1
    """Raise it when the suite's meaning changes."""
    description: str = ""
    """The question that it answers, for listings."""
    densities: Densities | None = None
    """Densities of the prunable weights, in (0, 1]: a list, or {rate, rounds}."""
    seeds: SeedCount | tuple[Seed, ...] | None = None
    """The seeds, or how many (0, 1, ...); may be left out with `decide`."""
    decide: Decide | None = None
    """Instead of `seeds`, a run adds seeds where a comparison with the baseline is open."""
    controls: tuple[ControlName, ...] = ()
    """Controls of every strategy's tickets."""
    ablations: tuple[Ablation, ...] = ()
    """Ablations of every strategy: experiments of their own, labelled LABEL-ABLATION."""
    baseline: str = "dense"
    """The label with which the others are compared."""
    board: BoardKind = "accuracy"
    """The leaderboard that a run ends with, as `leaderboard --by` names it."""
    headline: TargetDensity | None = None
    """The density that a run's closing card is about, one of a task's; by default, and for tasks
    without it, a task's middle one."""

    def __post_init__(self) -> None:
        safe(self.name, "name")
        check_densities(self.densities)
        if self.seeds is None and self.decide is None:
            raise UserError(
                "missing key suite.seeds: how many seeds, or a list of them; or decide = {}, which "
                "adds seeds until comparisons are decided"
            )
        if isinstance(self.seeds, tuple):
            distinct(self.seeds, "seeds")
        distinct(self.controls, "controls")
        distinct(self.ablations, "ablations")
        if "equal_cost" in self.ablations:
            raise UserError(
                "the ablation equal_cost needs `compared_to`, the label whose cost is spent, so it "
                "belongs into a strategy's own ablations",
                ("ablations",),
            )


@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """One of a task's `sources`; what it leaves out is the task's own, and lists make a grid."""

    model: Named | None = None
    """A model's name, or a table {name, parameters...}, or a list of them."""
    dataset: Named | None = None
    """A dataset's name, or a table {name, parameters...}, or a list of them."""
    recipe: str | tuple[str, ...] | None = None
    """The name of a recipe of this suite, or a list of them."""
    classifier: Literal["auto", "new"] = "auto"
    """auto: the classifier is new where its shape differs; new: it is new in any case."""


@dataclass(frozen=True, kw_only=True)
class TaskTable:
    """One of [[tasks]]; lists make a grid."""

    model: Named
    """A model's name, or a table {name, parameters...}, or a list of them."""
    dataset: Named
    """A dataset's name, or a table {name, parameters...}, or a list of them."""
    recipe: str | tuple[str, ...]
    """The name of a recipe of this suite, or a list of them."""
    objective: str | TomlTable | None = None
    """An objective's name, or a table {name, parameters...}; by default the dataset's own."""
    generalises_at: Annotated[float, Range(0, math.inf, open_low=True)] | None = None
    """Validation value of the primary metric from which a network counts as generalising; results
    then have the metrics generalisation_step and generalised."""
    decision_boundary: bool = False
    """Of networks with two inputs, one hidden layer and two classes: record the decision boundary
    and its dual polygons, and report hull_distance."""
    densities: Densities | None = None
    """Replaces the suite's densities: how far a network can be pruned depends on its size."""
    prunable: tuple[str, ...] = ()
    """Parameters to prune as well, by name or pattern, such as "embedding.weight"."""
    not_prunable: tuple[str, ...] = ()
    """Parameters not to prune, by name or pattern, such as "head.*"."""
    sources: tuple[SourceTable, ...] = ()
    """Tasks whose tickets are trained on this one too."""

    def __post_init__(self) -> None:
        check_densities(self.densities)
        distinct(self.prunable, "prunable")
        distinct(self.not_prunable, "not_prunable")


@dataclass(frozen=True, kw_only=True)
class StrategyTable:
    """One of [[strategies]]."""

    use: str
    """The strategy's name."""
    label: str | None = None
    """Name in the results, by default `use`; two labels of one strategy are ranked separately."""
    params: TomlTable = field(default_factory=dict)
    """The strategy's parameters."""
    per_model: Mapping[str, TomlTable] = field(default_factory=dict)
    """By a model's name: parameters on that model, which replace those of `params`."""
    controls: tuple[ControlName, ...] | None = None
    """Replaces the suite's controls."""
    ablations: tuple[Ablation, ...] | None = None
    """Replaces the suite's ablations."""
    compared_to: str | None = None
    """Of the ablation equal_cost: the label of an iterative strategy whose whole cost is spent."""
    models: tuple[str, ...] = ()
    """Only for these models."""
    tuned: tuple[TunedTable, ...] = ()
    """What tuning found for each task; the strategy then runs on these tasks only."""

    def __post_init__(self) -> None:
        if self.label is None:
            safe(self.use, "use")
        else:
            safe(self.label, "label")
        if self.label == "dense" and self.use != "dense":
            raise UserError(
                f"label 'dense' is reserved for the strategy dense, but this one uses"
                f" {show(self.use)}; choose another label",
                ("label",),
            )
        distinct(self.controls or (), "controls")
        distinct(self.ablations or (), "ablations")
        if ("equal_cost" in (self.ablations or ())) != (self.compared_to is not None):
            raise UserError(
                "the ablation equal_cost and `compared_to`, the label whose cost is spent, need "
                "each other",
                ("ablations",) if self.compared_to is None else ("compared_to",),
            )
        if self.use == "dense" and set(self.ablations or ()) - {"equal_cost"}:
            raise UserError(
                "dense has no ticket whose search could be ablated; of the ablations it takes "
                "equal_cost alone, with compared_to",
                ("ablations",),
            )
        distinct(self.models, "models")


@dataclass(frozen=True, kw_only=True)
class ClaimTable:
    """One of [[claims]]: a paper's claim that this suite's results can confirm or refute.

    Without `at_least`, `at_most` and `within`, it needs `reported = true`.
    """

    name: str
    """Its name in tables, unique in the suite."""
    text: str
    """The claim in words."""
    source: str
    """Its source: paper, section, figure or table; and the source of the threshold."""
    metric: str = "score"
    """A numeric column of `tickets_flat`, what training and search take together, such as
    `total_steps`, or a metric that a plugin reports; by default the task's primary metric, test
    accuracy of classification."""
    of: str
    """The subject of the claim: LABEL, or LABEL/CONTROL; "LABEL from SOURCE" of tickets that were
    found on one of the task's sources, by its model, dataset or recipe."""
    versus: str | None = None
    """What `of` is compared with, paired by seed; without it, the claim is about a value."""
    model: str | None = None
    """The model, by name or label; needed where the suite has several tasks."""
    dataset: str | None = None
    """The dataset, by name or label; needed where the suite has several tasks."""
    recipe: str | None = None
    """The recipe's name; needed where the suite has several tasks."""
    versus_recipe: str | None = None
    """Recipe of `versus` where it differs; the dataset is the same."""
    versus_model: str | None = None
    """Model of `versus`, by name or label, where it differs; the dataset is the same."""
    density: TargetDensity | tuple[TargetDensity, ...] | None = None
    """One of the task's densities, or several: then their mean at each seed. 1.0 for strategies
    that report the unpruned network, such as `dense_rewind`; not for dense runs."""
    compare: Literal["difference", "ratio"] = "difference"
    """`of` minus `versus`, or `of` divided by `versus` (geometric mean over the seeds)."""
    at_least: float | None = None
    """Lower bound of the true mean. Accuracies are fractions: 0.002 is 0.2 points."""
    at_most: float | None = None
    """Upper bound of the true mean."""
    within: Annotated[float, Range(0, open_low=True)] | None = None
    """Largest distance of the true difference from 0, or of the true ratio from 1."""
    reported: bool = False
    """Only show our figure beside the published one, without a verdict."""
    published: float | str | tuple[float, float] | tuple[str, str] | None = None
    """The published figure: the name of a row of `papers/published.csv`, or two names, whose
    difference (with `compare = "ratio"`, ratio) it is; or a number in the unit of the claim, or its
    range [low, high]."""

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
        if isinstance(self.published, tuple):
            low, high = self.published
            if isinstance(low, float) and isinstance(high, float) and low > high:
                raise UserError(
                    f"published must be [low, high], but got {show([low, high])}", ("published",)
                )

    def _check_bounds(self) -> None:
        bounds = {key: getattr(self, key) for key in ("at_least", "at_most", "within")}
        given = [key for key, value in bounds.items() if value is not None]
        given += ["reported"] * self.reported
        if len(given) != 1:
            raise UserError(
                "a claim takes exactly one of at_least, at_most, within and reported = true, but"
                f" got {' and '.join(given) or 'none'}",
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
        """Refuse keys that need `versus`."""
        for key, given in (
            ("compare", self.compare == "ratio"),
            ("within", self.within is not None),
            ("versus_recipe", self.versus_recipe is not None),
            ("versus_model", self.versus_model is not None),
        ):
            if given:
                raise UserError(f"{key} needs `versus`, the label to compare with", (key,))


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole suite file."""

    schema_version: int
    """Format of this file: 1."""
    plugins: tuple[str, ...] = ()
    """One-file plugins it needs; each loads only if --plugin names it too."""
    suite: Header
    """The suite's name, densities and seeds."""
    recipes: Mapping[str, TomlTable] = field(default_factory=dict)
    """Training recipes by name."""
    tasks: tuple[TaskTable, ...]
    """Models, datasets and recipes."""
    strategies: tuple[StrategyTable, ...]
    """The methods to compare."""
    claims: tuple[ClaimTable, ...] = ()
    """Claims of papers; `lth-bench claims` checks them against the results."""
    tune: TuneTable | None = None
    """How `lth-bench tune` searches for the strategies' best parameters."""

    def __post_init__(self) -> None:
        for name in self.recipes:
            safe(name, "recipes")
        for key in ("tasks", "strategies"):
            if not getattr(self, key):
                raise UserError(f"{key} is empty; a suite needs at least one [[{key}]]", (key,))
        distinct(self.plugins, "plugins")


def safe(name: str, key: str) -> None:
    """Refuse a name that cannot be part of a file name."""
    if not SAFE_NAME.fullmatch(name):
        raise UserError(
            f"{key} must consist of ASCII letters, digits and _ . + - (at most 64, starting with a"
            f" letter or digit), but got {show(name)}",
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
    """Refuse an empty list, a density listed twice, and a schedule that ends at 0."""
    levels = densities.densities() if isinstance(densities, SparsitySchedule) else densities
    if levels is None:
        return
    if not levels:
        raise UserError(
            "densities is empty; it needs at least one number in (0, 1]", ("densities",)
        )
    if min(levels) <= 0:
        raise UserError(
            "densities: at this rate, so many rounds prune every weight; use fewer rounds",
            ("densities",),
        )
    distinct(levels, "densities")
