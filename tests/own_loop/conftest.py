"""What the tests of a loop of one's own share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lth_bench


@dataclass
class Loop:
    """A small network, its optimizer, and batches that depend on the step alone."""

    net: nn.Module
    optimizer: torch.optim.Optimizer

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        draws = torch.Generator().manual_seed(step)
        x = torch.randn(16, 1, 6, 6, generator=draws)
        return x, torch.randint(0, 3, (16,), generator=draws)

    def loss(self, step: int) -> Tensor:
        x, y = self.batch(step)
        return F.cross_entropy(self.net(x), y)

    def train(self, steps: range) -> None:
        for step in steps:
            self.optimizer.zero_grad()
            self.loss(step).backward()
            self.optimizer.step()


def network() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 20),
        nn.ReLU(), nn.Linear(20, 3),
    )  # fmt: skip


@pytest.fixture
def make_loop() -> Callable[..., Loop]:
    """`make_loop(torch.optim.AdamW, lr=0.01)`."""

    def make(kind: Any = torch.optim.SGD, **options: Any) -> Loop:
        net = network()
        options.setdefault("lr", 0.05)
        return Loop(net, kind(net.parameters(), **options))

    return make


@pytest.fixture
def rigl() -> Callable[..., lth_bench.Sparsifier]:
    """`rigl(loop)`: RigL at density 0.3 over 20 steps, rewiring every 4."""

    def make(loop: Loop, **options: Any) -> lth_bench.Sparsifier:
        options = {"steps": 20, "params": {"update_every": 4}, **options}
        return lth_bench.sparsify(loop.net, loop.optimizer, "rigl", 0.3, **options)

    return make


@pytest.fixture
def holds() -> Callable[[Any], None]:
    """`holds(sparse)` asserts that pruned weights are zero, and kept ones mostly are not."""

    def check(sparse: lth_bench.Sparsifier) -> None:
        values = sparse.model.state_dict()
        for key, kept in sparse.mask.items_by_key().items():
            assert not values[key][~kept].any(), key
            assert values[key][kept].any(), key

    return check
