"""How long the report of 2,000 experiments takes, how large it is, and when it is on the screen.

`make bench ARGS="-k report"`. Prints numbers; the size is asserted, times are not: `cpu_seconds`
are what a quiet core would need, `seconds` what this machine took.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import runpy
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest
from chromium import MISSING, launched

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


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def first_paints(page: Path) -> dict[str, float]:
    """Seconds from opening the page in a Chromium until something is on the screen, and until all
    its scripts have run but those of figures; medians of five.
    """
    painted, ready = [], []
    with launched() as browser:
        for _ in range(5):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            opened = context.new_page()
            opened.goto(page.as_uri())
            paint, interactive = opened.evaluate("""() => [
                performance.getEntriesByName('first-contentful-paint')[0].startTime,
                performance.getEntriesByType('navigation')[0].domInteractive,
            ]""")
            painted.append(paint / 1000)
            ready.append(interactive / 1000)
            context.close()
    return {"first_paint": median(painted), "interactive": median(ready)}


@pytest.mark.parametrize("case", CASES)
def test_report_of_2000_experiments(tmp_path: Path, case: str) -> None:
    scenario = RECORDS["Scenario"](strategies=LABELS, weights=True, **CASES[case])
    paths = RECORDS["write"](tmp_path / "results.duckdb", scenario)
    fold(paths)
    command = [LTH_BENCH, "report", "--results", str(paths.results)]
    seconds, cpu = [], []
    for _ in range(3):
        began, used = time.perf_counter(), _cpu_of_children()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds.append(time.perf_counter() - began)
        cpu.append(_cpu_of_children() - used)
    page = Path(done.stdout.strip())
    size = page.stat().st_size
    numbers = {
        "case": case, "experiments": len(scenario.experiments()), "seconds": median(seconds),
        "cpu_seconds": median(cpu), **({} if MISSING else first_paints(page)),
        "mb": size / 1e6, "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }  # fmt: skip
    print("\n" + json.dumps({k: round(v, 2) if isinstance(v, float) else v
                             for k, v in numbers.items()}))  # fmt: skip
    assert size < 8e6
