"""Runs experiments in this process, one after the other, on one device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lth_bench.defaults import Defaults
from lth_bench.errors import DiskError, Diverged, UserError
from lth_bench.lottery import Experiment, play
from lth_bench.params import build
from lth_bench.plugins import Registry, load_registry
from lth_bench.plugins.dispatch import Hooks, StrategyError
from lth_bench.plugins.guard import unchanged
from lth_bench.training.cache import TrainingCache
from lth_bench.training.keys import digest
from lth_bench.training.recipe import Recipe
from lth_bench.training.resident import ResidentData, Split
from lth_bench.training.workbench import Workbench

Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker process needs to know."""

    device: str
    artifacts: Path
    data_root: Path
    plugin_files: tuple[Path, ...] = ()
    third_party: bool = True


class Worker:
    """Keeps the last task's network and data, since experiments of one task follow each other."""

    def __init__(self, config: WorkerConfig, registry: Registry | None = None) -> None:
        self.config = config
        self.device = torch.device(config.device)
        self.registry = registry or load_registry(config.plugin_files, config.third_party)
        self.cache = TrainingCache(config.artifacts / "trainings")
        self._datasets: dict[str, Any] = {}
        self._bench: tuple[str, Workbench, Split] | None = None
        with unchanged():
            self._observers = self.registry.make_observers().working

    def run(self, experiment: Experiment, emit: Emit) -> None:
        """One experiment. Its records go to `emit`, the last of them its status."""
        began = time.perf_counter()
        status, reason = self._outcome(experiment, emit)
        emit(
            {
                "record": "experiment",
                "experiment_id": experiment.experiment_id,
                "status": status,
                "reason": reason,
                "seconds": time.perf_counter() - began,
                "worker": self.config.device,
            }
        )

    def _outcome(self, experiment: Experiment, emit: Emit) -> tuple[str, str | None]:
        reached: list[str] = []

        def watch(record: dict[str, Any]) -> None:
            if record["reported"]:
                reached.append(record["status"])
            emit(record)

        try:
            bench, test = self.bench(experiment)
            strategy = build(
                self.registry.get("strategies", experiment.strategy),
                experiment.params,
                f"strategy {experiment.label!r}",
            )
            hooks = Hooks(
                experiment.label, strategy, Defaults(test), self._observers, partial(_tell, emit)
            )
            play(experiment, strategy, bench, hooks, watch)
        except Diverged as error:
            return "diverged", str(error)
        except DiskError as error:
            # nobody else could keep a result either, so the coordinator ends the run
            emit({"event": "disk", "message": str(error)})
            return "interrupted", str(error)
        except (torch.OutOfMemoryError, MemoryError) as error:
            return "oom", f"out of memory: {error}"
        except (StrategyError, UserError) as error:
            return "failed", str(error)
        except Exception as error:  # one experiment's failure is its row, not the run's end
            return "failed", f"{type(error).__name__}: {error}"
        if reached and all(s == "skipped" for s in reached):
            return "skipped", "no density could be reached"
        return "ok", None

    def bench(self, experiment: Experiment) -> tuple[Workbench, Split]:
        """The experiment's task on this device, and the test split beside it."""
        key = digest([experiment.model, experiment.dataset, experiment.recipe])
        if self._bench is None or self._bench[0] != key:
            self._bench = None  # frees the last task's memory first
            recipe = build(Recipe, experiment.recipe, f"recipe {experiment.recipe_name!r}")
            model = self._build("models", experiment.model)
            arrays = self._arrays(experiment.dataset)
            data = ResidentData(arrays, recipe.val_size, self.device)
            config = {**experiment.dataset, "fingerprint": arrays.fingerprint()}
            config["val_size"] = recipe.val_size
            bench = Workbench(
                model, experiment.model, data, config, recipe, self.device, self.cache
            )
            test = Split(arrays.test_x.to(self.device), arrays.test_y.to(self.device))
            self._bench = (key, bench, test)
        return self._bench[1], self._bench[2]

    def _build(self, group: str, config: Any) -> Any:
        cls = self.registry.get(group, config["name"])
        return build(cls, config["params"], f"{group.removesuffix('s')} {config['name']!r}")

    def _arrays(self, config: Any) -> Any:
        key = digest(config)
        if key not in self._datasets:
            self._datasets.clear()
            self._datasets[key] = self._build("datasets", config).load(self.config.data_root)
        return self._datasets[key]


def _tell(emit: Emit, message: str) -> None:
    """Pass on that an observer raised; the coordinator says it once a run."""
    emit({"event": "observer", "message": message})


def prepare_process(device: str) -> None:
    """Process-wide settings that belong to the recorded numerics."""
    if device == "cpu":
        # two single-threaded processes beat one with two threads on networks of this size
        torch.set_num_threads(1)
        # dead units and constant pixels decay into subnormals, which cost 5 to 40 times more
        torch.set_flush_denormal(True)
    else:
        torch.cuda.set_device(device)
        # an operation without a deterministic form warns; it does not fail
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


def task_of(experiments: Sequence[Experiment]) -> tuple[str, str, str]:
    """The task that experiments of one bundle share."""
    return experiments[0].task
