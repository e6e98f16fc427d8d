"""How long the command line takes. Run by `make bench`; nothing else should be running."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from lth_bench.plugins import load_registry
from lth_bench.running.plan import plan_suite
from lth_bench.suite import load_suite

LTH_BENCH = str(Path(sys.executable).with_name("lth-bench"))

SUITE = """
schema_version = 1
[suite]
name = "large"
densities = {{ rate = 0.2, rounds = 10 }}
seeds = {seeds}
[recipes.short]
steps = 400
batch_size = 60
val_size = 97
[[tasks]]
model = "mlp"
dataset = "digits"
recipe = "short"
[[strategies]]
use = "snip"
"""


def test_help() -> None:
    seconds = []
    for _ in range(11):
        began = time.perf_counter()
        subprocess.run([LTH_BENCH, "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    middle = median(seconds[1:])  # the first one fills the disk cache
    print(f"lth-bench --help: {middle:.3f} s, median of 10 (at most 0.3)")
    assert middle < 0.3


def test_plan_of_10_000_experiments(tmp_path: Path) -> None:
    registry = load_registry()

    def planned(seeds: int) -> tuple[int, float]:
        file = tmp_path / f"{seeds}.toml"
        file.write_text(SUITE.format(seeds=seeds))
        began = time.perf_counter()
        plan = plan_suite(load_suite(file), registry, tmp_path)
        return len(plan.experiments), time.perf_counter() - began

    planned(1)  # imports
    count, seconds = planned(910)  # ten densities of snip and the dense run, each seed
    print(f"plan of {count:,} experiments: {seconds:.2f} s beyond imports (at most 2)")
    assert count == pytest.approx(10_000, rel=0.01)
    assert seconds < 2
