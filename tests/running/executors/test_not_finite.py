"""NaN and infinity end every strategy's experiments alike, whichever strategy meets them first."""

from __future__ import annotations

import re

import pytest

from lth_bench.data.root import data_root
from lth_bench.errors import UserError
from lth_bench.running.executors.pool import Pool
from lth_bench.running.executors.worker import Worker, WorkerConfig
from lth_bench.running.plan import plan_suite
from lth_bench.running.progress import Recorded
from lth_bench.running.request import Execution, RunRequest, prepare

SUITE = """
schema_version = 1
[suite]
name = "nan"
densities = [0.5]
seeds = [0]
[[tasks]]
model = { name = "odd", what = "WHAT" }
dataset = "digits"
recipe = "short"
[recipes.short]
lr = 0.1
batch_size = 50
steps = 12
val_size = 97
eval_every = 6
[[strategies]]
use = "imp"
[[strategies]]
use = "late_rewind"
params = { rewind_step = 1 }
[[strategies]]
use = "one_shot"
[[strategies]]
use = "early_bird"
params = { interval = 0.04, window = 2 }
[[strategies]]
use = "snip"
[[strategies]]
use = "rigl"
params = { update_every = 1 }
[[strategies]]
use = "random"
[[strategies]]
use = "flow"
"""
STRUCTURED = """[[strategies]]
use = "early_bird"
params = { interval = 0.04, window = 2 }
"""
MODULE = """
from dataclasses import dataclass
import torch
from torch import nn
from lth_bench import Mask, balanced_batch, hessian_vector_product, hookimpl, loss_gradients

class Net(nn.Module):
    def __init__(self, what, classes):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 12), nn.Linear(12, classes)
        self.register_buffer("scale", torch.tensor(1.0))
        if what == "weight":
            nn.init.constant_(self.fc1.weight[3:4, :2], float("nan"))
        if what == "bias":
            nn.init.constant_(self.fc2.bias, float("inf"))
        if what == "buffer":
            self.scale.fill_(float("nan"))
        self.what = what

    def forward(self, x):
        h = self.fc1(x.flatten(1)) * self.scale
        if self.what == "gradient":  # the root's slope at 0
            h = h + (h - h).abs().sqrt()
        if self.what == "training":
            h = h * 1e18
        return self.fc2(torch.relu(h))

@dataclass(frozen=True)
class Odd:
    what: str = ""
    def build(self, input_shape, classes):
        return Net(self.what, classes)

@dataclass(frozen=True, eq=False)
class Flow:
    @hookimpl
    def select_mask(self, ticket):
        batch = balanced_batch(ticket, 5)
        flow = hessian_vector_product(ticket, batch, loss_gradients(ticket, batch))
        return Mask.top_k(ticket.initial.weights * flow, ticket.target_count)
"""
INITIAL = r"the network's initial values are not finite: {} \(built in odd_x.py:\d+\)"
ENDS = {
    "weight": ("failed", INITIAL.format("2 of 768 entries of 'fc1.weight' are NaN or infinite")),
    "bias": ("failed", INITIAL.format("10 of 10 entries of 'fc2.bias' are NaN or infinite")),
    "buffer": ("diverged", r"the loss (became|of a batch is) nan|NaN or infinite at step \d+"),
    "gradient": ("diverged", r"the loss became nan|are NaN or infinite( at step \d+)?$"),
    "training": ("diverged", r"the loss became (nan|inf)|are NaN or infinite( at step \d+)?$"),
}


@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("what", ENDS)
def test_non_finite_values_give_one_status_at_any_cohort_size(what, width, install, tmp_path):
    points = {"models": {"odd": "odd_x:Odd"}, "strategies": {"flow": "odd_x:Flow"}}
    install("lth-bench-odd", points, odd_x=MODULE)
    path = tmp_path / "nan.toml"
    text = SUITE.replace("WHAT", what)
    path.write_text(text)
    suite, registry = prepare(RunRequest.from_arguments(suite=path))
    if what == "buffer":  # whether its units can be removed is tried out, and NaN proves nothing
        with pytest.raises(UserError, match="its outputs on random values are not finite"):
            plan_suite(suite, registry, data_root())
        path.write_text(text.replace(STRUCTURED, ""))
        suite, registry = prepare(RunRequest.from_arguments(suite=path))
    experiments = [p.experiment for p in plan_suite(suite, registry, data_root()).experiments]
    worker = Worker(
        WorkerConfig(
            device="cpu",
            artifacts=tmp_path / "kept",
            data_root=data_root(),
            execution=Execution(cohort_size=width),
        ),
        registry,
        Pool(),
    )
    records = []
    worker.begin(experiments, records.append)
    while len(worker.pool):
        worker.serve()
    labels = {e.experiment_id: e.label for e in experiments}
    ends = {
        labels[e.record["experiment_id"]]: (e.record["status"], e.record["reason"])
        for e in records
        if isinstance(e, Recorded) and e.ends
    }
    status, says = ENDS[what]
    assert len(ends) == (8 if what == "buffer" else 9)
    for label, (found, reason) in ends.items():
        assert found == status and re.search(says, reason), (label, found, reason)
