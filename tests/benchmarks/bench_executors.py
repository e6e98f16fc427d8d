"""What Ray costs: `quickstart` with the Ray executor against the local one, start-up apart.

Both have the same workers on this machine, and take turns, so that what else runs on it slows both.
A run's time is what its workers had from their start on, as the view `workers` has it: without the
start of processes and of the cluster. Results are the same bit for bit (tests/running/executors).

`make ray bench ARGS="-k executors"`; `PAIRS` is how many runs each makes, 3 by default.
Prints numbers and asserts that the rows are the same, no time.
"""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import duckdb
import pytest

PAIRS = int(os.environ.get("PAIRS", "3"))
WORKERS = 2
USED = """
    SELECT max(busy_seconds + queued_seconds + idle_seconds), max(starting_seconds),
           sum(busy_seconds), sum(seconds_run), sum(steps_run)
    FROM workers
"""
ROWS = """
    SELECT label, seed, target_density, test_accuracy, test_loss, steps, status
    FROM tickets_flat ORDER BY ALL
"""


class Run:
    """One run of quickstart at one seed."""

    def __init__(self, folder: Path, executor: str, number: int) -> None:
        results = folder / f"{executor}-{number}.duckdb"
        command = [
            sys.executable, "-m", "lth_bench", "run", "quickstart", "--seeds", "1", "--device",
            "cpu", "--executor", executor, "--workers", str(WORKERS), "--results", str(results),
            "--json",
        ]  # fmt: skip
        env = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)
        with duckdb.connect(str(results), read_only=True) as con:
            (used,) = con.execute(USED).fetchall()
            self.rows = con.execute(ROWS).fetchall()
        self.seconds, self.starting, busy, training, self.steps = used
        self.own = 1 - training / busy
        """Share of busy time outside of trainings, in [0, 1]: hooks, messages, what is found."""


def test_executors(tmp_path: Path) -> None:
    """Seconds of each run, and the ratio of the medians."""
    pytest.importorskip("ray", reason="Ray is not installed")
    faulthandler.cancel_dump_traceback_later()  # on a busy machine it takes longer than a test may
    runs: dict[str, list[Run]] = {"local": [], "ray": []}
    for number in range(PAIRS):
        # each goes first in turn, since what else runs on the machine changes
        for executor in sorted(runs, reverse=number % 2 == 1):
            runs[executor].append(Run(tmp_path, executor, number))
    local, ray = runs["local"], runs["ray"]
    assert all(run.rows == local[0].rows for run in (*local, *ray))
    ratios = [r.seconds / h.seconds for r, h in zip(ray, local, strict=True)]
    print(f"\nquickstart at one seed, {WORKERS} workers, start-up apart, n = {PAIRS} pairs:")
    for name, found in runs.items():
        seconds = ", ".join(f"{run.seconds:.1f}" for run in found)
        print(
            f"  {name}: {seconds} s; start-up {median(run.starting for run in found):.1f} s; "
            f"{median(run.own for run in found):.1%} of busy time outside of trainings; "
            f"{found[0].steps:,} steps"
        )
    even = [(1 - h.own) / (1 - r.own) for r, h in zip(ray, local, strict=True)]
    print(
        f"  ray / local: {median(r.seconds for r in ray) / median(h.seconds for h in local):.3f} "
        f"of the medians; pair by pair {', '.join(f'{ratio:.3f}' for ratio in ratios)}\n"
        f"  of busy time a second of training, which other load on the machine changes least: "
        f"{', '.join(f'{ratio:.3f}' for ratio in even)}"
    )
