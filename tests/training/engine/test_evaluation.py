"""An evaluation on a GPU, with which examples are right: how often it waits for the device."""

from __future__ import annotations

import pytest
import torch

from lth_bench.models.mlp import MLP
from lth_bench.objectives.cross_entropy import WeightedCrossEntropy
from lth_bench.training.engine import network
from lth_bench.training.recipe import Recipe

RECIPE = Recipe(lr=0.05, steps=4, batch_size=20, val_size=60)


@pytest.fixture
def evaluated(pretend_gpu, make_bench, monkeypatch):
    """`evaluated(batch, objective)`: waits for the device, and which of 50 examples are right."""

    def go(batch: int, objective=None):
        monkeypatch.setattr(network, "EVAL_BATCH", batch)
        bench = make_bench(MLP(hidden=(7,)), RECIPE, device="cuda:0", objective=objective)
        bench.network.load(bench.initial(0).values)
        mask, sample = bench.dense_mask().to(bench.device), bench.data.sample(50)
        for _ in range(2):  # the first makes what is made once
            pretend_gpu.reset()
            found = bench.network.evaluate(sample, bench.data, mask)
            waits = sum(pretend_gpu.waits.values())
        return waits, found.right["accuracy"].cpu(), found.metrics["accuracy"]

    return go


@pytest.mark.parametrize(
    "objective", [None, WeightedCrossEntropy((1.0, 1.0, 1.0))], ids=["plain", "weighted"]
)
def test_it_waits_as_often_whatever_the_batches(evaluated, objective) -> None:
    once, right, accuracy = evaluated(1000, objective)
    often, again, _ = evaluated(5, objective)
    assert once == often <= (1 if objective is None else 4)
    assert torch.equal(right, again)
    assert float(right.double().mean()) == pytest.approx(accuracy)
