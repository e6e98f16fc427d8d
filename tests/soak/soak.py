"""`make soak`: kill runs again and again, in every place, and see that nothing is lost.

Each results folder is made by one command, given again and again until it ends: most times it is
killed on the way. Its rows must be those of an undisturbed run, bit for bit, and no training that
was finished may have been trained again. Exit code 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import mean

import duckdb
from ledger import PROGRESS

HERE = Path(__file__).parent
VICTIMS = ("coordinator", "worker", "server", "all")
PLACES = {"training": 500, "hooks": 12, "append": 10, "fold": 12}
"""Each place, and the most that is waited for: times that somebody passes there."""
CHECKPOINTS = 0.25
"""Seconds between the checkpoints of a training, here."""
ROWS = """
    SELECT label, control, seed, target_density, density, effective_density, test_accuracy,
           test_loss, val_accuracy, train_accuracy, early_stop_step, early_stop_accuracy, steps,
           flops_dense, flops_masked_theoretical, status
    FROM tickets_flat ORDER BY ALL
"""
"""Everything but times and hosts."""
SUITE = """
schema_version = 1

[suite]
name = "soak"
version = 1
densities = [0.5, 0.2]
seeds = [0, 1]

[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"

[recipes.short]
optimizer = "adam"
lr = 2e-3
batch_size = 50
steps = 500
val_size = 97
eval_every = 50

[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }
controls = ["reinit", "shuffle"]

[[strategies]]
use = "rigl"
params = { update_every = 20 }

[[strategies]]
use = "late_rewind"
params = { rewind_step = 50, prune_rate = 0.5 }

[[strategies]]
use = "early_bird"
params = { threshold = 0.05, window = 3, interval = 4.0 }
"""


class Results:
    """A folder with results, made by one command."""

    def __init__(self, folder: Path, cohort_size: int) -> None:
        self.folder, self.cohort_size = folder, cohort_size
        self.suite = folder / "soak.toml"
        self.suite.write_text(SUITE)
        self.diary = folder / "diary.jsonl"
        self.diary.touch()

    def run(self, fault: tuple[str, str, int] | None = None) -> int:
        """Give the command; its exit code."""
        Path(f"{self.diary}.fired").unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, HERE / "faults.py", "run", self.suite, "--workers", "2",
             "--cohort-size", str(self.cohort_size), "--results", self.folder / "results.duckdb"],
            env={
                **{k: v for k, v in os.environ.items() if k != "LTH_BENCH_COHORT_SIZE"},
                "SOAK_DIARY": str(self.diary),
                "SOAK_FAULT": " ".join(map(str, fault or ())),
                "LTH_BENCH_CHECKPOINT_SECONDS": str(CHECKPOINTS),
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.said = process.communicate(timeout=300)[1]
        return process.returncode

    def rows(self) -> list[tuple[object, ...]]:
        """What must be reproduced."""
        with duckdb.connect(str(self.folder / "results.duckdb"), read_only=True) as con:
            return con.execute(ROWS).fetchall()

    def notes(self, kind: str) -> list[dict[str, object]]:
        """The diary's records of a kind."""
        found = [json.loads(line) for line in self.diary.read_text().splitlines()]
        return [record for record in found if kind in record]

    def trained(self) -> tuple[int, float]:
        """Steps of members that all processes have made, and the seconds that they took."""
        found = [PROGRESS.unpack(p.read_bytes()) for p in self.folder.glob("*.progress")]
        return sum(f[0] for f in found), sum(f[1] for f in found)


def soak(kills: int, seed: int, folder: Path) -> int:
    """Kill so often, spread over victims and places. 0, or 1 where anything was lost."""
    draws = random.Random(seed)
    places = [(victim, place) for victim in VICTIMS for place in PLACES]
    todo = [places[i % len(places)] for i in range(kills)]
    draws.shuffle(todo)
    expected, alone = {}, {}
    for cohort_size in (1, 4):
        (folder / f"undisturbed-{cohort_size}").mkdir()
        undisturbed = Results(folder / f"undisturbed-{cohort_size}", cohort_size)
        began = time.monotonic()
        if undisturbed.run():
            sys.exit(undisturbed.said)
        seconds = time.monotonic() - began
        expected[cohort_size], alone[cohort_size] = undisturbed.rows(), undisturbed.trained()
        print(
            f"undisturbed at cohort size {cohort_size}: {len(expected[cohort_size])} rows, "
            f"{alone[cohort_size][0]:,} steps, {alone[cohort_size][1]:.1f} s of training, "
            f"{seconds:.0f} s in all",
            flush=True,
        )
    survived: Counter[tuple[str, str]] = Counter()
    repeated, lost, twice, number = 0, 0, 0, 0
    while todo:
        number += 1
        (folder / str(number)).mkdir()
        results = Results(folder / str(number), 1 if number % 2 else 4)
        code, runs = -1, 0
        while code != 0:
            fault = None
            if todo:
                victim, place = todo.pop()
                fault = (victim, place, draws.randint(1, PLACES[place]))
            before = len(results.notes("kill"))
            code, runs = results.run(fault), runs + 1
            fired = len(results.notes("kill")) > before
            if fault is not None and fired:
                survived[fault[:2]] += 1
            elif fault is not None:
                todo.insert(0, fault[:2])
            if code not in (0, -9) or runs > 60:
                print(f"{results.folder}: exit {code} after {runs} runs\n{results.said}")
                if runs > 60 or not fired:
                    return 1
        rows = results.rows()
        missing = [r for r in expected[results.cohort_size] if r not in rows]
        lost += len(missing) + len([r for r in rows if r not in expected[results.cohort_size]])
        keys = Counter(str(record["trained"]) for record in results.notes("trained"))
        twice += sum(n - 1 for n in keys.values())
        again = results.trained()[0] - alone[results.cohort_size][0]
        repeated += again
        print(
            f"{number}: cohort size {results.cohort_size}, {runs} runs, "
            f"{len(results.notes('kill'))} kills, {len(missing)} rows lost, {len(keys)} trainings, "
            f"{again:,} steps repeated",
            flush=True,
        )
    count = sum(survived.values())
    print(f"\n{'':12}" + "".join(f"{p:>10}" for p in PLACES) + f"{'all':>10}")
    for victim in VICTIMS:
        cells = [survived[victim, place] for place in PLACES]
        print(f"{victim:12}" + "".join(f"{n:>10}" for n in (*cells, sum(cells))))
    steps = repeated / max(1, count)
    seconds = steps * mean(alone[w][1] / alone[w][0] for w in alone)
    print(
        f"\n{count} kills survived; {lost} rows lost or changed; {twice} trainings done twice; "
        f"{steps:.0f} steps or {seconds:.2f} s of training repeated a kill, with a checkpoint "
        f"every {CHECKPOINTS} s"
    )
    return int(bool(lost or twice))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=60, help="how many (60)")
    parser.add_argument("--seed", type=int, default=0, help="of the places and moments (0)")
    parser.add_argument("--folder", type=Path, help="where the results stay; else they are removed")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="lth-bench-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return soak(arguments.kills, arguments.seed, folder)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
