"""Journal records as a run writes them, from a seeded generator: no training needed.

Test files load it by its path, since tests are no package: `runpy.run_path(...)`.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store.journal import Journal, encode
from lth_bench.store.paths import Paths

LAYERS = (("conv1", "conv", 432), ("fc1", "linear", 8192), ("fc2", "output", 640))
TOTAL = sum(total for _, _, total in LAYERS)
LOSS = {
    "dense": 0.0, "imp": 0.02, "late_rewind": 0.015, "one_shot": 0.05, "early_bird": 0.06,
    "snip": 0.07, "imp-tuned": 0.005, "rigl": 0.03, "random": 0.15,
}  # fmt: skip
"""Accuracy a strategy loses from dense to empty."""

DENSE_FLOPS = 1e9

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
"""When the first record was written."""


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
    tuned: dict[str, str] = field(default_factory=dict)
    """Label → the strategy's own label, of those whose parameters a search found."""
    test_examples: int | None = None
    """Size of the test split, as records say it since it is recorded."""
    judged: dict[str, tuple[str, str, bool]] = field(default_factory=dict)
    """Dataset → primary metric, its unit and whether higher is better, of those not judged by
    accuracy. Values are the accuracy's, or where lower is better 100 times the error's."""
    weights: bool = False
    """Whether reported tickets have histograms of their weights, counts of their units and answers
    on 60 test examples, and Early-Bird its matrix."""
    baseline: str = "dense"
    boundaries: bool = False
    """Whether reported tickets have decision boundaries and the distance of their hulls."""

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
            "baseline": self.baseline,
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
                        "strategy": self.tuned.get(label, label),
                        "label": label,
                        **self.origin(label, (model, dataset, recipe)),
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
                        **self.metric(dataset),
                    })  # fmt: skip
        return found

    def metric(self, dataset: str) -> dict[str, Any]:
        if dataset not in self.judged:
            return {}
        return dict(
            zip(("metric", "metric_unit", "higher_is_better"), self.judged[dataset], strict=True)
        )

    def scored(self, dataset: str, record: dict[str, Any]) -> dict[str, Any]:
        """The record of a ticket by the metric of its dataset."""
        if dataset not in self.judged:
            return record
        name, _, higher = self.judged[dataset]

        def value(accuracy: float) -> float:
            return accuracy if higher else 100 * (1 - accuracy)

        metrics = {
            key.replace("accuracy", name): value(x) if key.endswith("accuracy") else x
            for key, x in record["metrics"].items()
        }
        curve = [[*row[:3], None, value(row[3])] for row in record["curve"]]
        score = {"score": metrics.get(f"test_{name}")} if record["reported"] else {}
        return {**record, "metrics": metrics, "curve": curve, **score}

    def origin(self, label: str, task: tuple[str, str, str]) -> dict[str, Any]:
        if label not in self.tuned:
            return {}
        search = Search(suite=self.suite, label=self.tuned[label], task=task)
        return {
            "tuned_from": {"study": search.study_id, "trial": search.best, "steps": search.steps}
        }

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
            "fingerprint": digest("data"),
            "numerics": {"torch": "2.15.0", "engine": 2, "device": "cpu"},
        }

    def ticket(
        self, experiment: dict[str, Any], target: float, round_: int, control: str,
        reported: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        label, seed = experiment["label"], experiment["seed"]
        ticket_id = digest(experiment["experiment_id"], round_, control)
        chance = random.Random(ticket_id)
        density = target if reported else (1 + target) / 2
        spoilt = {"none": 0.0, "reinit": 0.05, "shuffle": 0.03, "reorder": 0.0}[control]
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
        if self.weights and reported and control == "none" and label != "dense":
            metrics |= {
                "survivors_grew": 0.8,
                "pruned_accuracy": accuracy - 0.05,
                "pruned_grew": 0.4,
                "moved_ratio": 1.5 + seed / 10,
            }
        if control == "reorder":
            metrics |= {
                "barrier_test_error": 0.01 + 0.02 * (1 - target) + chance.gauss(0, 0.001),
                "barrier_train_loss": 0.5 + chance.gauss(0, 0.1), "copies_distance": 4.0,
            }  # fmt: skip
        right = "".join(str(int(chance.random() < accuracy)) for _ in range(60))
        record = {
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
            "fingerprint": digest("data"),
            **({} if self.test_examples is None else {"test_examples": self.test_examples}),
            "status": "ok",
            "reason": None,
            "metrics": metrics,
            **({"right": {"test_accuracy": packed(right)}} if self.weights and reported else {}),
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
                "bit_operations": DENSE_FLOPS * density / 2 * 1024,
                "search_bit_operations": DENSE_FLOPS * search / 1000 * 0.7 / 2 * 64,
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
            "fates": (
                fates(density, seed)
                if self.weights and reported and control == "none" and label != "dense"
                else []
            ),
            "units": (
                units(density, seed)
                if self.weights and control == "none" and label != "dense"
                else []
            ),
            "matrices": (
                [mask_distances(seed)]
                if self.weights and label == "early_bird" and control == "none"
                else []
            ),
        }  # fmt: skip
        if self.boundaries and reported:
            record["outlines"] = outlines(seed, density, dense=label == "dense")
            record["metrics"]["hull_distance"] = 0.1 + 0.3 * (1 - density) * chance.random()
        return self.scored(experiment["dataset"], record)


def packed(answers: str) -> str:
    """`1101` as the journal has it."""
    whole = answers.ljust(-(-len(answers) // 8) * 8, "0")
    return base64.b64encode(int(whole, 2).to_bytes(len(whole) // 8, "big")).decode()


def outlines(seed: int, density: float, *, dense: bool) -> list[dict[str, Any]]:
    """A square turned by seed and density, halved by two boundaries; a dense run's second network
    and examples.
    """
    turn = seed + density
    corners = [
        (math.cos(turn + k * math.pi / 2), math.sin(turn + k * math.pi / 2)) for k in range(4)
    ]
    parts = {
        "boundary": [(-2.0, density), (2.0, density), (None, None), (density, -2.0), (density, 2)],
        "zonotope_0": corners[::2], "zonotope_1": corners[1::2], "hull": corners,
    }  # fmt: skip
    if dense:
        parts |= {f"other_{name}": points[::-1] for name, points in parts.items()}
        parts["other_hull"] = corners
        parts |= {"class_0": [(-1.0, -1.0)], "class_1": [(1.0, 1.0), (1.5, 1.0)]}
    return [
        {"name": name, "x": [x for x, _ in points], "y": [y for _, y in points]}
        for name, points in parts.items()
    ]


@dataclass
class UntilDecided(Scenario):
    """Seeds that were added until decided."""

    strategies: Sequence[str] = ("dense", "imp")
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    stopped: dict[str, tuple[int, int, str | None]] = field(
        default_factory=lambda: {"imp": (3, 3, "decided")}
    )
    """Label → the seeds that it has, the pairs at its looks, one at each density, and why it needs
    no more; the others have all seeds and no look."""
    without: tuple[str, int] = ("", 0)
    """A label and seed that were not run."""
    adaptive: bool = True
    """Whether the run says that it adds seeds."""

    def run(self) -> dict[str, Any]:
        rule = {"decide": {"margin": None, "max_seeds": 8}} if self.adaptive else {}
        return {**super().run(), **rule}

    def experiments(self) -> list[dict[str, Any]]:
        return [
            e for e in super().experiments()
            if e["seed"] < self.stopped.get(e["label"], (99, 0, None))[0]
            and (e["label"], e["seed"]) != self.without
        ]  # fmt: skip

    def records(self) -> Iterator[dict[str, Any]]:
        yield from super().records()
        for label, (_, n, stop) in self.stopped.items():
            one = next(e for e in self.experiments() if e["label"] == label)
            for density in self.densities:
                yield {
                    "record": "look", "run_id": self.run_id, "target_density": density,
                    **{k: one[k] for k in ("suite", "model", "dataset", "recipe", "label")},
                    "look": {
                        "n": n, "verdict": "open", "stop": stop, "difference": 0.0,
                        "deviation": 0.1, "p": 1.0, "p_equivalent": 0.5, "margin": 0.005,
                        "max_seeds": 8, "baseline": self.baseline, "metric": "test_accuracy",
                        **{f"source_{k}": one[k] for k in ("model", "dataset", "recipe")},
                    },
                }  # fmt: skip


@dataclass
class Search:
    """A study of tuning, with the experiments of its trials."""

    suite: str = "quickstart"
    label: str = "imp"
    task: tuple[str, str, str] = ("mlp", "digits", "mlp")
    trials: int = 12
    objectives: Sequence[str] = ("accuracy",)
    seeds: Sequence[int] = (100, 101)
    density: float = 0.2
    run_id: str = "tune-1"
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By number: what is otherwise in that trial's record."""

    @property
    def study(self) -> str:
        return "/".join((self.suite, *self.task, self.label))

    @property
    def study_id(self) -> str:
        return digest(self.study, *self.objectives)

    @property
    def steps(self) -> int:
        return sum(self.trial(number)["steps"] for number in range(self.trials))

    @property
    def best(self) -> int:
        """The first of the highest first values."""
        whole = [t for t in map(self.trial, range(self.trials)) if t["state"] == "complete"]
        return int(max(whole, key=lambda t: (t["values"][0], -t["number"]))["number"])

    def records(self) -> Iterator[dict[str, Any]]:
        """planned, then each trial's tickets, ends and record."""
        experiments = {n: self.experiments(n) for n in range(self.trials)}
        everything = [e for found in experiments.values() for e in found]
        yield {"record": "planned", "run_id": self.run_id, "experiments": everything}
        for number, found in experiments.items():
            trial = self.trial(number)
            for experiment in found:
                yield {
                    "record": "ticket", "run_id": self.run_id,
                    "experiment_id": experiment["experiment_id"],
                    "ticket_id": digest(experiment["experiment_id"], "ticket"), "round": 1,
                    "control": "none", "reported": True, "target_density": self.density,
                    "density": self.density, "status": "ok", "reason": None,
                    "metrics": {"val_accuracy": 0.9, "early_stop_step": 300}, "layers": [],
                    "cost": {"steps": 1000}, "trainings": [], "curve": [],
                }  # fmt: skip
                yield {
                    "record": "experiment", "run_id": self.run_id,
                    "experiment_id": experiment["experiment_id"], "status": "ok", "reason": None,
                    "seconds": 1.5, "worker": "cpu-0",
                }  # fmt: skip
            yield trial

    def experiments(self, number: int) -> list[dict[str, Any]]:
        names = ("model", "dataset", "recipe")
        found = self.drawn(number)["params"]
        return [
            {
                "experiment_id": digest(self.study_id, number, seed), "config_id": digest(number),
                "suite": self.suite, "strategy": self.label, "label": f"{self.label}#t{number}",
                "params": {
                    "prune_rate": {"conv": found.get("prune_rate.conv")}, "scope": "global",
                },
                **dict(zip(names, self.task, strict=True)),
                **{f"source_{k}": v for k, v in zip(names, self.task, strict=True)},
                "seed": seed, "densities": [self.density], "controls": [], "iterative": True,
                "plugin_version": "0.1.0", "source_hash": "abc", "scored_on": "validation",
                "config": {"recipe": {"lr": found.get("recipe.lr")}},
            }
            for seed in self.seeds
        ]  # fmt: skip

    def trial(self, number: int) -> dict[str, Any]:
        return {**self.drawn(number), **self.changes.get(number, {})}

    def drawn(self, number: int) -> dict[str, Any]:
        """Accuracy falls with the square of the distance from a rate of .3; every sixth but the
        first is pruned."""
        chance = random.Random(digest(self.study_id, number))
        rate = 0.9 if number == 0 else chance.uniform(0.05, 0.95)
        lr = 0.0012 if number == 0 else 10 ** chance.uniform(-4, -1)
        accuracy = 0.97 - 0.2 * (rate - 0.3) ** 2 + chance.gauss(0, 0.001)
        values = {"accuracy": accuracy, "area": accuracy, "density": 1 - rate, "cost": rate}
        pruned = number % 6 == 5 and len(self.objectives) == 1
        model, dataset, recipe = self.task
        return {
            "record": "trial", "run_id": self.run_id, "study_id": self.study_id,
            "study": self.study, "suite": self.suite, "label": self.label,
            "strategy": self.label, "model": model, "dataset": dataset, "recipe": recipe,
            "number": number, "state": "pruned" if pruned else "complete",
            "origin": "sampler" if number else "default",
            "params": {
                "prune_rate.conv": rate, "recipe.lr": lr,
                "scope": chance.choice(["layer", "global"]),
            },
            "distributions": {
                "prune_rate.conv": uniform(0.0, 1.0), "recipe.lr": uniform(1e-4, 0.1, log=True),
                "scope": json.dumps({
                    "name": "CategoricalDistribution",
                    "attributes": {"choices": ["layer", "global"]},
                }),
            },
            "objectives": list(self.objectives),
            "directions": [
                "minimize" if o in ("density", "cost") else "maximize" for o in self.objectives
            ],
            "values": [] if pruned else [values[o] for o in self.objectives],
            "intermediate": [[0, accuracy - 0.01]] if len(self.objectives) == 1 else [],
            "densities": [self.density], "seeds": list(self.seeds),
            "steps": 1000 if pruned else 4000, "seconds": 1.5,
            "experiment_ids": [digest(self.study_id, number, seed) for seed in self.seeds],
            "budget": {"trials": self.trials}, "sampler": "tpe", "pruner": "none",
            "source_hash": "abc",
        }  # fmt: skip


def uniform(low: float, high: float, log: bool = False) -> str:
    """A distribution as Optuna writes it."""
    attributes = {"step": None, "low": low, "high": high, "log": log}
    return json.dumps({"name": "FloatDistribution", "attributes": attributes})


def training(reused: bool) -> dict[str, Any]:
    return {
        "start": 0, "end": 1000, "steps": 1000, "flops_dense": DENSE_FLOPS,
        "flops_masked_theoretical": DENSE_FLOPS / 2, "seconds": 1.5, "device": "cpu",
        "cohort_size": 1, "variant": "plain", "device_name": "AMD X", "peak_memory": 5000,
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


def fates(density: float, seed: int) -> list[dict[str, Any]]:
    """Of the first layer: what is kept began outside of the second bin and moved a bin away from
    zero, what is pruned began within it and stayed; bins are twice as wide in odd seeds.
    """
    found = []
    for fate, at, moved in (("kept", 2, 1), ("pruned", 0, 0)):
        count = round((density if fate == "kept" else 1 - density) * 432)
        places = [(16 + at, 16 + at + moved), (15 - at, 15 - at - moved)]
        found.append({
            "layer": "conv1", "fate": fate, "weights": 2 * (count // 2), "same_sign": count // 2,
            "grew": count // 3, "moved": 0.1 * (1 + moved), "initial": 0.5 * (1 + at),
            "reach": 0.5 * (1 + seed % 2), "cells": [32 * i + j for i, j in places],
            "counts": [count // 2] * 2,
        })  # fmt: skip
    return found


def units(density: float, seed: int) -> list[dict[str, Any]]:
    """Of the first layer, 16 channels of 3 × 3 × 3: the middle of the kernel keeps what its left
    column loses; every second channel keeps less, in odd seeds the first one.
    """
    one = round(48 * density)
    places = [one - 2 * (i % 3 == 0) + 6 * (i == 4) for i in range(9)]
    channels = [round(27 * density) + (4 if (i + seed) % 2 else -4) for i in range(16)]
    return [
        {"layer": "conv1", "side": "in", "shape": [], "kept": [round(144 * density)] * 3},
        {"layer": "conv1", "side": "out", "shape": [], "kept": channels},
        {"layer": "conv1", "side": "kernel", "shape": [1, 3, 3], "kept": places},
    ]


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


def write(results: Path, *scenarios: Scenario | Search, minute: int = 0) -> Paths:
    """Journals of scenarios in turn, as one after another was run from that minute on, a second for
    each record that does not state its own time.

    The same scenarios give the same bytes, so that what they were folded into serves again
    (`copied_databases.py`). Without the flush to the disk of each record, which takes most of the
    time of small tests.
    """
    paths = Paths(results)
    with Journal(paths), paths.journal.open("r+b") as file:
        second = len(file.readlines())
        for record in itertools.chain.from_iterable(s.records() for s in scenarios):
            at = BEGUN + timedelta(minutes=minute, seconds=second)
            file.write(encode({"at": at.isoformat(timespec="milliseconds"), **record}))
            second += 1
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
