"""SNFS's rewiring, worked by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench import Layers, Mask, StepView
from lth_strategies.snfs import SNFS, divide_growth, momentum_shares, removals


def test_two_layers():
    """8 places and 4 weights each, p = 1/2, mean |momentum| of kept weights 0.3 and 0.1: 2 + 2 go;
    the shares are 3/4 and 1/4, so 3 and 1 come: 5 and 3 are kept.
    """
    kept = torch.tensor([True] * 4 + [False] * 4)
    weight = torch.tensor([1.0, -2.0, 0.1, -0.2, 0, 0, 0, 0])
    speeds = {
        "a": torch.tensor([0.3, -0.3, 0.5, 0.1, 0.0, 0.9, -0.8, 0.0]),
        "b": torch.tensor([0.1, 0.1, -0.2, 0.0, 0.0, 0.0, 0.7, 0.0]),
    }
    view = StepView(
        step=5, end=10, values={"a.weight": weight, "b.weight": weight}, gradients=Layers({}),
        optimizer_state={f"{n}.weight": {"momentum_buffer": m} for n, m in speeds.items()},
        mask=Mask({"a": kept, "b": kept}), memo={},
    )  # fmt: skip
    # halfway down the cosine p is the mean of both ends
    change = SNFS(drop_fraction=0.9, last_fraction=0.1).rewire(view)
    # of a: 0.1 and −0.2 go; momentum is largest at 5, 6 and, of the places just left, 2
    assert change.mask.kept["a"].nonzero().flatten().tolist() == [0, 1, 2, 5, 6]
    assert change.mask.kept["b"].nonzero().flatten().tolist() == [0, 1, 6]
    assert change.reset_momentum is None  # new weights keep the momentum that chose them
    assert not change.replace_update


def test_shares_follow_the_kept_weights_momentum():
    mask = Mask({"a": torch.tensor([True, True, False]), "b": torch.tensor([True, False, False])})
    momentum = Layers({"a": torch.tensor([1.0, 3.0, 99.0]), "b": torch.tensor([6.0, 99.0, 99.0])})
    assert momentum_shares(momentum, mask) == pytest.approx({"a": 0.25, "b": 0.75})
    nothing = momentum * 0.0
    assert momentum_shares(nothing, mask) == {"a": 0.5, "b": 0.5}


def test_a_nearly_dense_layer_that_grows_drops_no_more_than_it_lacks():
    assert removals(90, 100, 2.0, 0.5) == 9  # 10% sparse: ⌈0.1 · 90⌉
    assert removals(90, 100, 0.5, 0.5) == 45  # it shrinks
    assert removals(50, 100, 2.0, 0.5) == 25
    assert removals(3, 100, 1.0, 0.01) == 1  # rounded up


def test_what_a_layer_cannot_take_is_spread_evenly():
    # 99% of 10 free places are 9; of the 27 wanted, 18 are over: 9 more each for the others
    assert divide_growth({"a": 0.9, "b": 0.05, "c": 0.05}, 30, {"a": 10, "b": 50, "c": 50}) == {
        "a": 9, "b": 11, "c": 10,
    }  # fmt: skip
    # where there is no other place, a layer fills up
    assert divide_growth({"a": 0.5, "b": 0.5}, 6, {"a": 3, "b": 3}) == {"a": 3, "b": 3}


@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(0.01, 1)), min_size=1, max_size=6), st.data()
)
def test_growth_adds_up_and_finds_room(layers, data):
    free = {str(i): n for i, (n, _) in enumerate(layers)}
    whole = sum(share for _, share in layers)
    shares = {str(i): share / whole for i, (_, share) in enumerate(layers)}
    total = data.draw(st.integers(0, sum(free.values())))
    growth = divide_growth(shares, total, free)
    assert sum(growth.values()) == total
    assert all(0 <= growth[n] <= free[n] for n in free)


def test_an_optimizer_without_momentum_is_refused_when_planned():
    SNFS().check_task(SimpleNamespace(has_momentum=True))
    with pytest.raises(ValueError, match="keeps none; set the recipe's momentum above 0, or use"):
        SNFS().check_task(SimpleNamespace(has_momentum=False))
