"""A task whose dataset or network cannot be had costs its own experiments, and no others."""

from __future__ import annotations

import json
import re

import duckdb
import pytest
from thoroughness import some

from lth_bench.running.datasets import open_data
from lth_bench.running.plan import plan_suite
from lth_bench.running.provenance import Provenance
from lth_bench.running.request import RunRequest, prepare

SUITE = """
schema_version = 1
[suite]
name = "faulty"
densities = [0.5]
seeds = [0, 1]
[[tasks]]
model = { name = "mlp", hidden = [8] }
dataset = "digits"
recipe = "short"
[[tasks]]
model = MODEL
dataset = DATASET
recipe = "short"
[recipes.short]
batch_size = 50
steps = 4
val_size = 97
eval_every = 2
[[strategies]]
use = "random"
controls = ["reinit"]
"""
PLUGIN = """
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
import numpy as np
import torch
from torch import nn
from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.data.digits import Digits

def changed(**fields):
    return dataclasses.replace(Digits().info(None), **fields)

@dataclass(frozen=True)
class Data:
    what: str = ""

    def info(self, root):
        if self.what == "gone": raise FileNotFoundError("no file images.bin")
        if self.what == "exits": sys.exit(3)
        if self.what == "no info": return (1, 8, 8)
        if self.what == "flat": return changed(input_shape=(64,))
        if self.what == "no size": return changed(train_size=0)
        if self.what == "three classes": return changed(classes=3)
        if self.what == "fewer": return changed(train_size=1200, input_shape=[1, np.int64(8), 8])
        return Digits().info(root)

    def load(self, root):
        if self.what == "torn": raise EOFError("the archive ends early")
        if self.what == "huge": raise MemoryError
        if self.what == "nothing": return None
        return Digits().load(root)

@dataclass(frozen=True)
class Net:
    what: str = ""

    def build(self, input_shape, classes):
        if self.what == "raises": raise KeyError("width")
        if self.what == "exits": sys.exit("no licence")
        if self.what == "nothing": return None
        if self.what == "flat": return nn.Linear(64, classes)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 9 if self.what == "nine" else classes))
"""
DATA = {
    "gone": r"'data': info raised FileNotFoundError: no file images.bin \(faulty_x.py:\d+\)",
    "exits": r"dataset 'data': info raised SystemExit: 3 \(faulty_x.py:\d+\)",
    "no info": "dataset 'data': info must return a DatasetInfo, but returned a tuple",
    "flat": r"input_shape must be \[C, H, W\] of an image, .* but got \(64,\)",
    "no size": "train_size must be a whole number above 0, but got 0",
    "three classes": "info says classes 3; the data has classes 10",
    "fewer": "info says training images 1200; the data has training images 1297",
    "torn": r"dataset 'data': load raised EOFError: the archive ends early \(faulty_x.py:\d+\)",
    "huge": "dataset 'data': memory is too small to load it",
    "nothing": "dataset 'data': load must return a Arrays, but returned None",
}
NETS = {
    "raises": r"model 'net': build raised KeyError: 'width' \(faulty_x.py:\d+\)",
    "exits": r"model 'net': build raised SystemExit: no licence \(faulty_x.py:\d+\)",
    "nothing": "model 'net': build must return a Module, but returned None",
    "flat": r"the network Linear cannot take an input of shape \[1, 8, 8\]",
    "nine": r"outputs of shape \[2, 10\]",
}
OPENED = ("three classes", "fewer", "torn", "huge", "nothing")
"""What only the data itself shows: `validate` reads no more than its sizes."""


@pytest.fixture
def suite(here, install):
    """`suite(model, dataset)`: a file whose second task is of these."""
    points = {"models": {"net": "faulty_x:Net"}, "datasets": {"data": "faulty_x:Data"}}
    install("lth-bench-faulty", points, faulty_x=PLUGIN)

    def write(model="", dataset=""):
        text = SUITE.replace("MODEL", f'{{ name = "net", what = "{model}" }}')
        return here.write(
            "s.toml", text.replace("DATASET", f'{{ name = "data", what = "{dataset}" }}')
        )

    return write


def rows(here, what):
    with duckdb.connect(here.results, read_only=True) as con:
        return con.execute(what).fetchall()


ALL = [("", name, says) for name, says in DATA.items()]
ALL += [(name, "", says) for name, says in NETS.items()]


@pytest.mark.parametrize(("model", "dataset", "says"), ALL)
def test_unusable_tasks_are_found_before_training(suite, tmp_path, model, dataset, says):
    made, registry = prepare(RunRequest.from_arguments(suite=suite(model, dataset)))
    plan = plan_suite(made, registry, tmp_path)
    opened = open_data(plan.experiments, registry, tmp_path, ["cpu"], Provenance({}))
    for item in plan.experiments:
        fault = opened.fault(item)
        if item.experiment.model["name"] == "mlp":
            assert fault is None and item.fault is None
        else:
            assert fault is not None and re.search(says, fault)
            assert (item.fault is None) == (dataset in OPENED)
    assert set(plan.faults) <= {f"net(what={model})/data(what={dataset})/short"}


CASES = [case for case in ALL if set(case[:2]) & {"gone", "three classes", "raises"}]


@pytest.mark.parametrize(("model", "dataset", "says"), some(CASES, 2))
def test_an_unusable_task_fails_and_the_other_runs(here, suite, model, dataset, says):
    file = suite(model, dataset)
    ran = here("run", file, code=1)
    columns = "model, strategy, control, status, count(*) FROM tickets_flat"
    found = rows(here, f"SELECT {columns} GROUP BY ALL ORDER BY ALL")
    mlp = [("dense", "none"), ("random", "none"), ("random", "reinit")]
    good = [r for r in found if r[0].startswith("mlp")]
    bad = [r for r in found if r[0].startswith("net")]
    assert [(r[1], r[2], r[4]) for r in good] == [(s, c, 2) for s, c in mlp]
    assert [(r[1], r[2], r[4]) for r in bad] == [(s, c, 2) for s, c in mlp]
    assert {r[3] for r in good} == {"ok"} and {r[3] for r in bad} == {"failed"}
    reasons = rows(here, "SELECT DISTINCT reason FROM failures")
    assert len(reasons) == 1 and re.search(says, reasons[0][0]), reasons
    assert re.search(says, ran.stderr)
    assert "internal error" not in ran.stderr
    # what has ended stays so, and the other task is not trained again
    again = json.loads(here("run", file, "--json", code=1).stdout)
    assert again["reused"] == again["planned"] == 8
    known = here("validate", file, code=0 if dataset in OPENED else 4).stderr
    assert dataset in OPENED or re.search(rf"task net.*cannot run: .*{says}", known)


def test_a_repaired_dataset_is_retried_with_retry_failed(here, suite, monkeypatch):
    file = suite("", "torn")
    here("run", file, code=1)
    import faulty_x

    monkeypatch.setattr(faulty_x.Data, "load", lambda self, root: faulty_x.Digits().load(root))
    here("run", file, code=1)
    here("run", file, "--retry", "failed")
    assert rows(here, "SELECT DISTINCT status FROM tickets_flat") == [("ok",)]


@pytest.mark.parametrize("what", ["gone", "torn"])
def test_if_no_task_can_run_nothing_is_written(here, suite, what):
    ended = here("run", suite("", what), "-m", "net", code=4)
    assert re.search(DATA[what], ended.stderr)
    assert not here.results.exists()


def test_plan_lists_tasks_that_cannot_run(here, suite):
    plan = json.loads(here("plan", suite("", "gone"), "--json").stdout)
    assert [n for n in plan["notes"] if re.search(f"^net.*cannot run: .*{DATA['gone']}", n)]
    assert plan["estimate"]["seconds"] > 0
    assert plan["dense_runs"] == 2


def test_fail_fast_stops_at_an_unusable_task(here, suite):
    ended = here("run", suite("raises"), "-x", code=1)
    assert "failed" in ended.stderr
    count = "SELECT count(*) FROM tickets_flat WHERE status = 'ok'"
    assert rows(here, count) == [(0,)]


@pytest.mark.parametrize("what", ["gone", "torn"])
def test_tuning_continues_without_an_unusable_task(here, suite, what):
    file = suite("", what)
    here.write("s.toml", file.read_text().replace('use = "random"', 'use = "snip"'))
    tuned = here("tune", file, "--budget", "trials=2", "--no-final", "--json", code=1)
    assert {s["model"] for s in json.loads(tuned.stdout)["studies"]} == {"mlp(hidden=[8])"}
    assert re.search(f"cannot run, so it is not tuned: .*{DATA[what]}", tuned.stderr)
