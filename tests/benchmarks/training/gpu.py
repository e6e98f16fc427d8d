"""All measurements of training on one GPU, in one process tree and at most ten minutes.

    PYTHONPATH=harness:tests/benchmarks python -m training.gpu --output gpu.json

Imports torch and this package's training engine alone. `--plan FILE` takes what `lth-bench plan
cifar_conv --json --no-estimate` printed, and adds how long that suite takes at the speeds that
were measured, evaluations on the validation split included. MNIST is read from `LTH_BENCH_DATA`
where that is set; the times are the same on made images of its shape.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# before CUDA starts; cuBLAS is deterministic with it
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

from training import table, tasks
from training.ceilings import ceilings
from training.machine import machine
from training.nets import NETS, SIDE_BY_SIDE
from training.steps import Plan, crews, measure

WIDTHS: dict[str, tuple[int, ...]] = {
    "lenet_300_100": (16, 64),
    "conv2": (8,),
    "resnet20": (8, 32),
    "resnet18": (2, 8),
}
"""Widths measured beside 1 and the engine's own choice."""

SUITE = ("conv2_60", "conv4_60", "conv6_60")


def main() -> None:
    """Measure, print and write. What fails is told and left out."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--output", type=Path, default=Path("bench_training_gpu.json"))
    asked.add_argument("--plan", type=Path, help="of cifar_conv, as JSON")
    asked.add_argument("--device", default="cuda:0", help="cpu tries the script where no GPU is")
    asked.add_argument("--nets", nargs="*", default=[*SIDE_BY_SIDE, *SUITE])
    asked.add_argument("--seconds", type=float, default=1.0, help="of a measurement")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--minutes", type=float, default=9.0, help="no network begins later")
    given = asked.parse_args()
    began = time.perf_counter()
    results: dict[str, Any] = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **machine(given.device),
        "steps": [], "raced": {}, "failed": {}, "left_out": [],
    }  # fmt: skip

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - began:5.0f} s] {line}", flush=True)

    theirs, mine = crews(given.device)
    with theirs, mine:
        results["flags"] = {
            "conventional": theirs.run(tasks.described)[0], "ours": mine.run(tasks.described)[0],
        }  # fmt: skip
        results["ceilings"] = mine.run(ceilings, given.device)[0]
        say(f"ceilings: {results['ceilings']}")
        for net in given.nets:
            if time.perf_counter() - began > 60 * given.minutes:
                results["left_out"].append(net)
                continue
            widths = WIDTHS.get(net, ())
            plan = Plan(
                net, given.device, ("auto", *widths), widths, given.rounds, given.seconds,
                conventional=net in SIDE_BY_SIDE,
            )  # fmt: skip
            try:
                rows = measure(plan, theirs, mine, say)
                results["raced"][net] = mine.run(tasks.raced, net, given.device)[0]
            except Exception as error:  # the other networks are measured all the same
                traceback.print_exc()
                results["failed"][net] = f"{type(error).__name__}: {error}"
                continue
            results["steps"] += rows
            say("\n" + table.text(table.HEADINGS, [table.cells(row) for row in rows]))
            table.write(given.output, results)
    if given.plan is not None:
        results["cifar_conv"] = suite_hours(json.loads(given.plan.read_text()), results["steps"])
        say(f"cifar_conv: {results['cifar_conv']}")
    results["seconds"] = time.perf_counter() - began
    table.write(given.output, results)
    print("\n" + table.text(table.HEADINGS, [table.cells(row) for row in results["steps"]]))
    if results["failed"] or results["left_out"]:
        print(f"failed: {results['failed']}; left out for time: {results['left_out']}")


def suite_hours(plan: Mapping[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Hours of a plan's training steps at the speeds of the `…_60` networks, cohorts full.

    Without what lies between trainings: selecting masks, scoring tickets, writing files. None
    where one of its networks was not measured.
    """
    hours = {}
    steps: dict[str, int] = {}
    for row in plan["rows"]:
        count = row["steps"]
        if row["strategy"] == "dense":  # shared by all strategies, and in no row's steps
            count = row["experiments"] * NETS[f"{row['model']}_60"].recipe.steps
        steps[row["model"]] = steps.get(row["model"], 0) + count
    for model, count in steps.items():
        rates = {
            str(row["width"]): row["model_steps_per_second"]
            for row in rows
            if row["net"] == f"{model}_60" and row["loop"] == "ours"
        }
        if "auto" not in rates:
            return None
        hours[model] = {width: count / rate / 3600 for width, rate in rates.items()}
    return {
        "steps": steps,
        "hours": hours,
        "hours_at_auto_width": sum(found["auto"] for found in hours.values()),
    }


if __name__ == "__main__":
    main()
