"""Runs experiments in this process, on one device: one after the other, or side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lth_bench.errors import (
    LONGEST_REASON,
    Diverged,
    OutOfTime,
    TrainingError,
    TrainingNotKept,
    UserError,
    describe_error,
    error_text,
    out_of_memory,
    truncated,
)
from lth_bench.lottery import Experiment, run_experiment, run_transfer
from lth_bench.lottery.ablated_runner import as_ablated
from lth_bench.lottery.defaults import Defaults
from lth_bench.lottery.experiment import SourceTask
from lth_bench.params import build
from lth_bench.plugins import Registry, load_registry
from lth_bench.plugins.dispatch import Hooks, StrategyError
from lth_bench.running.executors.messages import to_plain
from lth_bench.running.executors.needs import NodeNeeds
from lth_bench.running.executors.pool import MovedAway, Pool
from lth_bench.running.executors.schedule import task_of
from lth_bench.running.progress import DiskRefused, Note, Recorded
from lth_bench.running.request import Execution
from lth_bench.system.blame import ends_the_run, where
from lth_bench.system.guard import unchanged
from lth_bench.training.checkpoints.cache import TrainingCache
from lth_bench.training.checkpoints.policy import EVERY, CheckpointPolicy
from lth_bench.training.dispatch.serving import Work, last_half
from lth_bench.training.dispatch.variant import with_data
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.engine.cohort_size import CohortSizes, cohort_sizes_file
from lth_bench.training.engine.layouts import ways_to_stack
from lth_bench.training.input.ablated import AblatedView
from lth_bench.training.input.placement import Placement, choose, make_data, memory_of
from lth_bench.training.input.task_data import Examples
from lth_bench.training.keys import digest
from lth_bench.training.parallel.leader import RankLeader
from lth_bench.training.recipe import Recipe
from lth_bench.training.start import start_values

EmitEvent = Callable[[Recorded | Note | DiskRefused], None]
COMPANY = 3
"""Experiments side by side for each place in a cohort: some are at another step of their work."""


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """What a worker process needs to know."""

    device: str
    name: str = ""
    """What its records call it; the device where it is empty."""
    devices: tuple[str, ...] = ()
    """Of all worker processes on this machine, which share its memory and its cores; `()` where
    this is the only one."""
    ranks: tuple[str, ...] = ()
    """The device of each rank where trainings are spread over several, its own first; else `()`."""
    artifacts: Path
    data_root: Path
    plugins: tuple[Path, ...] = ()
    no_plugins: bool = False
    execution: Execution = field(default_factory=Execution)
    checkpoint_every: float = EVERY
    """Seconds of training between two checkpoints of it."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Digest of a dataset's configuration → fingerprint of its content when the run began."""
    trained_since: float | None = None
    """Trainings that were kept before (in seconds since the epoch) are done again."""
    needs: NodeNeeds | None = None
    """What a worker on another machine must have; None on the coordinator's."""


class Worker:
    """Keeps the last task's network and data, since experiments of one task follow each other."""

    def __init__(
        self,
        config: WorkerConfig,
        registry: Registry | None = None,
        pool: Pool | None = None,
        saving: CheckpointPolicy | None = None,
        *,
        cache: TrainingCache | None = None,
        leader: RankLeader | None = None,
    ) -> None:
        """`leader` spreads trainings over devices, where there are several."""
        self.config = config
        self.device = torch.device(config.device)
        self.registry = registry or load_registry(config.plugins, not config.no_plugins)
        config.artifacts.mkdir(exist_ok=True)
        self.cache = cache or TrainingCache(config.artifacts / "trainings", config.trained_since)
        self._datasets: dict[str, tuple[Any, Placement]] = {}
        self._bench: tuple[str, Workbench, Examples] | None = None
        self._source: Workbench | None = None
        self._followed: dict[str, tuple[Workbench, Examples]] = {}
        self.cohort_sizes = CohortSizes(
            cohort_sizes_file(), config.execution.cohort_size, config.execution.exact_cohort_size
        )
        self.pool = Pool(device=config.device) if pool is None else pool
        self._alone = pool is None
        self._leader = leader
        self._saving = saving or CheckpointPolicy(config.checkpoint_every)
        with unchanged():
            self._observers = self.registry.make_observers().working

    @property
    def room(self) -> int:
        """How many more experiments would keep the cohorts full."""
        size = self.cohort_size
        return max(0, (1 if size == 1 else COMPANY * size) - len(self.pool))

    @property
    def cohort_size(self) -> int:
        """Trainings stacked into one computation, for the task at hand."""
        if self._bench is None:
            return 1
        bench = self._bench[1]
        return bench.cohort_size(bench.recipe)

    def begin(self, experiments: Sequence[Experiment], emit: EmitEvent) -> None:
        """Start experiments of one task beside those that run; each goes to its first training."""
        for experiment in experiments:
            self.pool.given.discard(experiment.experiment_id)
            self.pool.start(partial(self.run, experiment, emit), experiment.experiment_id)

    def serve(self) -> Work:
        """Run some of the trainings that experiments wait for. Returns what `take_work` does."""
        if self._bench is not None and len(self.pool):
            # at cohort size 1 only the last experiments of a run have company
            self.pool.serve(self._bench[1], level=self.cohort_size == 1)
        return self.take_work()

    def take_work(self) -> Work:
        """What was really trained since this was asked last."""
        done = Work()
        for bench in (self._bench[1] if self._bench is not None else None, self._source):
            if bench is not None:
                done.add(bench.trained.steps, bench.trained.seconds, bench.trained.examples)
                bench.trained = Work()
        return done

    def give_back(self) -> list[str]:
        """Up to half of the experiments, in whole cohorts: another worker is idle. Returns their
        ids. They begin again there, and find what was trained for them.
        """
        live = len(self.pool)
        if self.cohort_size == 1 or self._bench is None:
            return self.pool.give_back(min(live // 2, live - 1))
        own = [one for one in self.pool.waiting if one.bench in (None, self._bench[1])]
        return self.pool.give_back(live - 1, last_half(self._bench[1], own))

    def run(self, experiment: Experiment, emit: EmitEvent) -> None:
        """One experiment. Its records go to `emit`, the last of them its status; none once it was
        given back.
        """
        began = time.perf_counter()

        def unless_given(event: Recorded | Note | DiskRefused) -> None:
            if experiment.experiment_id in self.pool.given:
                return
            match event:
                case Recorded(record) if record.get("reason"):
                    reason = truncated(record["reason"], LONGEST_REASON)
                    event = Recorded({**record, "reason": reason})
                case Note(message):
                    event = Note(truncated(message, LONGEST_REASON))
            emit(event)

        try:
            status, reason = self._outcome(experiment, unless_given)
        except MovedAway:
            return
        self._tell_cohort_size(experiment, unless_given)
        self._tell_connections(experiment, unless_given)
        for note in self._leader.take_notes() if self._leader is not None else ():
            unless_given(Note(note))
        unless_given(
            Recorded(
                {
                    "record": "experiment",
                    "experiment_id": experiment.experiment_id,
                    "status": status,
                    "reason": reason,
                    "seconds": time.perf_counter() - began,
                    "worker": self.config.name or self.config.device,
                    "cohort_size": self.cohort_size,
                }
            )
        )

    def _tell_cohort_size(self, experiment: Experiment, emit: EmitEvent) -> None:
        """Where the cohort size that was asked for does not suit the network."""
        asked = self.config.execution.cohort_size or 1
        if self._bench is None or self.cohort_size >= asked:
            return
        stacks = ways_to_stack(self._bench[1].network)
        why = "more do not fit or disagree" if stacks else "its network cannot be stacked"
        what = f"{experiment.model_label} with recipe {experiment.recipe_name!r}"
        message = f"{what} is trained {self.cohort_size} at a time, not {asked}: {why}"
        emit(Note(message))

    def _tell_connections(self, experiment: Experiment, emit: EmitEvent) -> None:
        """Where the dense network's own effective density is not 1, or not known."""
        known = self._bench[1].connections_if_known if self._bench is not None else None
        if known is None:
            return
        if isinstance(known, str):
            message = f"{experiment.model_label}: {known}"
        elif known.unused:
            message = (
                f"{experiment.model_label}: weights of {', '.join(known.unused)} reach no output, "
                f"so the dense network's effective density is {known.dense:.3g}"
            )
        else:
            return
        emit(Note(message))

    def _outcome(self, experiment: Experiment, emit: EmitEvent) -> tuple[str, str | None]:
        reached: list[str] = []

        def watch(record: dict[str, Any]) -> None:
            if record["reported"]:
                reached.append(record["status"])
            if experiment.scored_on == "test":
                record = {**record, "test_examples": len(test)}
            emit(Recorded(record))

        try:
            bench, test = self.bench(experiment)
            strategy = build(
                self.registry.get("strategies", experiment.strategy),
                experiment.params,
                f"strategy {experiment.label!r}",
            )
            strategy = as_ablated(strategy, experiment.ablation)
            hooks = Hooks(
                label=experiment.label,
                strategy=strategy,
                defaults=Defaults(test if experiment.scored_on == "test" else None),
                observers=self._observers,
                complain=lambda message: emit(Note(message)),  # of an observer that raised
            )
            wait = None if self._alone else self.pool.wait
            if self._source is None:
                run_experiment(experiment, strategy, bench, hooks, watch, wait=wait)
            else:
                run_transfer(
                    experiment,
                    strategy,
                    source=self._source,
                    target=bench,
                    hooks=hooks,
                    emit=watch,
                    wait=wait,
                )
        except Diverged as error:
            return "diverged", error_text(error, LONGEST_REASON)
        except OutOfTime as error:
            return "timeout", error_text(error, LONGEST_REASON)
        except TrainingNotKept as error:
            # no other worker could keep a result either, so the coordinator ends the run
            emit(DiskRefused(error_text(error, LONGEST_REASON)))
            return "interrupted", error_text(error, LONGEST_REASON)
        except (StrategyError, TrainingError, UserError) as error:
            return "failed", error_text(error, LONGEST_REASON)
        # one experiment's failure is its row, not the run's end; sys.exit() is one too
        except BaseException as error:
            if ends_the_run(error):
                raise
            if out_of_memory(error):
                return "oom", f"out of memory: {error_text(error)}"
            return "failed", f"{describe_error(error)}{where(error)}"
        if reached and all(s == "skipped" for s in reached):
            return "skipped", "no density could be reached"
        return "ok", None

    def bench(self, experiment: Experiment) -> tuple[Workbench, Examples]:
        """The experiment's task on this device, and the test split beside it."""
        key = task_of(experiment)
        if self._bench is None or self._bench[0] != key:
            self._close()
            bench, test = self._made(experiment)
            self._bench = (key, bench, test)
            if experiment.source_task is not None:
                self._source, _ = self._made(experiment.source_task)
        _, bench, test = self._bench
        return bench, test

    def followed(
        self, task: Experiment | SourceTask, view: AblatedView | None
    ) -> tuple[Workbench, Examples]:
        """In a follower: a task on this rank's device, as an ablation sees it, and the test split.
        The last two stay, since a transfer alternates.
        """
        key = digest(to_plain(task))
        made = self._followed.pop(key, None)
        if made is None:
            while len(self._followed) > 1:
                self._followed.pop(next(iter(self._followed)))[0].data.close()
            made = self._made(task)
        self._followed[key] = made  # most recently used last
        bench, test = made
        return bench if view is None else with_data(bench, view), test

    def close(self) -> None:
        """End the processes of its other devices."""
        if self._leader is not None:
            self._leader.close()

    def _close(self) -> None:
        """Free the last task's memory."""
        for bench in (self._bench[1] if self._bench is not None else None, self._source):
            if bench is not None:
                bench.data.close()
        if self._leader is not None:
            self._leader.forget()
        self._bench = self._source = None

    def _made(self, task: Experiment | SourceTask) -> tuple[Workbench, Examples]:
        recipe = build(Recipe, task.recipe, f"recipe {task.recipe_name!r}")
        model = self._build("models", task.model)
        opened, placement = self._opened(task.dataset_label, task.dataset)
        data, test = make_data(opened, placement, recipe.val_size, self.device)
        config = {**task.dataset, "fingerprint": opened.fingerprint()}
        config["val_size"] = recipe.val_size
        objective = None
        if task.objective is not None:
            objective = self._build("objectives", task.objective)
        bench = Workbench(
            model=model,
            model_config=task.model,
            data=data,
            data_config=config,
            recipe=recipe,
            device=self.device,
            cache=self.cache,
            cohort_sizes=self.cohort_sizes,
            checkpoint_policy=self._saving,
            objective=objective,
            objective_config=task.objective,
            start=start_values(self.config.artifacts, task.model),
            spread=partial(self._leader.layout, task) if self._leader is not None else None,
        )
        return bench, test

    def _build(self, group: str, config: Any) -> Any:
        cls = self.registry.get(group, config["name"])
        return build(cls, config["params"], f"{group.removesuffix('s')} {config['name']!r}")

    def look_at(self, label: str, config: Any) -> None:
        """UserError where a dataset is missing here, or is not the one that the run began with."""
        from lth_bench.running.datasets import fingerprint_of

        dataset, root = self._build("datasets", config), self.config.data_root
        memory = memory_of(self.config.devices or [self.config.device])
        placement = choose(label, dataset, dataset.info(root), memory)
        found = fingerprint_of(f"dataset {label!r}", dataset, placement, root)
        if self.config.fingerprints.get(digest(config)) not in (None, found):
            raise UserError(f"dataset {label!r} has other content than where the run was started")

    def _opened(self, label: str, config: Any) -> tuple[Any, Placement]:
        """The dataset, and where it lies; the last two stay, since tasks share datasets."""
        key = digest(config)
        found = self._datasets.pop(key, None)
        if found is None:
            while len(self._datasets) > 1:  # a transfer needs two
                self._datasets.pop(next(iter(self._datasets)))
            dataset, root = self._build("datasets", config), self.config.data_root
            memory = memory_of(self.config.devices or [self.config.device])
            placement = choose(label, dataset, dataset.info(root), memory)
            opened = placement.opener(dataset)(root)
            if self.config.fingerprints.get(key) not in (None, opened.fingerprint()):
                raise UserError(
                    f"dataset {label!r} has changed since the run began, so its results would not "
                    f"be those that are recorded; run it again"
                )
            found = opened, placement
        self._datasets[key] = found  # most recently used last
        return found
