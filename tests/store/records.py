"""Journal records as a run writes them, from a seeded generator: no training needed.

Test files load it by its path, since tests are no package: `runpy.run_path(...)`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store.journal import Journal, encode
from lth_bench.store.paths import Paths

LAYERS = (("conv1", "conv", 432), ("fc1", "linear", 8192), ("fc2", "output", 640))
TOTAL = sum(total for _, _, total in LAYERS)
LOSS = {
    "dense": 0.0, "imp": 0.02, "late_rewind": 0.015, "one_shot": 0.05, "early_bird": 0.06,
    "snip": 0.07, "rigl": 0.03, "random": 0.15,
}  # fmt: skip
"""Accuracy a strategy loses from dense to empty."""

DENSE_FLOPS = 1e9


@dataclass
class Scenario:
    """A small suite, and what becomes of it."""

    suite: str = "quickstart"
    tasks: Sequence[tuple[str, str, str]] = (("mlp", "digits", "mlp"),)
    strategies: Sequence[str] = ("dense", "imp", "one_shot", "snip")
    seeds: Sequence[int] = (0, 1, 2)
    densities: Sequence[float] = (0.5, 0.2)
    controls: Sequence[str] = ()
    run_id: str = "run-1"
    config: str = ""
    """Part of every config_id: another value is another configuration."""
    source_hash: str = "abc"
    outcomes: dict[tuple[str, int], tuple[str, str]] = field(default_factory=dict)
    """(label, seed) → (status, reason) of experiments that end otherwise than ok."""
    curve_points: int = 3
    toml: str = ""
    """The suite as it was run, where more of it is needed than its name."""
    weights: bool = False
    """Whether reported tickets have histograms of their weights, and Early-Bird its matrix."""

    def records(self) -> Iterator[dict[str, Any]]:
        """run, planned, then each experiment's tickets and end."""
        yield self.run()
        yield self.planned()
        for experiment in self.experiments():
            yield from self.results(experiment)

    def run(self) -> dict[str, Any]:
        return {
            "record": "run",
            "run_id": self.run_id,
            "suite": self.suite,
            "suite_version": 1,
            "suite_toml": self.toml or f'[suite]\nname = "{self.suite}"\n',
            "command": f"lth-bench run {self.suite} --seeds 3",
            "environment": {
                "device": "cpu", "host": "lab", "python": "3.11.7", "torch": "2.15.0",
                "threads": 1,
            },
            "plugins": [
                {"name": name, "group": "strategies", "origin": "lth-bench", "version": "0.1.0",
                 "source_hash": self.source_hash} for name in self.strategies
            ],
        }  # fmt: skip

    def planned(self) -> dict[str, Any]:
        return {"record": "planned", "run_id": self.run_id, "experiments": self.experiments()}

    def experiments(self) -> list[dict[str, Any]]:
        found = []
        for model, dataset, recipe in self.tasks:
            for label in self.strategies:
                config_id = digest(model, dataset, recipe, label, self.config)
                for seed in self.seeds:
                    dense = label == "dense"
                    task = {"model": model, "dataset": dataset, "recipe": recipe}
                    found.append({
                        "experiment_id": digest(config_id, seed, self.source_hash),
                        "config_id": config_id,
                        "suite": self.suite,
                        "strategy": label,
                        "label": label,
                        "params": {} if dense else {"prune_rate": {"conv": 0.1}},
                        **task,
                        **{f"source_{key}": value for key, value in task.items()},
                        "seed": seed,
                        "densities": [1.0] if dense else list(self.densities),
                        "controls": [] if dense else list(self.controls),
                        "iterative": label in ("imp", "late_rewind"),
                        "plugin_version": "0.1.0",
                        "source_hash": self.source_hash,
                        "config": {"lr": 0.1},
                    })  # fmt: skip
        return found

    def results(self, experiment: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Its tickets, intermediate round included, and its end."""
        label, seed = experiment["label"], experiment["seed"]
        status, reason = self.outcomes.get((label, seed), ("ok", None))
        if status == "ok":
            if experiment["iterative"]:
                yield self.ticket(experiment, max(self.densities), 1, "none", reported=False)
            for round_, density in enumerate(experiment["densities"], 2):
                for control in ("none", *experiment["controls"]):
                    yield self.ticket(experiment, density, round_, control)
        yield {
            "record": "experiment",
            "run_id": self.run_id,
            "experiment_id": experiment["experiment_id"],
            "status": status,
            "reason": reason,
            "seconds": 12.5,
            "worker": "cpu-0",
        }

    def ticket(
        self, experiment: dict[str, Any], target: float, round_: int, control: str,
        reported: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        label, seed = experiment["label"], experiment["seed"]
        ticket_id = digest(experiment["experiment_id"], round_, control)
        chance = random.Random(ticket_id)
        density = target if reported else (1 + target) / 2
        spoilt = {"none": 0.0, "reinit": 0.05, "shuffle": 0.03}[control]
        accuracy = (
            0.97 - LOSS.get(label, 0.1) * (1 - target) ** 2 - spoilt * (1 - target)
            + 0.002 * seed + chance.gauss(0, 0.002)
        )  # fmt: skip
        stop = int(600 * (1 + 2 * spoilt) * (0.6 + 0.4 * target)) // 20 * 20
        search = (
            0
            if control != "none"
            else {"dense": 0, "snip": 1, "random": 0, "rigl": 0}.get(label, 1000 * round_)
        )
        metrics: dict[str, float | None] = {
            "val_accuracy": accuracy - 0.01, "train_accuracy": min(1.0, accuracy + 0.02),
            "early_stop_step": stop,
        }  # fmt: skip
        if reported:
            metrics |= {
                "test_accuracy": accuracy, "test_loss": 1 - accuracy,
                "early_stop_accuracy": accuracy - 0.003,
            }  # fmt: skip
        return {
            "record": "ticket",
            "run_id": self.run_id,
            "experiment_id": experiment["experiment_id"],
            "ticket_id": ticket_id,
            "round": round_,
            "control": control,
            "reported": reported,
            "target_density": target,
            "density": density,
            "effective_density": density * 0.98,
            "unit_density": density if label == "early_bird" else None,
            "rewind_step": 100 if label == "late_rewind" else 0,
            "status": "ok",
            "reason": None,
            "metrics": metrics,
            "layers": [
                {"layer": name, "kind": kind, "total": total, "kept": round(density * total)}
                for name, kind, total in LAYERS
            ],
            "cost": {
                "steps": 1000, "examples": 60_000, "flops_dense": DENSE_FLOPS,
                "flops_masked_theoretical": DENSE_FLOPS * density, "seconds": 1.5,
                "search_steps": search, "search_examples": 60 * search,
                "search_flops_dense": DENSE_FLOPS * search / 1000,
                "search_flops_masked_theoretical": DENSE_FLOPS * search / 1000 * 0.7,
                "search_seconds": 1.5 * search / 1000,
                "spent_steps": 1000, "spent_seconds": 1.5,
            },
            "trainings": [
                {"key": digest("dense", seed, experiment["model"]), "role": "search",
                 **training(reused=label != "dense")},
                {"key": digest(ticket_id, "train"), "role": "train", **training(reused=False)},
            ],
            "curve": [
                [20 * i, 2.0 / (i + 1), 2.1 / (i + 1), accuracy - 0.3 / (i + 1)]
                for i in range(self.curve_points)
            ],
            "weights": histograms(density, seed) if self.weights and reported else [],
            "matrices": (
                [mask_distances(seed)]
                if self.weights and label == "early_bird" and control == "none"
                else []
            ),
        }  # fmt: skip


def training(reused: bool) -> dict[str, Any]:
    return {
        "start": 0, "end": 1000, "steps": 1000, "flops_dense": DENSE_FLOPS,
        "flops_masked_theoretical": DENSE_FLOPS / 2, "seconds": 1.5, "device": "cpu", "width": 1,
        "reused": reused,
    }  # fmt: skip


def histograms(density: float, seed: int) -> list[dict[str, Any]]:
    """All survivors between a half and three quarters of the reach, on both sides of 0.

    They double by training, and lie twice as far out in odd seeds.
    """
    found = []
    for name, _, total in LAYERS:
        kept = round(density * total)
        for moment, reach in (("start", 0.5), ("end", 1.0)):
            counts = [0] * 64
            for i in range(kept):
                counts[(8 + i // 2 % 8) if i % 2 else (63 - 8 - i // 2 % 8)] += 1
            found.append({
                "layer": name, "moment": moment, "reach": reach * (1 + seed % 2), "counts": counts,
            })  # fmt: skip
    return found


def mask_distances(seed: int, n: int = 4) -> dict[str, Any]:
    """Masks that differ by less the later they are: |1/(i+1) − 1/(j+1)|, half of it in seed 1."""
    at = [1 / (i + 1) / (1 + seed) for i in range(n)]
    return {
        "name": "mask_distance",
        "steps": [30 * (i + 1) for i in range(n)],
        "values": [[abs(a - b) for b in at] for a in at],
    }


def digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


def write(results: Path, *scenarios: Scenario) -> Paths:
    """Journals of scenarios in turn, as one after another was run.

    Without the flush to the disk of each record, which takes most of the time of small tests.
    """
    paths = Paths(results)
    with Journal(paths), paths.journal.open("ab") as file:
        for scenario in scenarios:
            file.writelines(map(encode, scenario.records()))
    return paths


def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    """The command line in this process: exit code, stdout, stderr."""
    from lth_bench.cli import main

    monkeypatch.setattr("sys.argv", ["lth-bench", *map(str, arguments)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err
