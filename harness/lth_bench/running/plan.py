"""A suite as experiments: their identities, their order of length, what they will train."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.analysis.boards.notes import NAMED
from lth_bench.errors import UserError
from lth_bench.lottery.experiment import Experiment
from lth_bench.params import build, canonical
from lth_bench.plugins.asking import ask_for_steps
from lth_bench.plugins.contract import trains_dense
from lth_bench.plugins.source import source_hash
from lth_bench.running.ablation_plan import ablation_of
from lth_bench.running.fits import ExpectedFits, expected_fits
from lth_bench.running.forecast import density_groups
from lth_bench.running.sources import PlannedSource, plan_sources
from lth_bench.running.starts import recorded_start, starts
from lth_bench.running.task_plan import (
    TaskPlan,
    as_trained,
    plan_task,
    require_suitable,
    shares,
)
from lth_bench.training.keys import digest

if TYPE_CHECKING:
    from lth_bench.data.info import DatasetInfo
    from lth_bench.plugins import Registry
    from lth_bench.suite.spec import StrategySpec, Suite
    from lth_bench.training.start import Start

DENSE = "dense"
"""The baseline, which is added where a suite does not list it."""

MOST = 100_000
"""Experiments of a plan."""

STATE_BYTES = 2 * 4
"""A weight's bytes in a kept training: float32, at the end and at the best validation loss."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """An experiment with the steps it is expected to train beyond the dense run."""

    experiment: Experiment
    fits: tuple[int, ...]
    """Steps of each training."""
    bytes: int
    """What it leaves on disk, about: final and best values of each training, survivors only."""
    search: str | None = None
    """Experiments with the same one train the same search, each for its density."""
    searching: int = 0
    """How many of the trainings, the first ones, are that search."""
    fault: str | None = None
    """Why its task cannot run."""
    info: DatasetInfo | None = None
    """Its dataset's sizes, as they were when it was planned; None where there is a fault."""
    start: Start | None = None
    """The file that fixes its initial values; None if all are drawn."""
    source_info: DatasetInfo | None = None
    """The sizes of its source task's dataset; None without one, or where there is a fault."""

    @property
    def steps(self) -> int:
        """Steps of all its trainings."""
        return sum(self.fits)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a run of the suite will do."""

    suite: Suite
    experiments: tuple[Planned, ...]
    dense_runs: Mapping[tuple[str, str, str, int], int]
    """(model, dataset, recipe, seed) → steps of the dense run; of the tasks that can run."""
    dense_bytes: int
    """What one task's dense run leaves on disk, the largest of them."""
    notes: tuple[str, ...] = ()
    """A sentence each, for the person who runs it."""

    @property
    def faults(self) -> dict[str, str]:
        """Task → why it cannot run, of those that cannot."""
        return {"/".join(p.experiment.task): p.fault for p in self.experiments if p.fault}

    @property
    def _sound(self) -> list[Planned]:
        return [p for p in self.experiments if p.fault is None]

    @property
    def trainings(self) -> int:
        """Trainings with the dense runs shared, and searches over their densities."""
        own = sum(len(p.fits) for p in self.experiments) + len(self.dense_runs)
        return own - sum(p.searching for p in self._repeated)

    @property
    def unshared_trainings(self) -> int:
        """Trainings if every experiment did its own search, and its own dense run."""
        return sum(len(p.fits) for p in self._sound) + len(self._sound)

    @property
    def steps(self) -> int:
        """Steps of `trainings`."""
        own = sum(p.steps for p in self.experiments) + sum(self.dense_runs.values())
        return own - sum(sum(p.fits[: p.searching]) for p in self._repeated)

    @property
    def unshared_steps(self) -> int:
        """Steps of `unshared_trainings`."""
        return sum(
            p.steps + self.dense_runs[(*p.experiment.task, p.experiment.seed)] for p in self._sound
        )

    @property
    def _repeated(self) -> list[Planned]:
        """Experiments whose search another one does for them."""
        firsts = {p.search: p for p in reversed(self.experiments) if p.search is not None}
        return [p for p in self.experiments if p.search is not None and firsts[p.search] is not p]


def plan_suite(suite: Suite, registry: Registry, data_root: Path) -> Plan:
    """The suite's experiments. Every parameter is checked here, before anything is loaded.

    Those of a task whose network cannot be built, or whose dataset's sizes cannot be read, have a
    `fault`. UserError where no task is without.
    """
    strategies = list(suite.strategies)
    classes = {s.use: registry.get("strategies", s.use) for s in strategies}
    if not any(s.use == DENSE and s.ablation is None for s in strategies):
        strategies.insert(0, dense_spec())
        classes[DENSE] = registry.get("strategies", DENSE)
    with located(suite):
        tasks = [plan_task(spec, registry, data_root) for spec in suite.tasks]
    require_some([task.fault for task in tasks])
    _require_countable(suite, classes)
    labelled = {task.spec.label: task for task in tasks}
    planned: list[Planned] = []
    dense_runs: dict[tuple[str, str, str, int], int] = {}
    for task in tasks:
        wanted: dict[str, set[int]] = {}
        drafts: list[tuple[StrategySpec, Any, TaskPlan, PlannedSource | None]] = []
        with located(suite):
            sources = plan_sources(task, labelled, registry, data_root)
        for spec in strategies:
            if not spec.applies_to(task.spec):
                continue
            params = spec.params_on(task.spec)
            strategy = build(classes[spec.use], params, where=f"strategy {spec.label!r}")
            dense_only = getattr(strategy, "dense_only", False)
            if dense_only and spec.ablation is not None and not spec.explicit:
                continue  # nothing is searched that the suite's ablations could change
            own = as_trained(task, spec, registry, data_root)
            drafts.append((spec, strategy, own, None))
            if not dense_only and spec.ablation is None:
                drafts += [(spec, strategy, own, source) for source in sources]
            if own.fault is not None:
                continue
            announce = getattr(strategy, "dense_checkpoints", None)
            for one in (own, *(s.task for s in sources if s.task.fault is None)):
                _require_suitable(suite, strategy, spec, one)
                if announce is not None:
                    steps = ask_for_steps(_named(spec), announce, one.total_steps)
                    wanted.setdefault(one.spec.label, set()).update(steps)
        rivals = {spec.label: strategy for spec, strategy, _, _ in drafts}
        for spec, strategy, own, source in drafts:
            found_on = own if source is None else source.task
            groups = density_groups(strategy, task.spec.densities)
            with located(suite):
                ablations = [ablation_of(spec, strategy, own, x, rivals) for x in groups]
            for densities, ablation in zip(groups, ablations, strict=True):
                planned += _over_seeds(
                    suite,
                    own,
                    spec,
                    strategy,
                    densities=densities,
                    wanted=wanted.get(found_on.spec.label, ()),
                    ablation=ablation,
                    ablations=ablations,
                    source=source,
                    beside_dense=own is task,
                )
        for one in (task, *(source.task for source in sources)):
            for seed in suite.seeds if one.fault is None else ():
                key = (one.model_label, one.dataset_label, one.spec.recipe_name, seed)
                dense_runs[key] = one.total_steps
    largest = max(STATE_BYTES * sum(t.layer_counts.values()) for t in tasks)
    return Plan(
        suite=suite,
        experiments=tuple(planned),
        dense_runs=dense_runs,
        dense_bytes=largest,
        notes=(*shares(tasks), *starts(tasks)),
    )


@contextmanager
def located(suite: Suite) -> Iterator[None]:
    """Within the block, an error that leads to a place in the suite names file and line."""
    from lth_bench.suite.source import SuiteSource

    try:
        yield
    except UserError as error:
        if not error.path:
            raise
        source = SuiteSource(suite.path, suite.text, suite.overridden, suite.added)
        raise source.locate(error) from error.__cause__


def require_some(faults: Sequence[str | None]) -> None:
    """UserError where every task has a fault: nothing can run, and one message says why."""
    found = list(dict.fromkeys(fault for fault in faults if fault is not None))
    if len(found) and None not in faults:
        more = f" (the first of {len(found)} reasons why no task can run)"
        raise UserError(found[0] + (more if len(found) > 1 else ""))


def _require_suitable(suite: Suite, strategy: Any, spec: StrategySpec, task: TaskPlan) -> None:
    """The same as `require_suitable`, the error with its file and line."""
    with located(suite):
        try:
            require_suitable(strategy, task.facts, f"{_named(spec)} on {task.spec.label}")
        except UserError as error:
            error.path = (*spec.at, "params")
            raise


def _require_countable(suite: Suite, classes: Mapping[str, Any]) -> None:
    """UserError for more experiments than anybody can run; planning them would take minutes."""
    count = sum(
        # where it is a property, parameters decide: there may be one for each density
        1 if getattr(classes[s.use], "iterative", False) is True else len(task.densities)
        for s, task in suite.pairs()
    ) * len(suite.seeds)
    if count > MOST:
        raise UserError(
            f"suite {suite.name!r} asks for {count:,} experiments ({len(suite.seeds):,} seeds), and"
            f" a run takes at most {MOST:,}; ask for fewer seeds, densities, tasks or strategies"
        )


def plan_unreported(
    suite: Suite, task: TaskPlan, spec: StrategySpec, strategy: Any, densities: Sequence[float]
) -> list[Planned]:
    """A strategy's experiments on one task at the suite's seeds, none of them for the results.

    They are scored on the validation split and have no controls; tuning's trials are made of them.
    """
    announce = getattr(strategy, "dense_checkpoints", None)
    wanted: set[int] = set()
    if announce is not None:
        wanted.update(ask_for_steps(_named(spec), announce, task.total_steps))
    return [
        item
        for group in density_groups(strategy, densities)
        for item in _over_seeds(
            suite, task, spec, strategy, densities=group, wanted=wanted, scored_on="validation"
        )
    ]


def dense_spec() -> StrategySpec:
    """The strategy that only reports the dense run, for suites that list none."""
    from lth_bench.suite.spec import StrategySpec

    return StrategySpec(use=DENSE, label=DENSE)


def _over_seeds(
    suite: Suite,
    task: TaskPlan,
    spec: StrategySpec,
    strategy: Any,
    *,
    densities: tuple[float, ...],
    wanted: Iterable[int],
    ablation: Mapping[str, Any] | None = None,
    ablations: Sequence[Mapping[str, Any] | None] = (),
    scored_on: Literal["test", "validation"] = "test",
    source: PlannedSource | None = None,
    beside_dense: bool = False,
) -> list[Planned]:
    found_on = task if source is None else source.task
    fault = task.fault or found_on.fault
    reported = scored_on == "test"
    own = not getattr(strategy, "dense_only", False) or trains_dense(type(strategy))
    controls = spec.controls if reported and own else ()
    params = canonical(strategy)
    code = source_hash(type(strategy))
    common = {
        "suite": suite.name,
        "label": spec.label,
        "strategy": spec.use,
        "params": params,
        "task": [
            task.model,
            task.dataset,
            task.spec.recipe_name,
            task.recipe,
            task.source,
            *([task.objective] if task.objective is not None else []),
            *task.spec.asked,
        ],
        "controls": list(controls),
        "source": code,
    }
    if source is not None:
        common["source_task"] = source.identity
    if not reported:
        common["scored_on"] = scored_on
    if ablation is not None:
        common["ablation"] = dict(ablation)
    iterative = bool(getattr(strategy, "iterative", False))
    config: dict[str, Any] = {**common, "densities": list(densities) if iterative else None}
    if any(one != ablation for one in ablations):  # equal cost is another one at each density
        config["ablation"] = ablations
    config_id = digest(config)[:16]
    expected = ExpectedFits()
    if fault is None:
        expected = expected_fits(
            _named(spec),
            strategy,
            task,
            densities,
            controls=controls,
            ablation=ablation,
            source=source,
        )
    total = sum(found_on.layer_counts.values())
    size = round(len(expected.fits) * STATE_BYTES * total * sum(densities) / len(densities))
    tuned = spec.tuned_on(task.spec)
    planned = []
    for seed in suite.seeds:
        search = f"{config_id}/{seed}" if expected.shared else None
        identity = digest({"config": common, "densities": list(densities), "seed": seed})[:16]
        experiment = Experiment(
            experiment_id=identity,
            config_id=config_id,
            suite=suite.name,
            label=spec.label,
            strategy=spec.use,
            params=params,
            model=task.model,
            model_label=task.model_label,
            dataset=task.dataset,
            dataset_label=task.dataset_label,
            recipe_name=task.spec.recipe_name,
            recipe=task.recipe,
            seed=seed,
            densities=densities,
            controls=tuple(controls),
            iterative=iterative,
            source_hash=code,
            plugin_version=getattr(type(strategy), "__version__", ""),
            dense_checkpoints=tuple(sorted(wanted)),
            scored_on=scored_on,
            tuned_from=None if tuned is None else tuned.origin,
            parameters=task.parameters or None,
            prunable=sum(task.layer_counts.values()) or None,
            not_prunable=task.rest[: NAMED + 1],
            objective=task.objective,
            metric=task.metric.name if task.metric is not None else "accuracy",
            metric_unit=task.metric.unit if task.metric is not None else "fraction",
            higher_is_better=task.metric.higher_is_better if task.metric is not None else True,
            generalises_at=task.spec.generalises_at,
            decision_boundary=task.spec.decision_boundary,
            beside_dense=beside_dense,
            ablation=ablation,
            start=recorded_start(task),
            source_task=None if source is None else source.recorded,
        )
        planned.append(
            Planned(
                experiment=experiment,
                fits=expected.fits,
                bytes=size,
                search=search,
                searching=expected.shared,
                fault=fault,
                info=task.info,
                start=task.start,
                source_info=None if source is None else source.task.info,
            )
        )
    return planned


def _named(spec: StrategySpec) -> str:
    return f"strategy {spec.label!r}"
