"""`lth-bench run cifar_conv --smoke` on files in CIFAR-10's own format."""

from __future__ import annotations

import pickle
from pathlib import Path

import duckdb
import numpy as np

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


def test_every_strategy_on_small_and_large_networks_ends_with_its_rows(lth):
    write_cifar10(lth.folder / "data", a_batch=40)
    lth.env["LTH_BENCH_DATA"] = str(lth.folder / "data")
    unpublished = '{ name = "cifar10", checksum = false }'
    changes = [f"--set=tasks.{i}.dataset={unpublished}" for i in range(3)]
    lth("run", "cifar_conv", "--smoke", "-m", "conv2", "-m", "conv6", *changes)
    with duckdb.connect(str(lth.results), read_only=True) as con:
        found = con.execute(
            "SELECT model, list_sort(list(DISTINCT label)), list(DISTINCT status), count(*) "
            "FROM tickets_flat WHERE control = 'none' GROUP BY model ORDER BY model"
        ).fetchall()
    # two densities of seven methods, and the dense run
    assert [(m, set(labels), s, n) for m, labels, s, n in found] == [
        (model, STRATEGIES, ["ok"], 15) for model in ("conv2", "conv6")
    ]
