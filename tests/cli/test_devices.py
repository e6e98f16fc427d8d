"""Devices as a user meets them, on pretend GPUs: what is taken, said and recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store import Paths
from lth_bench.store.database import open_safe

GIB = 2**30
Env = Callable[..., dict[str, str]]


@pytest.mark.slow  # how it is asked and said is in executors/test_probe.py
@pytest.mark.parametrize(
    ("device", "machine", "said"),
    [
        ("cuda:3", dict(devices=2), "it has: cpu, cuda:0 (NVIDIA Pretend, 150 GB), cuda:1"),
        ("cuda", dict(devices=2, taken=140 * GIB - 2**28), "is full: 0.3 of 150.3 GB is free"),
    ],
)  # fmt: skip
def test_an_unusable_device_is_one_error_before_training(
    lth: Any, gpu_env: Env, tiny: str, device: str, machine: dict[str, int], said: str
) -> None:
    lth.env |= gpu_env(**machine)
    done = lth("run", lth.write("tiny.toml", tiny), "--device", device, code=4)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not lth.results.exists()


def rows(lth: Any, sql: str) -> list[dict[str, Any]]:
    with open_safe(Paths(Path(lth.env["LTH_BENCH_RESULTS"]))) as con:
        result = con.execute(sql)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


RESULTS = (
    "SELECT label, seed, target_density, control, test_accuracy, test_loss, early_stop_step "
    "FROM tickets_flat ORDER BY ALL"
)


@pytest.mark.slow
def test_two_gpus_share_a_run_with_the_results_of_one(lth: Any, gpu_env: Env, tiny: str) -> None:
    """The run's devices, what each trained and in how much memory; the same rows on either."""
    suite = lth.write("tiny.toml", tiny)
    lth.env |= {**gpu_env(devices=2), "LTH_BENCH_COHORT_SIZE": "1"}
    found = {}
    for device in ("cuda", "cuda:1"):
        lth.env["LTH_BENCH_RESULTS"] = str(lth.folder / device / "results.duckdb")
        lth("run", suite, "--device", device, "-s", "snip")
        found[device] = rows(lth, RESULTS)
        about = rows(lth, "FROM devices ORDER BY worker")
        used = ["cuda:0", "cuda:1"] if device == "cuda" else [device]
        assert [x["worker"] for x in about] == used
        for x in about:
            assert x["device"] == "NVIDIA Pretend"
            assert x["steps_run"] == 30 * x["trainings_run"] > 0
            assert x["model_steps_per_second"] > 0
            assert x["peak_memory"] > 4 * 64 * 16  # the first layer's weights at least
        (run,) = rows(lth, "SELECT environment FROM environments")
        gpus = json.loads(run["environment"])["gpus"]
        assert [gpu["device"] for gpu in gpus] == used
        assert gpus[0]["total"] == 140 * GIB
    assert found["cuda:1"] == found["cuda"]
    assert all(row["test_accuracy"] > 0.3 for row in found["cuda"] if row["label"] == "dense")
