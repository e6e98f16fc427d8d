"""A whole ladder as whole processes: the conventional loop's, and `lth-bench run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from training.crew import THREADS

SEEDS, ROUNDS, EPOCHS, RATE = 5, 10, 2, 0.2
VAL_SIZE, BATCH = 5000, 128
STEPS = EPOCHS * ((60_000 - VAL_SIZE) // BATCH)
"""Of one training."""
TRAININGS = SEEDS * (ROUNDS + 1)

SUITE = f"""
schema_version = 1

[suite]
name = "ladder"
densities = {{ rate = {RATE}, rounds = {ROUNDS} }}
seeds = {SEEDS}

[[tasks]]
model = "lenet_300_100"
dataset = "mnist"
recipe = "short"

[recipes.short]
optimizer = "adam"
lr = 1.2e-3
batch_size = {BATCH}
epochs = {EPOCHS}
val_size = {VAL_SIZE}
eval_every = {STEPS // EPOCHS}

[[strategies]]
use = "imp"
params = {{ prune_rate = {RATE}, scope = "global" }}
"""
"""The conventional ladder's network, data, steps, batch, rate and rounds."""


def ours(folder: Path, times: int = 1) -> dict[str, Any]:
    """`lth-bench run` on a fresh results file, `times` over: wall-clock seconds and accuracies."""
    suite = folder / "ladder.toml"
    suite.write_text(SUITE)
    seconds = []
    results = folder / "none"
    for number in range(times):
        results = folder / f"ours{number}" / "results.duckdb"
        command = [str(Path(sys.executable).with_name("lth-bench")), "run", str(suite)]
        seconds.append(_timed([*command, "--device", "cpu", "--results", str(results)]))
    return {
        "command": "lth-bench run ladder.toml --device cpu",
        "n": times,
        "seconds": median(seconds),
        "low": min(seconds),
        "high": max(seconds),
        "trainings": TRAININGS,
        "accuracy": _accuracies(results),
    }


def _accuracies(results: Path) -> dict[int, float]:
    """Mean test accuracy over the seeds by round; the dense run is round 0."""
    import duckdb

    with duckdb.connect(str(results), read_only=True) as con:
        rows = con.execute(
            "SELECT target_density, avg(test_accuracy), count(*) FROM tickets_flat "
            "WHERE status = 'ok' AND control = 'none' GROUP BY 1 ORDER BY 1 DESC"
        ).fetchall()
    if [n for _, _, n in rows] != [SEEDS] * (ROUNDS + 1):
        raise RuntimeError(f"the ladder is not whole: {rows}")
    return {number: accuracy for number, (_, accuracy, _) in enumerate(rows)}


def conventional(
    folder: Path, workers: int, threads: int | None, measured: int = TRAININGS
) -> dict[str, Any]:
    """The conventional ladder's process, over the first `measured` trainings and scaled to all.

    All trainings take as long: masks are multiplied whatever they hold.
    """
    output = folder / f"conventional-{workers}-{threads}.json"
    command = [sys.executable, "-m", "training.conventional_ladder", str(output)]
    command += ["--seeds", str(SEEDS), "--rounds", str(ROUNDS), "--epochs", str(EPOCHS)]
    command += ["--trainings", str(measured), "--workers", str(workers)]
    if threads is not None:
        command += ["--threads", str(threads)]
    whole = _timed(command)
    facts = json.loads(output.read_text())
    training = [one["seconds"] for one in facts["trainings"]]
    by_round: dict[int, list[float]] = {}
    for one in facts["trainings"]:
        by_round.setdefault(one["round"], []).append(one["test_accuracy"])
    steps = {one["steps"] for one in facts["trainings"]}
    if steps != {STEPS} and facts["data"] == "mnist":
        raise RuntimeError(f"both loops must train {STEPS} steps, but this one trained {steps}")
    return {
        "workers": workers,
        "threads": threads,
        "data": facts["data"],
        "transforms": facts["transforms"],
        "flags": facts["flags"],
        "trainings_measured": len(training),
        "trainings": TRAININGS,
        "scaled": len(training) < TRAININGS,
        "seconds_a_training": median(training),
        "seconds_measured": whole,
        "seconds": whole - sum(training) + sum(training) * TRAININGS / len(training),
        "images_evaluated_a_training": facts["trainings"][0]["images_evaluated"],
        "accuracy": {number: sum(x) / len(x) for number, x in by_round.items()},
    }


def compare(
    folder: Path, settings: Sequence[tuple[int, int | None]], measured: int, times: int
) -> dict[str, Any]:
    """Both, in turn. `settings` are (loader workers, threads), the default first."""
    theirs = [conventional(folder, w, t, measured) for w, t in settings]
    mine = ours(folder, times)
    best = min(one["seconds"] for one in theirs)
    return {
        "ladder": {
            "net": "lenet_300_100",
            "data": theirs[0]["data"],
            "seeds": SEEDS,
            "rounds": ROUNDS,
            "epochs": EPOCHS,
            "steps_a_training": STEPS,
            "batch": BATCH,
        },
        "conventional": theirs,
        "ours": mine,
        "times_conventional_default": theirs[0]["seconds"] / mine["seconds"],
        "times_conventional_best": best / mine["seconds"],
        "accuracy_differences": {
            number: mine["accuracy"][number] - accuracy
            for number, accuracy in theirs[0]["accuracy"].items()
        },
    }


def _timed(command: list[str]) -> float:
    """Wall-clock seconds of a process, from its start to its end, with torch's own threads."""
    environment = {k: v for k, v in os.environ.items() if k not in THREADS}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
