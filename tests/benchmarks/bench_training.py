"""Training speed: a conventional loop, this package's engine and the floor, side by side.

`make bench ARGS="-k training"`, six minutes on two cores; `LTH_BENCH_DATA` names the data root.
Prints tables, writes `reports/bench_training.json`, asserts no times. See `training/README.md`.

- `LTH_BENCH_WHOLE=1`: every training of the conventional ladder, at its default and at its best,
  and this package's three times over (45 minutes).
- `LTH_BENCH_OUTPUT=FILE`: where the JSON goes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from training import ladder, table, tasks
from training.crew import Crew
from training.machine import machine
from training.nets import SIDE_BY_SIDE
from training.samples import sample
from training.steps import Plan, crews, measure

WHOLE = os.environ.get("LTH_BENCH_WHOLE", "") not in ("", "0")
OUTPUT = Path(os.environ.get("LTH_BENCH_OUTPUT", "reports/bench_training.json"))

PLANS = {
    "lenet_300_100": Plan("lenet_300_100", "cpu", ("auto", 4)),
    "conv2": Plan("conv2", "cpu", ("auto", 4), rounds=2),
    "resnet20": Plan("resnet20", "cpu", ("auto", 4), rounds=2),
    "resnet18": Plan("resnet18", "cpu", ("auto", 2), rounds=2),
}


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Any]]:
    """Filled by the tests, written at the end."""
    found: dict[str, Any] = {"made": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **machine("cpu")}
    if found["load_average"][0] > 0.5:
        print(f"\nother programs are running (load {found['load_average'][0]}): the conventional "
              f"loop's threads suffer most from that")  # fmt: skip
    yield found
    found["load_average_at_the_end"] = list(os.getloadavg())
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    table.write(OUTPUT, found)
    print(f"\n{OUTPUT}")


@pytest.fixture(scope="module")
def processes(results: dict[str, Any]) -> Iterator[tuple[Crew, Crew]]:
    """The conventional loop's process and this package's."""
    theirs, mine = crews("cpu")
    with theirs, mine:
        results["flags"] = {
            "conventional": theirs.run(tasks.described)[0],
            "ours": mine.run(tasks.described)[0],
        }
        yield theirs, mine


@pytest.mark.parametrize("net", SIDE_BY_SIDE)
def test_training_steps(net: str, processes: tuple[Crew, Crew], results: dict[str, Any]) -> None:
    rows = measure(PLANS[net], *processes)
    results.setdefault("steps", []).extend(rows)
    print("\n" + table.text(table.HEADINGS, [table.cells(row) for row in rows]))
    assert all(row["model_steps_per_second"] > 0 for row in rows)


def test_training_ladder(tmp_path: Path, results: dict[str, Any]) -> None:
    if sample((1, 28, 28), 1).title != "mnist":
        pytest.skip("the ladder needs MNIST: set LTH_BENCH_DATA")
    measured = ladder.TRAININGS if WHOLE else 1
    # the default, and what is fastest on two cores
    found = ladder.compare(tmp_path, [(0, None), (2, 1)], measured, times=3 if WHOLE else 1)
    results["ladder"] = found
    print("\n" + table.text(table.LADDER_HEADINGS, table.ladder_cells(found)))
    for number, difference in found["accuracy_differences"].items():
        print(f"round {number}: accuracy by ours − by the conventional loop {difference:+.4f}")
        # five seeds against at least one, of two epochs
        assert abs(difference) < 0.01
