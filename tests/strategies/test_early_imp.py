"""By whose weights masks are chosen: those at step k."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from lth_bench import Layers, Mask
from lth_bench.masks import Layer
from lth_strategies.early_imp import EarlyIMP

LAYERS = (Layer("a", "linear", (4,)),)


def state(weights, step):
    return SimpleNamespace(weights=Layers({"a": torch.tensor(weights)}), step=step)


EARLY, LATE = state([1.0, 2.0, 3.0, 4.0], 25), state([4.0, 3.0, 2.0, 1.0], 100)


def kept(strategy, **facts):
    ticket = SimpleNamespace(mask=Mask.ones(LAYERS), target=0.5, total_steps=100, **facts)
    return strategy.select_mask(ticket).kept["a"].tolist()


@pytest.mark.parametrize(
    ("fraction", "total", "k"), [(0.2, 1000, 200), (0.001, 8, 1), (1.0, 50, 50), (0.034, 100, 3)]
)
def test_k(fraction, total, k):
    strategy = EarlyIMP(mask_fraction=fraction)
    assert strategy.mask_step(total) == strategy.search_steps(total) == k
    assert list(strategy.dense_checkpoints(total)) == [k]


def test_the_first_round_reads_the_dense_run_at_k():
    dense = SimpleNamespace(at={25: EARLY}.__getitem__)
    found = kept(EarlyIMP(prune_rate=0.5, mask_fraction=0.25), dense=dense, before=None)
    assert found == [False, False, True, True]


def test_later_rounds_train_the_ticket_before_up_to_k():
    asked = []

    def fit(end):
        asked.append(end)
        return EARLY

    found = kept(EarlyIMP(prune_rate=0.5, mask_fraction=0.25), before=LATE, fit=fit)
    assert found == [False, False, True, True] and asked == [25]


def test_at_the_end_it_is_imp_and_trains_nothing_more():
    found = kept(EarlyIMP(prune_rate=0.5, mask_fraction=1.0), before=LATE)
    assert found == [True, True, False, False]
