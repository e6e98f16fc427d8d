"""A plan up to a maximum of seeds, and what its experiments come to, without training any."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lth_bench.lottery.experiment import Experiment
from lth_bench.running.plan import Plan, Planned
from lth_bench.running.until_decided.seeds import DueSeeds
from lth_bench.suite.decide import Decide

BLANK = Experiment(
    experiment_id="", config_id="", suite="s", label="", strategy="", params={}, model={},
    model_label="mlp", dataset={}, dataset_label="digits", recipe_name="short", recipe={}, seed=0,
    densities=(), controls=(), iterative=False, source_hash="", plugin_version="",
)  # fmt: skip


class Pretended:
    """`labels` by their experiments' densities; `base` is what they are compared with."""

    def __init__(self, labels: dict[str, list[tuple[float, ...]]], most: int = 10, **suite: Any):
        self.rule = Decide(max_seeds=most)
        made: Any = SimpleNamespace(decide=self.rule, baseline="dense", name="s", **suite)
        self.experiments = tuple(
            Planned(experiment=self.named(label, seed, group), fits=(10,) * len(group), bytes=1)
            for label, groups in {"dense": [(1.0,)], **labels}.items()
            for group in groups
            for seed in range(most)
        )
        self.plan = Plan(suite=made, experiments=self.experiments, dense_runs={}, dense_bytes=0)
        self.due = DueSeeds(self.plan)
        self.ended: list[str] = []

    @staticmethod
    def named(label: str, seed: int, group: tuple[float, ...]) -> Experiment:
        name = f"{label} {seed} {'/'.join(map(str, group))}"
        use = "dense" if label == "dense" else "imp"
        return dataclasses.replace(
            BLANK, experiment_id=name, label=label, strategy=use, seed=seed, densities=group
        )

    def end(self, item: Planned, value: float | str) -> list[str]:
        """An experiment ends with these values, or so; what is due because of it."""
        e, found = item.experiment, []
        status = value if isinstance(value, str) else "ok"
        for density in e.densities if status == "ok" else ():
            ticket = {"record": "ticket", "experiment_id": e.experiment_id, "status": "ok",
                      "reported": True, "control": "none", "target_density": density,
                      "score": value, "test_examples": 1000}  # fmt: skip
            found += self.due.take(ticket)
        self.ended.append(e.experiment_id)
        record = {"record": "experiment", "experiment_id": e.experiment_id, "status": status}
        return names([*found, *self.due.take(record)])


def names(items: Any) -> list[str]:
    return [item.experiment.experiment_id for item in items]


@pytest.fixture
def pretended() -> Any:
    return Pretended


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite that trains for seconds, and is decided in a few seeds."""
    file = tmp_path_factory.mktemp("tiny") / "tiny.toml"
    file.write_text(
        """
        schema_version = 1
        [suite]
        name = "tiny"
        seeds = 2
        densities = [0.1]
        decide = { max_seeds = 8 }
        [[tasks]]
        model = { name = "mlp", hidden = [16] }
        dataset = "digits"
        recipe = "short"
        [recipes.short]
        optimizer = "adam"
        lr = 3e-3
        batch_size = 60
        steps = 40
        val_size = 97
        eval_every = 40
        [[strategies]]
        use = "one_shot"
        [[strategies]]
        use = "random"
        """,
        encoding="utf-8",
    )
    return file
