"""One planned experiment: a labelled strategy × a task × a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class SourceTask:
    """The task that a transferred ticket is found on; fields as those of an experiment."""

    model: Mapping[str, Any]
    model_label: str
    dataset: Mapping[str, Any]
    dataset_label: str
    recipe_name: str
    recipe: Mapping[str, Any]
    objective: Mapping[str, Any] | None = None
    classifier: Literal["auto", "new"] = "auto"
    """Whether the classifier is new even where the classes are as many."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Plain data, so that it can be sent to workers and written to the journal."""

    experiment_id: str
    config_id: str
    """Identifies the experiment without its seed and densities: shared by the seeds of a
    comparison."""
    suite: str
    label: str
    strategy: str
    params: Mapping[str, Any]
    model: Mapping[str, Any]
    """`{"name": …, "params": {…}}`, and `start` as `training.start.Start.identity` if there is
    one."""
    model_label: str
    dataset: Mapping[str, Any]
    dataset_label: str
    recipe_name: str
    recipe: Mapping[str, Any]
    seed: int
    densities: tuple[float, ...]
    """From dense to sparse. One entry where densities are independent."""
    controls: tuple[str, ...]
    iterative: bool
    source_hash: str
    plugin_version: str
    dense_checkpoints: tuple[int, ...] = ()
    """Steps of the dense run whose state any experiment of this task and seed needs."""
    scored_on: Literal["test", "validation"] = "test"
    """The split that its tickets are scored on: tuning only sees the validation split."""
    tuned_from: Mapping[str, Any] | None = None
    """`{"study": …, "trial": …, "steps": …}` if tuning found the parameters."""
    parameters: int | None = None
    """Number of the network's parameters; None if it cannot be built."""
    prunable: int | None = None
    """Number of prunable weights among them, which densities refer to."""
    not_prunable: tuple[str, ...] = ()
    """Names of the largest parameters that are not prunable, the largest first."""
    objective: Mapping[str, Any] | None = None
    """`{"name": …, "params": {…}}`; None for plain cross-entropy."""
    metric: str = "accuracy"
    """The objective's primary metric."""
    metric_unit: str = "fraction"
    """Its unit."""
    higher_is_better: bool = True
    """Whether larger values of it are better."""
    generalises_at: float | None = None
    """Validation value of it from which a network counts as generalising; None if not asked."""
    decision_boundary: bool = False
    """Whether decision boundaries are recorded."""
    beside_dense: bool = False
    """Whether the plan has the dense run of the same task, recipe and seed, so that tickets can be
    compared with it at no cost. Not of a label with a recipe of its own, nor of tuning's trials."""
    ablation: Mapping[str, Any] | None = None
    """`{"name": …}` of an ablation, with `steps` for equal cost; None for the strategy itself."""
    start: Mapping[str, Any] | None = None
    """What fixes the initial values: `source` (a file's name, or torchvision's weights), `sha256`,
    `drawn` (state-dict keys that are drawn in spite of it), `fixed` (parameters that it fixes) and
    `parameters`; None if all are drawn."""
    source_task: SourceTask | None = None
    """Where its tickets are found, if they are trained on another task than that."""

    @property
    def task(self) -> tuple[str, str, str]:
        """Model, dataset and recipe, by display name."""
        return (self.model_label, self.dataset_label, self.recipe_name)

    @property
    def found_on(self) -> str:
        """What differs of a transferred ticket's source task, such as `mnist`; "" of others."""
        if (source := self.source_task) is None:
            return ""
        there = (source.model_label, source.dataset_label, source.recipe_name)
        return "/".join(a for a, b in zip(there, self.task, strict=True) if a != b)

    def planned_record(self) -> dict[str, Any]:
        """The journal's record of a planned experiment."""
        config = asdict(self)
        for key in ("experiment_id", "config_id", "suite", "label", "seed", "dense_checkpoints"):
            config.pop(key)
        # do not affect the result: a start's content is part of the model
        for key in ("tuned_from", "parameters", "prunable", "not_prunable", "start"):
            config.pop(key)
        for key in ("metric", "metric_unit", "higher_is_better"):  # the objective decides them
            config.pop(key)
        if self.objective is None:
            config.pop("objective")
        for key in ("generalises_at", "ablation"):
            if config[key] is None:
                config.pop(key)
        if not self.decision_boundary:
            config.pop("decision_boundary")
        config.pop("beside_dense")  # the recipe and `scored_on` decide it
        if self.scored_on == "test":
            config.pop("scored_on")
        if self.source_task is None:
            config.pop("source_task")
        found = self if self.source_task is None else self.source_task
        return {
            "experiment_id": self.experiment_id,
            "config_id": self.config_id,
            "suite": self.suite,
            "strategy": self.strategy,
            "label": self.label,
            "params": dict(self.params),
            "model": self.model_label,
            "dataset": self.dataset_label,
            "recipe": self.recipe_name,
            "source_model": found.model_label,
            "source_dataset": found.dataset_label,
            "source_recipe": found.recipe_name,
            "seed": self.seed,
            "densities": list(self.densities),
            "controls": list(self.controls),
            "iterative": self.iterative,
            "plugin_version": self.plugin_version,
            "source_hash": self.source_hash,
            "scored_on": self.scored_on,
            "tuned_from": None if self.tuned_from is None else dict(self.tuned_from),
            "parameters": self.parameters,
            "prunable": self.prunable,
            "not_prunable": list(self.not_prunable),
            **self._measured(),
            "start": None if self.start is None else dict(self.start),
            "config": config,
        }

    def _measured(self) -> dict[str, Any]:
        """What the result is judged by, where that is not accuracy."""
        if self.objective is None:
            return {}
        return {
            "metric": self.metric,
            "metric_unit": self.metric_unit,
            "higher_is_better": self.higher_is_better,
        }
