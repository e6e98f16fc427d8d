"""How long the report of 2,000 experiments takes, and how large it is.

`make bench ARGS="-k report"`. Prints numbers; the size is asserted, times are not.
"""

from __future__ import annotations

import json
import os
import platform
import runpy
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from lth_bench.store import fold

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
LTH_BENCH = str(Path(sys.executable).with_name("lth-bench"))

LABELS = ("dense", "imp", "late_rewind", "one_shot", "early_bird", "snip", "rigl", "random")
CASES = {
    "deep": dict(  # few tasks, many seeds, densities and controls: 37,000 tickets
        tasks=[("conv2", "cifar10", "paper"), ("conv4", "cifar10", "paper")],
        seeds=range(125), densities=[0.8**i for i in range(1, 8)], controls=("reinit", "shuffle"),
        curve_points=100,
    ),
    "wide": dict(  # many tasks, few seeds
        tasks=[(f"model{i}", "cifar10", "paper") for i in range(50)],
        seeds=range(5), densities=[0.5, 0.2, 0.1], controls=("reinit",), curve_points=100,
    ),
}  # fmt: skip
"""2,000 experiments each: tasks × labels × seeds."""


@pytest.mark.parametrize("case", CASES)
def test_report_of_2000_experiments(tmp_path: Path, case: str) -> None:
    scenario = RECORDS["Scenario"](strategies=LABELS, weights=True, **CASES[case])
    paths = RECORDS["write"](tmp_path / "results.duckdb", scenario)
    fold(paths)
    command = [LTH_BENCH, "report", "--results", str(paths.results)]
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds.append(time.perf_counter() - began)
    size = Path(done.stdout.strip()).stat().st_size
    numbers = {
        "case": case, "experiments": len(scenario.experiments()), "seconds": median(seconds),
        "mb": size / 1e6, "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }  # fmt: skip
    print("\n" + json.dumps({k: round(v, 2) if isinstance(v, float) else v
                             for k, v in numbers.items()}))  # fmt: skip
    assert size < 8e6
