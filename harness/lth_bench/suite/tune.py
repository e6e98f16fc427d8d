"""The table [tune]: the parameters to search, the objective, and the budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal

from lth_bench.errors import UnknownName, UserError
from lth_bench.params import Range, build, dotted, show
from lth_bench.params.build import Keys
from lth_bench.suite.spec import Seed, StrategySpec

SparseDensity = Annotated[float, Range(0, 1, open_low=True, open_high=True)]
ObjectiveName = Literal["accuracy", "area", "matching", "density", "cost"]
Sampler = Literal["tpe", "nsga2", "random"]
Pruner = Literal["none", "halving", "hyperband"]

FIRST_SEED = 1000
"""Tuning's own seeds count up from here and skip those that the suite reports."""
SEEDS = 3
FRONTS = (("accuracy", "density"), ("accuracy", "cost"))


@dataclass(frozen=True)
class TuneBudget:
    """What the search for one strategy on one task may cost; exactly one of these."""

    trials: Annotated[int, Range(1, 100_000)] | None = None
    """Number of trials, including the suite's own settings."""
    steps: Annotated[int, Range(1, 2**62)] | None = None
    """Training steps, counted without sharing."""
    minutes: Annotated[float, Range(0, 10**7, open_low=True)] | None = None
    """Minutes of training on one worker, counted without sharing."""

    def __post_init__(self) -> None:
        given = self.given
        if len(given) != 1:
            raise UserError(
                "a budget takes exactly one of trials, steps and minutes, but got"
                f" {' and '.join(given) or 'none'}"
            )

    @property
    def given(self) -> dict[str, float]:
        """The one that is given, by name."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class SearchDomain:
    """The values of one parameter that a suite lets tuning try."""

    low: int | float | None = None
    """Smallest value; by default the parameter's own limit."""
    high: int | float | None = None
    """Largest value; by default the parameter's own limit."""
    log: bool | None = None
    """Whether to sample uniformly over the logarithm."""
    step: int | float | None = None
    """Distance between neighbouring values."""
    choices: tuple[bool | int | float | str, ...] = ()
    """A list of values instead of a range."""
    tied: bool | None = None
    """For a parameter by kind of layer: whether all kinds share one number. By default they do if
    the suite gives one number for all."""

    def __post_init__(self) -> None:
        numbers = [key for key in ("low", "high", "log", "step") if getattr(self, key) is not None]
        if self.choices and numbers:
            raise UserError(
                f"give either choices or a range, but {numbers[0]} is given beside choices",
                (numbers[0],),
            )
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise UserError(f"low must be less than high, but got {self.low:g} and {self.high:g}")
        if self.step is not None and self.step <= 0:
            raise UserError(f"step must be greater than 0, but got {show(self.step)}", ("step",))
        if self.step is not None and self.log:
            raise UserError("step and log = true cannot be combined; keep one", ("step",))


Space = Mapping[str, SearchDomain | bool]
"""By a parameter's dotted path; True means its own range, False means not tuned."""


@dataclass(frozen=True, kw_only=True)
class TuneTable:
    """The table [tune]: `lth-bench tune` finds each strategy's parameters."""

    budget: TuneBudget
    """What each strategy may spend on each task: {trials = N}, {steps = N} or {minutes = X}."""
    strategies: tuple[str, ...] = ()
    """Labels to tune; by default all with a parameter to tune."""
    objective: ObjectiveName | tuple[ObjectiveName, ObjectiveName] = "accuracy"
    """accuracy (the task's primary metric, whatever it is: mean over the densities, on the
    validation split), area (under it over log density), matching (the sparsest density that is not
    worse than the dense run), or a pair to find the Pareto front of: ["accuracy", "density"] or
    ["accuracy", "cost"]."""
    margin: Annotated[float, Range(0, 1, open_high=True)] | None = None
    """For `matching`: how much worse than the dense run still matches: of accuracies and other
    fractions absolute, by default 0.005; of other metrics relative to the dense run's, by default
    0.05."""
    densities: tuple[SparseDensity, ...] = ()
    """Densities that tuning scores; by default the task's. Each task uses those that it has
    itself."""
    seeds: Annotated[int, Range(1, 1000)] | tuple[Seed, ...] = SEEDS
    """Tuning's own seeds, or how many; they must differ from the suite's."""
    sampler: Sampler | None = None
    """tpe, nsga2 or random; by default tpe for one objective and nsga2 for two."""
    pruner: Pruner = "none"
    """Stop trials that look bad after their first seeds; for one objective only."""
    batch: Annotated[int, Range(1, 1000)] | None = None
    """Trials that run at the same time; by default as many as keep the machine busy, but at most
    a third of the budget."""
    storage: str | None = None
    """URL of a database that several machines share; by default a file beside the results."""
    space: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By label: the parameters to tune, instead of all that the strategy declares."""
    recipe: Mapping[str, object] = field(default_factory=dict)
    """Values of the training recipe that are tuned too, separately for every strategy."""

    def __post_init__(self) -> None:
        if isinstance(self.seeds, tuple):
            _distinct(self.seeds, "seeds")
            if not self.seeds:
                raise UserError("seeds is empty; give at least one", ("seeds",))
        for key in ("strategies", "densities"):
            _distinct(getattr(self, key), key)
        self._check_objective()
        self._check_pruner()

    @property
    def objectives(self) -> tuple[ObjectiveName, ...]:
        """One objective or two."""
        return self.objective if isinstance(self.objective, tuple) else (self.objective,)

    def _check_objective(self) -> None:
        if len(self.objectives) == 2 and self.objectives not in FRONTS:
            known = " or ".join(f"[{', '.join(map(repr, pair))}]" for pair in FRONTS)
            raise UserError(
                f"objective: a pair must be {known}, but got {show(list(self.objectives))}",
                ("objective",),
            )
        if self.objectives in (("density",), ("cost",)):
            raise UserError(
                f"objective {show(self.objective)} alone would prefer networks that train nothing;"
                f' use ["accuracy", "{self.objective}"]',
                ("objective",),
            )

    def _check_pruner(self) -> None:
        if self.pruner == "none":
            return
        if len(self.objectives) == 2:
            raise UserError(
                f"pruner {show(self.pruner)} cannot be used with two objectives; Optuna prunes by"
                " a single value; remove the pruner or choose one objective",
                ("pruner",),
            )
        if self.sampler == "nsga2":
            raise UserError(
                f"pruner {show(self.pruner)} cannot be used with sampler 'nsga2': NSGA-II ignores"
                " pruned trials, so their training would be wasted; use sampler 'tpe'",
                ("pruner",),
            )
        count = self.seeds if isinstance(self.seeds, int) else len(self.seeds)
        if count < 2:
            raise UserError(
                f"pruner {show(self.pruner)} decides after each seed, but tuning has only one;"
                " set seeds = 2 or more",
                ("pruner",),
            )


@dataclass(frozen=True, kw_only=True)
class TuneSpec:
    """The table [tune] once read."""

    budget: TuneBudget
    strategies: tuple[str, ...]
    """Labels to tune; empty for all."""
    objectives: tuple[ObjectiveName, ...]
    margin: float | None
    densities: tuple[float, ...]
    """From dense to sparse; empty for the task's."""
    seeds: int | tuple[int, ...]
    sampler: Sampler
    pruner: Pruner
    batch: int | None
    storage: str | None
    space: Mapping[str, Space]
    """By label."""
    recipe: Space

    def seeds_beside(self, reported: Sequence[int]) -> tuple[int, ...]:
        """Tuning's seeds. UserError if one of them is also a reported seed."""
        if isinstance(self.seeds, int):
            found: list[int] = []
            taken, seed = set(reported), FIRST_SEED
            while len(found) < self.seeds:
                if seed not in taken:
                    found.append(seed)
                seed += 1
            return tuple(found)
        for i, seed in enumerate(self.seeds):
            if seed in reported:
                raise UserError(
                    f"tune.seeds: {seed} is also a seed that the suite reports"
                    f" ({', '.join(map(str, reported))}), which tuning must not see; choose other"
                    " seeds, or give only how many",
                    ("tune", "seeds", i),
                )
        return self.seeds


def tune_of(
    table: TuneTable | None, reported: Sequence[int], strategies: Sequence[StrategySpec]
) -> TuneSpec | None:
    """The table [tune] of a suite. UserError for unknown labels and for seeds that it reports."""
    if table is None:
        return None
    labels = [strategy.label for strategy in strategies]
    for i, label in enumerate(table.strategies):
        _known(label, labels, ("tune", "strategies", i))
    for label in table.space:
        _known(label, labels, ("tune", "space", label))
        if table.strategies and label not in table.strategies:
            at: Keys = ("tune", "space", label)
            raise UserError(
                f"{dotted(at)}: {show(label)} is not in tune.strategies; add it there or remove"
                " this table",
                at,
            )
    several = len(table.objectives) == 2
    spec = TuneSpec(
        budget=table.budget,
        strategies=table.strategies,
        objectives=table.objectives,
        margin=table.margin,
        densities=tuple(sorted(table.densities, reverse=True)),
        seeds=table.seeds,
        sampler=table.sampler or ("nsga2" if several else "tpe"),
        pruner=table.pruner,
        batch=table.batch,
        storage=table.storage,
        space={k: _space(v, ("tune", "space", k)) for k, v in table.space.items()},
        recipe=_space(table.recipe, ("tune", "recipe")),
    )
    spec.seeds_beside(reported)
    return spec


def smoke_tune(spec: TuneSpec | None) -> TuneSpec | None:
    """Three trials at one seed, to check that everything runs."""
    if spec is None:
        return None
    seeds = 1 if isinstance(spec.seeds, int) else spec.seeds[:1]
    return replace(
        spec, budget=TuneBudget(trials=3), seeds=seeds, pruner="none", densities=spec.densities[:2]
    )


def _space(table: Mapping[str, Any], at: Keys) -> Space:
    found: dict[str, SearchDomain | bool] = {}
    for name, keys, value in _flat(table, at, ""):
        if isinstance(value, bool):
            found[name] = value
            continue
        try:
            found[name] = build(SearchDomain, value)
        except UserError as error:
            path = (*keys, *error.path)
            raise UserError(f"{dotted(keys)}: {error.message}", path) from error
    if at[:2] == ("tune", "space") and not any(found.values()):
        raise UserError(
            f"{dotted(at)} lists no parameter to tune; remove the table to tune all that the"
            " strategy declares",
            at,
        )
    return found


def _flat(table: Mapping[str, Any], at: Keys, prefix: str) -> Iterator[tuple[str, Keys, Any]]:
    """`"prune_rate.conv" = {…}` and `prune_rate.conv = {…}` mean the same."""
    known = {f.name for f in fields(SearchDomain)}
    for key, value in table.items():
        name, here = f"{prefix}{key}", (*at, key)
        if isinstance(value, bool):
            yield name, here, value
        elif not isinstance(value, Mapping) or not value:
            raise UserError(
                f"{dotted(here)} must be {{low, high, log, step}}, {{choices}}, true or false, but"
                f" got {show(value)}",
                here,
            )
        elif any(isinstance(v, Mapping) for v in value.values()) and not known & set(value):
            yield from _flat(value, here, f"{name}.")
        else:
            yield name, here, value


def _known(label: str, labels: Iterable[str], at: Keys) -> None:
    if label not in labels:
        raise UserError(f"{dotted(at)}: {UnknownName('label', label, labels).message}", at)


def _distinct(values: Sequence[object], key: str) -> None:
    for i, value in enumerate(values):
        if value in values[:i]:
            raise UserError(f"{key} lists {show(value)} twice; keep one", (key, i))
