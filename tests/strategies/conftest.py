"""What the tests of strategies share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.masks import Layer
from lth_bench.ticket import CostLedger, DenseRun, Ticket

LENET = (
    Layer("fc1", "linear", (300, 784)),
    Layer("fc2", "linear", (100, 300)),
    Layer("fc3", "output", (10, 100)),
)


@pytest.fixture
def make_ticket() -> Callable[..., Ticket]:
    """`make_ticket(bench, target=0.5, seed=0)`: the ticket of a first `select_mask`."""

    def make(bench: Any, target: float = 0.5, seed: int = 0) -> Ticket:
        ledger = CostLedger()
        return Ticket(
            bench=bench,
            seed=seed,
            target=target,
            round=0,
            mask=bench.dense_mask(),
            dense=DenseRun(bench, seed, ledger),
            ledger=ledger,
        )

    return make


@pytest.fixture
def lenet() -> tuple[Layer, ...]:
    """LeNet-300-100's layers on MNIST: 266,200 weights."""
    return LENET
