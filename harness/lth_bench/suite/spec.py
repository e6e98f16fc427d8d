"""A suite once read, as plain data: tasks, strategies, seeds, densities and claims."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from lth_bench.params import Range
from lth_bench.params.build import Keys
from lth_bench.suite.start import StartSpec

if TYPE_CHECKING:
    from lth_bench.suite.decide import Decide
    from lth_bench.suite.tune import TuneSpec

MAX_SEED = 2**31 - 1
Seed = Annotated[int, Range(0, MAX_SEED)]
BoardKind = Literal[
    "accuracy", "flops", "matching", "area", "cost", "budget", "speed", "transfer", "ingredients"
]
"""What a leaderboard is by (`analysis/leaderboard.py`)."""


@dataclass(frozen=True)
class Component:
    """A model, a dataset or an objective: a plugin's name and its parameters."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    at: Keys = field(default=(), compare=False)
    _: KW_ONLY
    start: StartSpec | None = None
    """Where a model's initial values come from; None if they are drawn."""
    file: str | None = field(default=None, compare=False)
    """The one-file plugin of `python:FILE:CLASS`, relative to the suite."""

    @property
    def label(self) -> str:
        """`conv2`, `wide_resnet(depth=22,width=2)`, `torchvision:resnet50`,
        `mlp(start=digits.safetensors)`.
        """
        params = dict(self.params)
        if self.start is not None:
            params["start"] = self.start.name
            if self.start.drawn:
                params["start_except"] = list(self.start.drawn)
        variant = params.get("name")
        # What follows a colon is the parameter `name`: torchvision:resnet50.
        head = self.name
        if isinstance(variant, str):
            head, _ = f"{self.name}:{variant}", params.pop("name")
        if not params:
            return head
        return f"{head}({','.join(f'{k}={compact(params[k])}' for k in sorted(params))})"

    def answers_to(self, names: Iterable[str]) -> bool:
        """Whether one of these is its name or its label."""
        return not {self.name, self.label}.isdisjoint(names)


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """A task whose tickets are trained on another one."""

    task: TaskSpec
    classifier: Literal["auto", "new"] = "auto"
    """Whether the classifier is new even where the classes are as many."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """A model on a dataset with a training recipe, and its target densities."""

    model: Component
    dataset: Component
    recipe_name: str
    recipe: Mapping[str, Any]
    """The fields of `training.recipe.Recipe` that the suite sets."""
    densities: tuple[float, ...]
    """Target densities in (0, 1], from dense to sparse."""
    objective: Component | None = None
    """None for the dataset's own."""
    generalises_at: float | None = None
    """Validation value of the primary metric from which a network counts as generalising."""
    decision_boundary: bool = False
    """Whether decision boundaries are recorded."""
    prunable: tuple[str, ...] = ()
    """Patterns of parameters to prune besides those that are prunable by default."""
    not_prunable: tuple[str, ...] = ()
    """Patterns of parameters not to prune."""
    sources: tuple[SourceSpec, ...] = ()
    """Other tasks whose tickets are trained on this one too."""
    at: Keys = field(default=(), compare=False)

    @property
    def declared(self) -> dict[str, list[str]]:
        """What the task says of prunable parameters, as in the model's configuration; empty where
        it says nothing, so that identities stay.
        """
        given = {"prunable": list(self.prunable), "not_prunable": list(self.not_prunable)}
        return {key: patterns for key, patterns in given.items() if patterns}

    @property
    def asked(self) -> list[Any]:
        """What its results have beside the usual, as in identities; empty where they have not."""
        step = [] if self.generalises_at is None else [self.generalises_at]
        return [*step, *(["decision_boundary"] if self.decision_boundary else [])]

    @property
    def with_sources(self) -> tuple[TaskSpec, ...]:
        """The task and its sources."""
        return (self, *(source.task for source in self.sources))

    @property
    def label(self) -> str:
        """`conv2/cifar10/paper`."""
        return f"{self.model.label}/{self.dataset.label}/{self.recipe_name}"


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What a strategy uses on one task instead of its own settings."""

    task: tuple[str, str, str]
    """Labels of model and dataset, name of the recipe."""
    params: Mapping[str, Any]
    train: Mapping[str, Any]
    """Values that replace those of the task's recipe."""
    origin: Mapping[str, Any] | None
    """The study's id, the trial's number and the study's steps; None if no study is given."""
    at: Keys = field(default=(), compare=False)
    seeds: tuple[int, ...] = ()
    """The study's own seeds."""


@dataclass(frozen=True, kw_only=True)
class StrategySpec:
    """A strategy with its label and parameters."""

    use: str
    """The plugin's name."""
    label: str
    params: Mapping[str, Any] = field(default_factory=dict)
    per_model: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By a model's name or label: parameters that replace those of `params`."""
    controls: tuple[str, ...] = ()
    ablation: str | None = None
    """What is changed of the search, or of its cost; None for the strategy itself."""
    explicit: bool = True
    """Whether the suite names the ablation for this strategy, not for all of them."""
    compared_to: str | None = None
    """The label whose cost `equal_cost` spends."""
    models: tuple[str, ...] = ()
    """Only for these models, by name or label; empty for all."""
    at: Keys = field(default=(), compare=False)
    tuned: tuple[Tuned, ...] = ()
    """What tuning found; if there is any, the strategy runs only on these tasks."""

    def applies_to(self, task: TaskSpec) -> bool:
        """Whether this strategy runs on this task."""
        if self.tuned and self.tuned_on(task) is None:
            return False
        return not self.models or task.model.answers_to(self.models)

    def tuned_on(self, task: TaskSpec) -> Tuned | None:
        """What tuning found for this task, if anything."""
        key = (task.model.label, task.dataset.label, task.recipe_name)
        return next((tuned for tuned in self.tuned if tuned.task == key), None)

    def params_on(self, task: TaskSpec) -> dict[str, Any]:
        """The parameters on this task; tuned ones take precedence."""
        params, tuned = self.params_for(task.model), self.tuned_on(task)
        return params if tuned is None else merged(params, tuned.params)

    def recipe_on(self, task: TaskSpec) -> dict[str, Any]:
        """The task's recipe with its tuned values."""
        tuned = self.tuned_on(task)
        return dict(task.recipe) if tuned is None else with_values(task.recipe, tuned.train)

    def params_for(self, model: Component) -> dict[str, Any]:
        """The parameters on this model; those for its label override those for its name."""
        params = dict(self.params)
        for key in dict.fromkeys((model.name, model.label)):
            params = merged(params, self.per_model.get(key, {}))
        return params


@dataclass(frozen=True)
class Side:
    """One side of a claim: a label's results on a task."""

    label: str
    control: str
    """`none` for the ticket itself."""
    task: tuple[str, str, str]
    """Labels of model and dataset, name of the recipe."""
    densities: tuple[float, ...]
    """From dense to sparse, exactly as the task has them; (1.0,) of the dense run, and of
    strategies that report the unpruned network."""
    _: KW_ONLY
    found_on: tuple[str, str, str] | None = None
    """The source whose tickets these are; None for the task's own."""

    @property
    def name(self) -> str:
        """The label, LABEL/CONTROL; of transferred tickets with "from …", the parts of the source
        that differ from the task.
        """
        name = self.label if self.control == "none" else f"{self.label}/{self.control}"
        if self.found_on is None:
            return name
        parts = zip(self.found_on, self.task, strict=True)
        return f"{name} from {'/'.join(there for there, here in parts if there != here)}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A paper's claim in terms of this suite, read from `document.ClaimTable`."""

    name: str
    text: str
    source: str
    metric: str
    of: Side
    versus: Side | None
    """None if the claim is about the value itself."""
    compare: Literal["value", "difference", "ratio"]
    bound: Literal["at_least", "at_most", "within", "reported"]
    threshold: float | None
    """In the unit of the claim; None if the figure is only reported."""
    published: tuple[float, float] | None
    """Lowest and highest published figure; the same number twice if there is only one."""
    figures: tuple[str, ...] = ()
    """The rows of `papers/published.csv` that it is from; empty where the suite gives a number."""
    at: Keys = field(default=(), compare=False)

    @property
    def accepted(self) -> tuple[float, float]:
        """Smallest and largest true mean with which the claim holds."""
        if self.threshold is None:
            return -math.inf, math.inf
        if self.bound == "at_least":
            return self.threshold, math.inf
        if self.bound == "at_most":
            return -math.inf, self.threshold
        middle = 1.0 if self.compare == "ratio" else 0.0
        return middle - self.threshold, middle + self.threshold


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A grid of experiments: every strategy on every task it applies to, at every seed."""

    name: str
    version: int
    description: str
    densities: tuple[float, ...]
    """The suite's own, from dense to sparse; a task's may differ."""
    seeds: tuple[int, ...]
    controls: tuple[str, ...]
    baseline: str
    """The label with which others are compared."""
    tasks: tuple[TaskSpec, ...]
    strategies: tuple[StrategySpec, ...]
    plugins: tuple[str, ...]
    """One-file plugins it needs, relative to its own folder."""
    text: str
    """The TOML text of the file, unchanged."""
    path: Path
    board: BoardKind = "accuracy"
    """The leaderboard that a run ends with."""
    headline: float | None = None
    """The density that its closing card is about; None for each task's middle one."""
    overrides: tuple[str, ...] = ()
    """What `--set` changed, in the order given."""
    overridden: Mapping[Keys, str] = field(default_factory=dict, compare=False)
    """The place of each of `overrides` → its text."""
    added: Mapping[Keys, str] = field(default_factory=dict, compare=False)
    """The place of each strategy that is not in the file → the option that adds it."""
    claims: tuple[Claim, ...] = ()
    """Claims of the file, without those that no longer apply because of `--set`."""
    decide: Decide | None = None
    """Until when a run adds seeds, of which `seeds` then are the most; None for a fixed number."""
    tune: TuneSpec | None = None
    """How its strategies' parameters are tuned; None without a table [tune]."""

    def pairs(self) -> list[tuple[StrategySpec, TaskSpec]]:
        """Every strategy with every task that it applies to; each is an experiment at each seed."""
        return [(s, t) for t in self.tasks for s in self.strategies if s.applies_to(t)]


def devices_per_training(suite: Suite) -> int:
    """The most devices that one of its trainings is spread over."""
    recipes = [t.recipe for task in suite.tasks for t in task.with_sources]
    recipes += [strategy.recipe_on(task) for strategy, task in suite.pairs()]
    return max((int(recipe.get("devices", 1)) for recipe in recipes), default=1)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`under` with the values of `over`, nested tables included."""
    out = dict(under)
    for key, value in over.items():
        below = out.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        out[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return out


def with_values(recipe: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with other values: the length in steps replaces that in epochs, and vice versa."""
    dropped = {"steps": "epochs", "epochs": "steps"}
    out = {k: v for k, v in recipe.items() if k not in {dropped.get(key) for key in values}}
    return out | dict(values)


def compact(value: object) -> str:
    """A value within a label: without spaces, strings without quotes."""
    return (
        value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)
    )


REPORTS_DENSE: Mapping[str, bool] = {"dense": False}


def summary(suite: Suite, dense_only: Mapping[str, bool] = REPORTS_DENSE) -> dict[str, Any]:
    """The suite in plain values, for `validate` and `ls suites`, with the number of tickets.

    The tickets include the dense run of every task, which a suite need not list. `dense_only` are
    the strategies that report at density 1 alone, and whether each trains there itself, and so has
    controls. The number of experiments is known only to `plan`, which knows which strategies are
    iterative.
    """
    pairs = suite.pairs()
    dense = {task.label for s, task in pairs if s.use == "dense" and s.ablation is None}
    added = sum(task.label not in dense for task in suite.tasks)
    tickets = added + sum(_tickets(*pair, dense_only) for pair in pairs)
    return {
        "suite": suite.name,
        "version": suite.version,
        "description": suite.description,
        "path": str(suite.path),
        "baseline": suite.baseline,
        "seeds": list(suite.seeds),
        "tasks": [
            {
                "model": task.model.label,
                "dataset": task.dataset.label,
                "recipe": task.recipe_name,
                "densities": list(task.densities),
                **({"sources": [s.task.label for s in task.sources]} if task.sources else {}),
            }
            for task in suite.tasks
        ],
        "strategies": [
            {
                "label": strategy.label,
                "use": strategy.use,
                "controls": list(strategy.controls),
                "tasks": sum(strategy.applies_to(task) for task in suite.tasks),
            }
            for strategy in suite.strategies
        ],
        "claims": [{"name": claim.name, "text": claim.text} for claim in suite.claims],
        "plugins": list(suite.plugins),
        "tickets": tickets * len(suite.seeds),
    }


def _tickets(strategy: StrategySpec, task: TaskSpec, dense_only: Mapping[str, bool]) -> int:
    """Rows at one seed, as `plan` has them: at density 1 alone of some, without those ablations
    that are the whole suite's; an ablation is not transferred.
    """
    if strategy.use in dense_only:
        if strategy.ablation is not None and not strategy.explicit:
            return 0
        return 1 + len(strategy.controls) * dense_only[strategy.use]
    moved = len(task.sources) if strategy.ablation is None else 0
    below = sum(density < 1 for density in task.densities)
    return below * (1 + moved) * (1 + len(strategy.controls))
