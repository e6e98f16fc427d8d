"""The table [tune]: what is searched for, by which measure, and at what cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal

from lth_bench.errors import UnknownName, UserError
from lth_bench.params import Range, build, dotted, show
from lth_bench.suite.spec import Keys, StrategySpec

Density = Annotated[float, Range(0, 1, open_low=True, open_high=True)]
Seed = Annotated[int, Range(0, 2**31 - 1)]
Objective = Literal["accuracy", "area", "matching", "density", "cost"]
Sampler = Literal["tpe", "nsga2", "random"]
Pruner = Literal["none", "halving", "hyperband"]

FIRST_SEED = 1000
"""Tuning's own seeds count up from here, past those that the suite reports."""
SEEDS = 3
FRONTS = (("accuracy", "density"), ("accuracy", "cost"))


@dataclass(frozen=True)
class Budget:
    """What the search for one strategy on one task may take; exactly one of these."""

    trials: Annotated[int, Range(1, 100_000)] | None = None
    """Settings tried, the suite's own included."""
    steps: Annotated[int, Range(1, 2**62)] | None = None
    """Training steps, counted as if no two trainings were shared."""
    minutes: Annotated[float, Range(0, 10**7, open_low=True)] | None = None
    """Minutes of training on one worker, counted as if no two trainings were shared."""

    def __post_init__(self) -> None:
        given = self.given
        if len(given) != 1:
            raise UserError(
                "a budget has exactly one of trials, steps and minutes, but this has"
                f" {' and '.join(given) or 'none'}"
            )

    @property
    def given(self) -> dict[str, float]:
        """The one that is given, by name."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Asked:
    """What a suite says of one parameter: where its value is searched for."""

    low: int | float | None = None
    """Smallest value; the strategy's own where not given."""
    high: int | float | None = None
    """Largest value; the strategy's own where not given."""
    log: bool | None = None
    """Whether values are spread evenly over their logarithm."""
    step: int | float | None = None
    """Distance between values."""
    choices: tuple[bool | int | float | str, ...] = ()
    """The values themselves, in place of a range."""
    tied: bool | None = None
    """Of a parameter by kind of layer: one number for all kinds, or one for each. By default one
    for all where the suite's own is."""

    def __post_init__(self) -> None:
        numbers = [key for key in ("low", "high", "log", "step") if getattr(self, key) is not None]
        if self.choices and numbers:
            raise UserError(f"choices stand alone, but {numbers[0]} is given too", (numbers[0],))
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise UserError(f"low must be below high, but got {self.low:g} and {self.high:g}")
        if self.step is not None and self.step <= 0:
            raise UserError(f"step must be above 0, but got {show(self.step)}", ("step",))
        if self.step is not None and self.log:
            raise UserError("step and log exclude each other; keep one", ("step",))


Space = Mapping[str, Asked | bool]
"""By a parameter's dotted path; True is the strategy's own range, False leaves it out."""


@dataclass(frozen=True, kw_only=True)
class TuneTable:
    """The table [tune]: `lth-bench tune` finds each strategy's parameters."""

    budget: Budget
    """What each strategy may spend on each task: {trials = N}, {steps = N} or {minutes = X}."""
    strategies: tuple[str, ...] = ()
    """Labels; by default all that have something to tune."""
    objective: Objective | tuple[Objective, Objective] = "accuracy"
    """accuracy (mean on the validation split over the densities), area (under it, over the log of
    the density), matching (the sparsest density not worse than the dense run), or a pair whose
    front is looked for: ["accuracy", "density"] or ["accuracy", "cost"]."""
    margin: Annotated[float, Range(0, 1, open_high=True)] = 0.005
    """Of `matching`: how much less accurate than the dense run still matches; a fraction."""
    densities: tuple[Density, ...] = ()
    """Kept fractions that tuning looks at; by default the task's. Of several tasks each takes
    those that are its own."""
    seeds: Annotated[int, Range(1, 1000)] | tuple[Seed, ...] = SEEDS
    """Tuning's own seeds, or how many; none of them is one of the suite's."""
    sampler: Sampler | None = None
    """tpe, nsga2 or random; by default nsga2 for a pair of objectives and tpe for one."""
    pruner: Pruner = "none"
    """Give up settings that look bad after their first seeds; for one objective only."""
    batch: Annotated[int, Range(1, 1000)] | None = None
    """Trials under way at a time; by default as many as keep the machine full, but at most a
    third of the trials."""
    storage: str | None = None
    """URL of a database that several machines share; by default a file beside the results."""
    space: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By label: the parameters to tune, in place of all that the strategy declares."""
    recipe: Mapping[str, object] = field(default_factory=dict)
    """Values of the training recipe that every strategy tunes for itself."""

    def __post_init__(self) -> None:
        if isinstance(self.seeds, tuple):
            _distinct(self.seeds, "seeds")
            if not self.seeds:
                raise UserError("seeds is empty; tuning needs at least one", ("seeds",))
        for key in ("strategies", "densities"):
            _distinct(getattr(self, key), key)
        self._check_objective()
        self._check_pruner()

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """One or two."""
        return self.objective if isinstance(self.objective, tuple) else (self.objective,)

    def _check_objective(self) -> None:
        if len(self.objectives) == 2 and self.objectives not in FRONTS:
            known = " or ".join(f"[{', '.join(map(repr, pair))}]" for pair in FRONTS)
            raise UserError(
                f"objective: a pair is {known}, but got {show(list(self.objectives))}",
                ("objective",),
            )
        if self.objectives in (("density",), ("cost",)):
            raise UserError(
                f"objective {show(self.objective)} alone is best where nothing is left to train;"
                f' write ["accuracy", {show(self.objective)}]',
                ("objective",),
            )

    def _check_pruner(self) -> None:
        if self.pruner == "none":
            return
        if len(self.objectives) == 2:
            raise UserError(
                f"pruner {show(self.pruner)} gives up a trial by its one value so far, and this has"
                " two objectives, which Optuna cannot prune by; leave the pruner out, or choose"
                " one objective",
                ("pruner",),
            )
        if self.sampler == "nsga2":
            raise UserError(
                f"pruner {show(self.pruner)} and sampler 'nsga2': NSGA-II takes no pruned trial"
                " into its next generation, so what was spent on it would be lost; use"
                " sampler 'tpe'",
                ("pruner",),
            )
        count = self.seeds if isinstance(self.seeds, int) else len(self.seeds)
        if count < 2:
            raise UserError(
                f"pruner {show(self.pruner)} decides after each seed, but tuning has one;"
                " give seeds = 2 or more",
                ("pruner",),
            )


@dataclass(frozen=True)
class TuneSpec:
    """What [tune] says, once read."""

    budget: Budget
    strategies: tuple[str, ...]
    """Labels; empty for all."""
    objectives: tuple[Objective, ...]
    margin: float
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
        """Tuning's seeds, none of them among the reported ones. UserError where one is."""
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
                    f"tune.seeds: {seed} is one of the seeds that the suite reports"
                    f" ({', '.join(map(str, reported))}); tuning must not see them, so give it"
                    " others, or only their number",
                    ("tune", "seeds", i),
                )
        return self.seeds


def tune_of(
    table: TuneTable | None, reported: Sequence[int], strategies: Sequence[StrategySpec]
) -> TuneSpec | None:
    """The suite's tuning. UserError for labels it does not have and seeds that it reports."""
    if table is None:
        return None
    labels = [strategy.label for strategy in strategies]
    for i, label in enumerate(table.strategies):
        _known(label, labels, ("tune", "strategies", i))
    for label in table.space:
        _known(label, labels, ("tune", "space", label))
        if table.strategies and label not in table.strategies:
            at: Keys = ("tune", "space", label)
            raise UserError(f"{dotted(at)}: tune.strategies does not name {show(label)}", at)
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
    """Three trials at one seed, to see that everything runs."""
    if spec is None:
        return None
    seeds = 1 if isinstance(spec.seeds, int) else spec.seeds[:1]
    return replace(
        spec, budget=Budget(trials=3), seeds=seeds, pruner="none", densities=spec.densities[:2]
    )


def _space(table: Mapping[str, Any], at: Keys) -> Space:
    found: dict[str, Asked | bool] = {}
    for name, keys, value in _flat(table, at, ""):
        if isinstance(value, bool):
            found[name] = value
            continue
        try:
            found[name] = build(Asked, value)
        except UserError as error:
            path = (*keys, *error.path)
            raise UserError(f"{dotted(keys)}: {error.message}", path) from error
    if at[:2] == ("tune", "space") and not any(found.values()):
        raise UserError(
            f"{dotted(at)} is empty: it names no parameter to tune; leave the table out to tune"
            " all that the strategy declares",
            at,
        )
    return found


def _flat(table: Mapping[str, Any], at: Keys, prefix: str) -> Iterator[tuple[str, Keys, Any]]:
    """`"prune_rate.conv" = {…}` and `prune_rate.conv = {…}` say the same."""
    known = {f.name for f in fields(Asked)}
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
