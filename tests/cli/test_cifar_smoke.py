"""`lth-bench run cifar_conv --smoke` on files in CIFAR-10's own format."""

from __future__ import annotations

import pickle
from pathlib import Path

import duckdb
import numpy as np
import pytest

STRATEGIES = {"dense", "imp", "one_shot", "late_rewind", "early_bird", "snip", "rigl", "random"}


def write_cifar10(root: Path, a_batch: int) -> None:
    """Five training batches and a test batch, pickled as the original's are."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    draws = np.random.default_rng(0)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        batch = {
            "batch_label": name,
            "labels": [int(i) % 10 for i in range(a_batch)],
            "data": draws.integers(0, 256, (a_batch, 3072), dtype=np.uint8),
            "filenames": [f"{i}.png" for i in range(a_batch)],
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    meta = {"label_names": [f"class {i}" for i in range(10)], "num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))


@pytest.fixture
def smoke(here):
    """`smoke(task, density, options…)`: (label, control, status) of each row of a run of one of the
    suite's tasks at one density.
    """
    write_cifar10(here.folder / "data", a_batch=40)
    here.env["LTH_BENCH_DATA"] = str(here.folder / "data")
    unpublished = '{ name = "cifar10", checksum = false }'

    def run(task, density, *options):
        model = ("conv2", "conv4", "conv6")[task]
        changes = [f"--set=tasks.{i}.dataset={unpublished}" for i in range(3)]
        changes.append(f"--set=tasks.{task}.densities=[{density}]")
        here("run", "cifar_conv", "--smoke", "-m", model, *changes, *options)
        with duckdb.connect(str(here.results), read_only=True) as con:
            sql = "SELECT label, control, status FROM tickets_flat WHERE model = ? ORDER BY ALL"
            return con.execute(sql, [model]).fetchall()

    return run


@pytest.mark.slow
def test_every_strategy_has_a_row(smoke):
    """On the smallest of the networks: Conv-6 takes three times as long a step."""
    expected = [*((label, "none", "ok") for label in STRATEGIES), ("imp", "reinit", "ok")]
    assert smoke(0, 0.6416) == sorted(expected)


@pytest.mark.slow
def test_the_largest_network_with_its_own_prune_rates(smoke):
    expected = [("dense", "none", "ok"), ("imp", "none", "ok"), ("imp", "reinit", "ok")]
    assert smoke(2, 0.682, "-s", "imp") == expected
