"""Runs that are killed with SIGKILL end, given again, in the rows of an undisturbed run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

FAULTS = Path(__file__).parents[1] / "soak" / "faults.py"
ROWS = """
    SELECT label, control, source_recipe, seed, target_density, density, effective_density,
           test_accuracy, test_loss, val_accuracy, train_accuracy, early_stop_step,
           early_stop_accuracy, steps, search_steps, flops_dense, flops_masked_theoretical, status,
           reason
    FROM tickets_flat ORDER BY ALL
"""
METRICS = "SELECT ticket_id, metric, value FROM metrics ORDER BY ALL"
MOVED = """
schema_version = 1

[suite]
name = "moved"
densities = [0.5, 0.2]
seeds = [0]
controls = ["shuffle", "reorder"]
ablations = ["random_labels"]

[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
sources = [{ recipe = "long" }]

[recipes.short]
optimizer = "adam"
lr = 2e-3
batch_size = 50
steps = 100
val_size = 97
eval_every = 20

[recipes.long]
lr = 0.1
batch_size = 50
steps = 150
val_size = 97
eval_every = 30

[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }

[[strategies]]
use = "rigl"
params = { update_every = 20 }
"""
"""Tickets of a task that is no part of the suite, and two copies of each in other data orders."""


def results(lth: Any) -> tuple[list[Any], list[Any]]:
    """All that must be reproduced to the bit: no times, no hosts."""
    with duckdb.connect(str(lth.results), read_only=True) as con:
        return con.execute(ROWS).fetchall(), con.execute(METRICS).fetchall()


@pytest.fixture
def killed(lth: Any) -> Callable[..., str]:
    """`killed(suite, faults)`: the same command again and again, with a fault each time, which
    ends it with an exit code. What the last one wrote to stderr.
    """

    def run(text: str, faults: Sequence[tuple[str, int]]) -> str:
        suite, diary = lth.write("suite.toml", text), lth.folder / "diary.jsonl"
        trainings = lth.folder / "results.artifacts" / "trainings"
        for fault, code in faults:
            Path(f"{diary}.fired").unlink(missing_ok=True)
            # after every step where a checkpoint has to be there when the kill comes
            every = "0" if fault.startswith("all training") else "0.05"
            done = subprocess.run(
                [sys.executable, FAULTS, "run", suite],
                cwd=lth.folder, capture_output=True, text=True, check=False,
                start_new_session=True,
                env={**lth.env, "SOAK_DIARY": str(diary), "SOAK_FAULT": fault,
                     "LTH_BENCH_CHECKPOINT_SECONDS": every, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
            assert done.returncode == code, done.stderr
            assert Path(f"{diary}.fired").exists() == bool(fault), fault
            if fault.startswith("all training"):
                assert list(trainings.glob("*.partial"))
        notes = [json.loads(line) for line in diary.read_text().splitlines()]
        keys = Counter(note["trained"] for note in notes if "trained" in note)
        assert max(keys.values()) == 1, "no finished training is repeated"
        return done.stderr

    return run


@pytest.mark.slow
def test_at_every_point(undisturbed, lth, longer, killed) -> None:
    """`make soak` does this sixty times."""
    said = killed(longer, [
        ("all training 400", -9),
        ("all append 4", -9),
        ("coordinator fold 5", -9),
        ("worker hooks 3", 0),  # whose experiments are tried again
    ])  # fmt: skip
    assert "retry" in said
    assert not list(lth.folder.glob("results.artifacts/trainings/*.partial"))
    assert results(lth) == results(undisturbed)


@pytest.mark.slow
def test_transferred_tickets_copies_and_ablations(here, tmp_path_factory, lth, killed) -> None:
    """In trainings on source and target, and between them."""
    alone = type(here)(tmp_path_factory.mktemp("alone"))
    alone("run", alone.write("suite.toml", MOVED))
    killed(MOVED, [
        ("all training 150", -9),
        ("all hooks 9", -9),
        ("all append 6", -9),
        ("worker hooks 4", 0),
    ])  # fmt: skip
    rows, metrics = results(alone)
    moved = [row for row in rows if row[2] == "long"]
    assert {row[:2] for row in moved} == {
        (label, control) for label in ("imp", "rigl") for control in ("none", "shuffle", "reorder")
    }
    assert {"barrier_test_error", "copies_distance"} <= {name for _, name, _ in metrics}
    assert results(lth) == (rows, metrics)


DECIDED = """
schema_version = 1

[suite]
name = "decided"
densities = [0.6]
seeds = 2
decide = { max_seeds = 8 }

[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"

[recipes.short]
optimizer = "adam"
lr = 3e-3
batch_size = 60
steps = 60
val_size = 97
eval_every = 30

[[strategies]]
use = "one_shot"

[[strategies]]
use = "random"
"""
"""Seeds are added until the comparisons with the dense run are decided."""


@pytest.mark.slow
def test_seeds_that_are_added_until_decided(here, tmp_path_factory, lth, killed) -> None:
    """A look more or less is trained ahead, by what ends first; what is decided is the same."""
    looks = "SELECT * EXCLUDE (run_id, recorded_at, journal_order) FROM looks ORDER BY ALL"

    def asked(place: Any, sql: str) -> list[Any]:
        with duckdb.connect(str(place.results), read_only=True) as con:
            return con.execute(sql).fetchall()

    alone = type(here)(tmp_path_factory.mktemp("alone"))
    alone("run", alone.write("suite.toml", DECIDED))
    killed(DECIDED, [
        ("all training 100", -9),
        ("all append 20", -9),
        ("", 0),
    ])  # fmt: skip
    assert asked(alone, looks) and asked(lth, looks) == asked(alone, looks)
    assert asked(lth, "SELECT DISTINCT status FROM tickets_flat") == [("ok",)]
