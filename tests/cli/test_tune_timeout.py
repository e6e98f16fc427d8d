"""`lth-bench tune --timeout`: an experiment that takes too long fails its trial, and no other."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lth_bench.cli.app import app
from lth_bench.errors import UserError
from lth_bench.running.executors import local
from lth_bench.store.paths import Paths

from .conftest import SideBySide

SUITE = """
schema_version = 1
plugins = ["sleepy.py"]
[suite]
name = "tiny"
version = 1
densities = [0.5]
seeds = [0]
[[tasks]]
model = { name = "mlp", hidden = [8] }
dataset = "digits"
recipe = "short"
[recipes.short]
batch_size = 50
steps = 6
val_size = 97
[[strategies]]
use = "snip"
[[strategies]]
use = "sleepy"
[tune]
budget = { trials = 1 }
seeds = 1
"""
SLEEPY = """
import time
from dataclasses import dataclass
from typing import Annotated
from lth_bench import Mask, Range, hookimpl

@dataclass(frozen=True, eq=False)
class Sleepy:
    nap: Annotated[float, Range(0, 10)] = 9.0
    "Tens of seconds that each step loses."

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)

    @hookimpl
    def train(self, ticket):
        return ticket.fit(on_step=lambda view: time.sleep(10 * self.nap))
"""


@pytest.fixture
def tune(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "LocalExecutor", SideBySide)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(SUITE)
    (tmp_path / "sleepy.py").write_text(SLEEPY)

    def run(*options):
        command = ["tune", "tiny.toml", "--plugin", "sleepy.py", "--results", "r.duckdb"]
        return CliRunner().invoke(app, [*command, "--no-final", "--device", "cpu", *options])

    return run


def test_a_timeout_ends_one_experiment_and_the_others_continue(tune, tmp_path, naps):
    done = tune("--timeout", "100s")
    assert done.exception is None and "1 complete, 1 failed" in done.output
    lines = Paths(tmp_path / "r.duckdb").journal.read_text().splitlines()
    records = [json.loads(line) for line in lines]
    ended = {r["status"]: r["reason"] for r in records if r["record"] == "experiment"}
    assert ended == {"ok": None, "timeout": "took longer than 100 s (--timeout)"}
    states = {r["label"]: r["state"] for r in records if r["record"] == "trial"}
    assert states == {"snip": "complete", "sleepy": "failed"}


def test_an_invalid_duration_is_refused_before_training(tune, tmp_path):
    done = tune("--timeout", "soon")
    assert isinstance(done.exception, UserError)
    assert done.exception.message.startswith("--timeout takes a duration above 0")
    assert not (tmp_path / "r.duckdb").exists()
