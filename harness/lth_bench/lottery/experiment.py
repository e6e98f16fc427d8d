"""One planned experiment: a strategy under its label × a task × a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Plain data, so that it travels to workers and into the journal."""

    experiment_id: str
    config_id: str
    """The experiment without seed and densities: what a comparison over seeds has in common."""
    suite: str
    label: str
    strategy: str
    params: Mapping[str, Any]
    model: Mapping[str, Any]
    """`{"name": …, "params": {…}}`."""
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
    """Steps at which any experiment of this task and seed wants the dense run's state."""
    scored_on: Literal["test", "validation"] = "test"
    """The split that its tickets are measured on. What tunes sees the validation split only."""
    tuned_from: Mapping[str, Any] | None = None
    """`{"study": …, "trial": …, "steps": …}` where tuning found the parameters."""
    parameters: int | None = None
    """All of the network's; None where it cannot be built."""
    prunable: int | None = None
    """The weights among them that densities count."""
    objective: Mapping[str, Any] | None = None
    """`{"name": …, "params": {…}}`; None of plain cross-entropy."""
    metric: str = "accuracy"
    """The objective's primary metric."""
    metric_unit: str = "fraction"
    """Its unit."""
    higher_is_better: bool = True
    """Whether larger values of it are better."""

    @property
    def task(self) -> tuple[str, str, str]:
        """Model, dataset and recipe, as they are shown."""
        return (self.model_label, self.dataset_label, self.recipe_name)

    def planned_record(self) -> dict[str, Any]:
        """The journal's entry for an experiment that is planned."""
        config = asdict(self)
        for key in ("experiment_id", "config_id", "suite", "label", "seed", "dense_checkpoints"):
            config.pop(key)
        for key in ("tuned_from", "parameters", "prunable"):  # say nothing of the result
            config.pop(key)
        for key in ("metric", "metric_unit", "higher_is_better"):  # the objective decides them
            config.pop(key)
        if self.objective is None:
            config.pop("objective")
        if self.scored_on == "test":
            config.pop("scored_on")
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
            "source_model": self.model_label,
            "source_dataset": self.dataset_label,
            "source_recipe": self.recipe_name,
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
            **self._measured(),
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
