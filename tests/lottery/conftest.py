"""What the tests of the round loop share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from lth_bench.lottery import Experiment, run_experiment
from lth_bench.lottery.ablated_runner import as_ablated
from lth_bench.lottery.defaults import Defaults
from lth_bench.plugins.dispatch import Hooks
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.input.resident import ResidentSplit
from lth_bench.training.request import FitRequest


@dataclass
class Story:
    """What came of an experiment."""

    records: list[dict[str, Any]] = field(default_factory=list)
    requests: list[FitRequest] = field(default_factory=list)
    """Trainings that really ran, in order."""
    data: list[Any] = field(default_factory=list)
    """What each of them was trained on."""

    def reported(self, control: str = "none") -> list[dict[str, Any]]:
        """The reported tickets' records under one control."""
        return [r for r in self.records if r["reported"] and r["control"] == control]


@pytest.fixture
def run_rounds(blobs: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Story]:
    """`run_rounds(bench, strategy, densities, controls=(), …)`: play one experiment."""

    def run(
        bench: Any,
        strategy: Any,
        densities: Sequence[float],
        controls: Sequence[str] = (),
        *,
        seed: int = 0,
        checkpoints: Sequence[int] = (),
        observers: dict[str, Any] | None = None,
        arrays: Any = blobs,
        ablation: dict[str, Any] | None = None,
        decision_boundary: bool = False,
        beside_dense: bool = False,
    ) -> Story:
        story = Story()
        original = Cohort.run

        def watched(self: Cohort) -> None:
            story.requests.extend(member.fits[0].request for member in self.members)
            story.data.extend(self.layout.data for _ in self.members)
            original(self)

        strategy = as_ablated(strategy, ablation)
        experiment = Experiment(
            experiment_id="e", config_id="c", suite="s", label="mine", strategy="mine", params={},
            model={}, model_label="m", dataset={}, dataset_label="d", recipe_name="r", recipe={},
            seed=seed, densities=tuple(densities), controls=tuple(controls),
            iterative=bool(getattr(strategy, "iterative", False)), source_hash="h",
            plugin_version="1", dense_checkpoints=tuple(checkpoints), ablation=ablation,
            decision_boundary=decision_boundary, beside_dense=beside_dense,
        )  # fmt: skip
        test = ResidentSplit(arrays.test_x, arrays.test_y)
        hooks = Hooks(
            label="mine", strategy=strategy, defaults=Defaults(test), observers=observers or {}
        )
        with monkeypatch.context() as patch:
            patch.setattr(Cohort, "run", watched)
            run_experiment(experiment, strategy, bench, hooks, story.records.append)
        return story

    return run


@pytest.fixture
def lenet_bench(make_bench: Callable[..., Any]) -> tuple[Any, Any]:
    """LeNet-300-100 with its published 266,200 weights, trained for a few steps on noise; and
    the noise.
    """
    from lth_bench.data.arrays import Arrays
    from lth_bench.models.mlp import LeNet300100
    from lth_bench.training.recipe import Recipe

    rng = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (60, 1, 28, 28), generator=rng).to(torch.uint8)
    y = torch.arange(60) % 10
    recipe = Recipe(optimizer="adam", lr=1.2e-3, steps=3, batch_size=10, val_size=20)
    arrays = Arrays(x, y, x[:10], y[:10], classes=10)
    return make_bench(LeNet300100(), recipe, arrays=arrays), arrays
