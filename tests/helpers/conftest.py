"""What the tests of the helpers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.ticket import CostLedger, DenseRun, Ticket


@pytest.fixture
def make_ticket(make_bench: Any) -> Callable[..., Ticket]:
    """`make_ticket(model, target=0.5, seed=0, **recipe)`: the ticket of a first `select_mask`."""
    from lth_bench.training.recipe import Recipe

    def make(model: Any, target: float = 0.5, seed: int = 0, **recipe: Any) -> Ticket:
        options = {"steps": 5, "batch_size": 20, "val_size": 60} | recipe
        bench = make_bench(model, Recipe(**options))
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
