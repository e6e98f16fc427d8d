from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.lottery.histograms import BINS, histogram, histograms
from lth_bench.masks import Layer, Mask


def test_bins_worked_by_hand() -> None:
    # reach 1: bins 1/32 wide, the first at −1
    reach, counts = histogram(torch.tensor([-1.0, -0.99, 0.0, 0.03, 0.04, 1.0]))
    assert reach == 1.0
    assert {i: c for i, c in enumerate(counts) if c} == {0: 2, 32: 2, 33: 1, 63: 1}


@pytest.mark.parametrize(
    ("largest", "reach"), [(1.0, 1.0), (1.001, 2.0), (0.5, 0.5), (0.3, 0.5), (0.0, 2.0**-20)]
)
def test_reach_is_the_power_of_two_that_is_not_below(largest: float, reach: float) -> None:
    assert histogram(torch.tensor([-largest]))[0] == reach


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=50))
def test_agrees_with_numpy_and_merges_exactly(values: list[float]) -> None:
    reach, counts = histogram(torch.tensor(values))
    assert counts == np.histogram(values, bins=BINS, range=(-reach, reach))[0].tolist()
    # at twice the reach, the inner half of the bins are pairs of these
    wide = np.histogram(values, bins=BINS, range=(-2 * reach, 2 * reach))[0]
    pairs = np.add.reduceat(counts, range(0, BINS, 2)).tolist()
    inner = wide[BINS // 4 : -BINS // 4].tolist()
    if reach not in values:  # the closed last bin goes on to the next one
        assert pairs == inner


def test_only_survivors_count() -> None:
    layers = (Layer("a", "linear", (2, 2)), Layer("b", "output", (1, 2)))
    mask = Mask({"a": torch.tensor([[True, False], [True, True]]),
                 "b": torch.zeros(1, 2, dtype=torch.bool)})  # fmt: skip
    start = {"a.weight": torch.tensor([[0.1, 9.0], [0.2, 0.3]]), "b.weight": torch.ones(1, 2)}
    end = {"a.weight": torch.zeros(2, 2), "b.weight": torch.zeros(1, 2)}
    found = histograms(layers, mask, start, end)
    assert [(h["layer"], h["moment"], h["reach"], sum(h["counts"])) for h in found] == [
        ("a", "start", 0.5, 3), ("a", "end", 2.0**-20, 3),
    ]  # fmt: skip


def test_weights_that_overflowed_lie_in_no_bin() -> None:
    layers = (Layer("a", "output", (1, 3)),)
    mask = Mask({"a": torch.ones(1, 3, dtype=torch.bool)})
    start = {"a.weight": torch.tensor([[0.1, 0.2, 0.3]])}
    end = {"a.weight": torch.tensor([[torch.nan, torch.inf, 0.25]])}
    found = histograms(layers, mask, start, end)
    assert [(h["moment"], h["reach"], sum(h["counts"])) for h in found] == [
        ("start", 0.5, 3), ("end", 0.25, 1),
    ]  # fmt: skip
    assert len(histograms(layers, mask, start, {"a.weight": torch.full((1, 3), torch.nan)})) == 1
