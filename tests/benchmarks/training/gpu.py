"""All measurements of training on one GPU, in at most ten minutes, whatever fails.

    PYTHONPATH=harness:tests/benchmarks python -m training.gpu --output gpu.json

A machine with PyTorch and numpy will do. This process uses no GPU and does not import torch: it
starts one process after the other, each of which does a few steps, kills what is late, writes
everything after every step, and ends in time. `--plan FILE` takes what `lth-bench plan cifar_conv
--json --no-estimate` printed, and adds how long that suite takes at the speeds that were measured.
MNIST is read from `LTH_BENCH_DATA` where that is set; times are the same on made images.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from lth_bench.maintenance.selftest.supervised import StepResult, run
from training import table
from training.gpu_rows import rows
from training.gpu_steps import SIDE_BY_SIDE, SUITE, groups

DENSE_STEPS = {"conv2": 20_000, "conv4": 25_000, "conv6": 30_000}
"""Of a dense training of `cifar_conv`."""


def main() -> int:
    """Measure, print and write. 0 where every step has a result."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    asked.add_argument("--output", type=Path, default=Path("bench_training_gpu.json"))
    asked.add_argument("--plan", type=Path, help="of cifar_conv, as JSON")
    asked.add_argument("--device", default="cuda:0", help="cpu tries the script where no GPU is")
    asked.add_argument("--nets", nargs="*", default=[*SIDE_BY_SIDE, *SUITE])
    asked.add_argument("--seconds", type=float, default=1.0, help="of a measurement")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--minutes", type=float, default=9.5, help="everything ends then")
    asked.add_argument("--child", default="training.gpu_child", help="the module that measures")
    asked.add_argument("--only", nargs="*", help="names of groups: smoke, resnet20, …")
    given = asked.parse_args()
    report = Report(given.output)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupted)
    command = [sys.executable, "-m", given.child]
    until = time.monotonic() + 60 * given.minutes
    try:
        for group in groups(given.device, given.nets, given.seconds, given.rounds):
            if not given.only or group.name in given.only:
                run(command, group.steps, report.hear, until)
    except KeyboardInterrupt:
        report.document["interrupted"] = True
    report.end(given.plan)
    return 0 if report.complete else 1


def _interrupted(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


class Report:
    """The file with the results, written anew after every step."""

    def __init__(self, output: Path) -> None:
        self.output, self.began = output, time.monotonic()
        made = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self.document: dict[str, Any] = {"made": made, "results": [], "steps": []}

    @property
    def complete(self) -> bool:
        """Whether nothing failed or was left out."""
        bad = any(r["status"] != "ok" for r in self.document["results"])
        return not bad and "interrupted" not in self.document

    def hear(self, result: StepResult) -> None:
        """One more step is over."""
        self.document["results"].append(result.as_dict())
        self.document["steps"] = rows(self.document["results"])
        self.say(f"{result.name}: {_short(result)}")
        self.write()

    def end(self, plan: Path | None) -> None:
        """The table; and the hours of a suite, where its plan is given."""
        if plan is not None:
            try:
                found = suite_hours(json.loads(plan.read_text()), self.document["steps"])
            except (OSError, ValueError, KeyError) as error:
                found = {"failed": f"{type(error).__name__}: {error}"}
            self.document["cifar_conv"] = found
        self.document["seconds"] = time.monotonic() - self.began
        self.write()
        lines = [table.cells(row) for row in self.document["steps"]]
        if lines:
            print("\n" + table.aligned(table.HEADINGS, lines))
        bad = [r for r in self.document["results"] if r["status"] != "ok"]
        for result in bad:
            self.say(f"{result['status']}: {result['name']}: {_first(result['error'])}")
        self.say(f"{self.output}")

    def write(self) -> None:
        """A disk that is full costs the file, not the measurements on the terminal."""
        try:
            table.write(self.output, self.document, allow_nan=True)
        except OSError as error:
            self.say(f"{self.output} cannot be written: {error}")

    def say(self, line: str) -> None:
        """On the terminal, with the time since the start."""
        print(f"[{time.monotonic() - self.began:5.0f} s] {line}", flush=True)


def _short(result: StepResult) -> str:
    if result.status != "ok":
        return f"{result.status}: {_first(result.error)}"
    return json.dumps(result.value)[:300]


def _first(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


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
            count = row["experiments"] * DENSE_STEPS[row["model"]]
        steps[row["model"]] = steps.get(row["model"], 0) + count
    for model, count in steps.items():
        rates: dict[str, float] = {}
        for row in rows:
            if row["net"] == f"{model}_60" and row["loop"] == "ours":
                width, rate = str(row["width"]), row["model_steps_per_second"]
                rates[width] = max(rate, rates.get(width, 0.0))
        if "auto" not in rates:
            return None
        hours[model] = {width: count / rate / 3600 for width, rate in rates.items()}
    return {
        "steps": steps,
        "hours": hours,
        "hours_at_auto_width": sum(found["auto"] for found in hours.values()),
    }


if __name__ == "__main__":
    sys.exit(main())
