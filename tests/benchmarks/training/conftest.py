"""A network small enough to train within a test, known to the benchmark by a name."""

from __future__ import annotations

import pytest

from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from training.nets import NETS, Net

RECIPE = Recipe(
    optimizer="adam", lr=5e-3, batch_size=32, steps=100_000, val_size=10, eval_every=100_000
)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Net:
    """784-12-10 on images of MNIST's shape."""
    net = Net(name="tiny", model=MLP(hidden=(12,)), shape=(1, 28, 28), recipe=RECIPE, epoch=3200)
    monkeypatch.setitem(NETS, "tiny", net)
    monkeypatch.delenv("LTH_BENCH_DATA", raising=False)
    return net
