"""quickstart on a pretend GPU, by the real command line and its workers."""

from __future__ import annotations

import json

import pytest


def run(lth, gpu_env, tmp_path, size, *more):
    """The events that its processes noted."""
    lth.env |= gpu_env(devices=1) | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    lth("run", "quickstart", "--device", "cuda", "--cohort-size", size, *more)
    asked = "FROM tickets_flat SELECT DISTINCT status"
    rows = lth("query", asked, "--format", "csv").stdout.split()
    assert rows == ["status", "ok"]
    events = [json.loads(line) for line in (tmp_path / "gpu.log").read_text().splitlines()]
    assert {e["event"] for e in events} == {"capture"}  # none failed, and no race
    assert all(e["operations"] and e["device"] == 0 for e in events)
    return events


@pytest.mark.slow
def test_a_smoke_run(lth, gpu_env, tmp_path):
    """Rounds, and masks that change while a network trains."""
    run(lth, gpu_env, tmp_path, "1", "--smoke", "-m", "mlp", "-s", "imp", "-s", "rigl")


@pytest.mark.slow
@pytest.mark.parametrize("size", ["auto", "1", "4"])
def test_every_strategy_and_network(size, lth, gpu_env, tmp_path):
    lth.patience = 1100  # all is computed on the CPU, one operation at a time
    run(lth, gpu_env, tmp_path, size, "--smoke")
