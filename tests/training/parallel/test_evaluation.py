"""An evaluation over several ranks has the bits of one device's."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.errors import TrainingError
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.engine import network
from lth_bench.training.engine.layouts.alone import Plain
from lth_bench.training.input.task_data import Share
from lth_bench.training.parallel.evaluation import leaves_no_trace, rows_of
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest

LARGE = ("recipes.short.val_size=1097", "recipes.short.steps=12", "recipes.short.eval_every=5")
"""Validation examples of which the last of six batches has 97."""
PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar

from lth_bench.objectives import CrossEntropy, Metric
from lth_bench.training.engine import network

network.EVAL_BATCH = 200


@dataclass(frozen=True)
class Ordered(CrossEntropy):
    metrics: ClassVar = (Metric("ordered", "", True), *CrossEntropy.metrics)

    def measure(self, evidence, targets):
        places = evidence.max(1).values.argsort().double()
        return {"ordered": float(places.cos().cumsum(0).sum()), **super().measure(evidence, targets)}
"""
"""An objective whose metric needs all predictions at once, in order; and batches of 200."""


@pytest.mark.parametrize("examples", [1, 7, 40, 97])
@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_parts_are_whole_batches_in_order(examples: int, ranks: int) -> None:
    parts = [rows_of(Share(rank, ranks), examples, 10) for rank in range(ranks)]
    assert [i for part in parts for i in range(examples)[part]] == list(range(examples))
    assert parts[0].stop > 0 and all(
        part.start % 10 == 0 for part in parts if part.start < examples
    )
    batches = [math.ceil((part.stop - part.start) / 10) for part in parts]
    assert max(batches) - min(batches) <= 1


class Odd(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(36, classes)
        self.register_buffer("calls", torch.zeros(()))


class Draws(Odd):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.fc(x.flatten(1)), 0.5)


class Counts(Odd):
    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.fc(x.flatten(1))


@dataclass(frozen=True)
class Made:
    kind: type

    def build(self, _: Any, classes: int) -> nn.Module:
        return self.kind(classes)


@pytest.mark.parametrize(
    ("net", "alike"),
    [
        (MLP(hidden=(3,), dropout=0.5), True),
        (ConvBN(), True),
        (Made(Draws), False),
        (Made(Counts), False),
    ],
    ids=["dropout", "batch norm", "draws", "counts"],
)
def test_what_leaves_a_trace_is_not_shared(net: Any, alike: bool, make_bench: Any) -> None:
    bench = make_bench(net, Recipe(steps=4, batch_size=20, val_size=60))
    assert leaves_no_trace(bench.network) == alike


@pytest.fixture(scope="module")
def workers(places: Any, tmp_path_factory: Any) -> Any:
    """One with two devices, one with one; both evaluate 200 examples at a time: the other process
    loads the plugin too.
    """
    plugin = tmp_path_factory.mktemp("plugins") / "ordered.py"
    plugin.write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "EVAL_BATCH", 200)
        yield places.worker(2, (plugin,)), places.worker(1, (plugin,))


def evaluated_both_ways(layout: Any) -> tuple[Any, Any]:
    """Over all ranks, and by the leader alone."""
    return layout.evaluate([0]), Plain.evaluate(layout, [0])


CASES = {
    "cross-entropy": (),
    "batch norm": ('tasks.0.model="conv_bn"',),
    "counts and classes": ('tasks.0.objective="focal"',),
    "all predictions at once": ('tasks.0.objective="ordered"',),
}


@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_of_one_device(case: str, places: Any, workers: Any) -> None:
    two, one = workers
    overrides = (*LARGE, *CASES[case])
    places.run_on(one, 1, *overrides).require_equal(places.run_on(two, 2, *overrides))
    lead = places.leader(two)
    layout, said = lead._layout[2], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lead, "tell", lambda *what, tell=lead.tell: (said.append(what), tell(*what)))
        shared, alone = evaluated_both_ways(layout)
        assert shared[0] == alone[0]
        with torch.no_grad():  # in this process alone
            for buffer in layout.network.module.buffers():
                buffer.add_(1)
            for parameter in layout.network.module.parameters():
                parameter.mul_(1.5)
        changed, alone = evaluated_both_ways(layout)
    assert changed[0] == alone[0] and changed != shared
    assert said == [("evaluate", "val", 200)] * 2


def test_a_rank_that_is_lost_in_an_evaluation(places: Any, workers: Any) -> None:
    two, _ = workers
    places.run_on(two, 2, *LARGE)
    lead, bench = places.leader(two), two._bench[1]

    def tell(*command: Any, tell: Any = lead.tell) -> None:
        if command[0] == "evaluate":
            os.kill(lead._followers[0]._process.pid, signal.SIGKILL)
        tell(*command)

    request = FitRequest(
        values=bench.initial(5).values, mask=bench.dense_mask(), start=0, end=12, seed=5,
        recipe=bench.recipe,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lead, "tell", tell)
        with pytest.raises(TrainingError, match=r"^rank 1 of 2 \(cpu\) was killed by SIGKILL"):
            bench.fit(request)
    assert not lead._followers
    assert bench.fit(request).step == 12  # another process follows
