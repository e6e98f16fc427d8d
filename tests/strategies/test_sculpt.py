"""SCULPT: cycles under one mask, a pruning, a last cycle."""

from __future__ import annotations

import pytest
import torch

from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.sculpt import Sculpt

RECIPE = Recipe(lr=0.2, steps=20, batch_size=20, val_size=60, eval_every=10)


@pytest.mark.parametrize(("slack", "first"), [(2.0, 156), (1.0, 78), (9.0, 312)])
def test_cycles(slack, first, make_bench, make_ticket):
    bench = make_bench(MLP(hidden=(8,)), RECIPE)  # 312 weights
    ticket = make_ticket(bench, target=0.25)
    strategy = Sculpt(cycles=3, slack=slack, allocation="uniform")
    mask = strategy.select_mask(ticket)
    cycles = ticket.ledger.search
    assert [(t.start, t.step) for t in cycles] == [(0, 20)] * 3
    assert strategy.search_steps(20) == 60
    assert mask.count == 78
    values = strategy.rewind_point(ticket).values
    # the weights of the last cycle under its mask; by magnitude over the whole network
    alive = sum(int((values[x.key] != 0).sum()) for x in ticket.layers)
    assert alive == first
    kept = torch.cat([values[x.key][mask.kept[x.name]].abs() for x in ticket.layers])
    gone = torch.cat([values[x.key][~mask.kept[x.name]].abs() for x in ticket.layers])
    assert float(kept.min()) >= float(gone.max())
    # each cycle goes on from the one before, over the same batches at the same rates
    again = make_ticket(bench, target=0.25)
    one = Sculpt(cycles=1, slack=slack, allocation="uniform")
    one.select_mask(again)
    first_mask = cycles[0].key == again.ledger.search[0].key
    assert first_mask and len({t.key for t in cycles}) == 3
