"""What the tests of a loop of one's own share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    shape: tuple[int, ...] = (1, 6, 6)
    """Of one example."""

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        draws = torch.Generator().manual_seed(step)
        x = torch.randn(16, *self.shape, generator=draws)
        return x, torch.randint(0, 3, (16,), generator=draws)

    def loss(self, step: int) -> Tensor:
        x, y = self.batch(step)
        return F.cross_entropy(self.net(x), y)

    def train(self, steps: range) -> None:
        for step in steps:
            self.optimizer.zero_grad()
            self.loss(step).backward()
            self.optimizer.step()

    def accumulate(self, steps: range, parts: int) -> Iterator[int]:
        """One update for the gradients of so many batches; yields after each batch."""
        for step in steps:
            (self.loss(step) / parts).backward()
            if step % parts == parts - 1:
                self.optimizer.step()
                self.optimizer.zero_grad()
            yield step


def network() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 20),
        nn.ReLU(), nn.Linear(20, 3),
    )  # fmt: skip


class Reader(nn.Module):
    """Places [N, T, 6], a layer over them, and the classes of their mean."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.layer, nn.MultiheadAttention):
            x = nn.functional.pad(x, (0, 2))
            x = self.layer(x, x, x, need_weights=False)[0]
        else:
            with torch.autocast(x.device.type, enabled=False):  # few CPUs have it in bfloat16
                x = self.layer(x)[0]
        out: Tensor = self.head(x.mean(1))
        return out


READERS: dict[str, Callable[[], nn.Module]] = {
    "attention": lambda: nn.MultiheadAttention(8, 2, batch_first=True),
    "lstm": lambda: nn.LSTM(6, 8, num_layers=2, batch_first=True),
}
"""What is pruned is more than one `weight` a module: `in_proj_weight`, `weight_hh_l1`, …"""


@pytest.fixture(params=READERS)
def make_reader(request: pytest.FixtureRequest) -> Callable[..., Loop]:
    """`make_reader(torch.optim.AdamW, lr=0.01)`: a network of attention, and one of an LSTM."""

    def make(kind: Any = torch.optim.SGD, **options: Any) -> Loop:
        torch.manual_seed(7)
        net = Reader(READERS[request.param]())
        options.setdefault("lr", 0.05)
        return Loop(net, kind(net.parameters(), **options), (5, 6))

    return make


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
