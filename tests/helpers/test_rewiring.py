"""Dropping, growing, momentum and exploration, worked by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench import (
    Change,
    Layers,
    Mask,
    StepView,
    UserError,
    drop_smallest,
    exploration_rate,
    grow_largest,
    momentum_of,
    note_explored,
)

KEPT = torch.tensor([True, True, False, True, True, False])


def view(state, mask=None):
    return StepView(
        step=4, end=9, values={}, gradients=Layers({}), optimizer_state={"a.weight": state},
        mask=mask or Mask({"a": KEPT}), memo={},
    )  # fmt: skip


def test_drop_and_grow():
    weight = torch.tensor([0.5, -0.1, 9.0, 0.1, -3.0, 0.0])
    # of the two smallest, ±0.1, the later one goes first
    assert drop_smallest(weight, KEPT, 1).tolist() == [True, True, False, False, True, False]
    stay = drop_smallest(weight, KEPT, 2)
    assert stay.tolist() == [True, False, False, False, True, False]
    # a place that was just given up may be taken again
    score = torch.tensor([9.0, 3.0, 1.0, 2.0, 9.0, 2.5])
    grown = grow_largest(score, stay, 2)
    assert grown.tolist() == [False, True, False, False, False, True]
    with pytest.raises(ValueError, match="cannot grow 5 weights: 4 positions are free"):
        grow_largest(score, stay, 5)


@given(st.data())
def test_counts_hold(data):
    n = data.draw(st.integers(1, 30))
    kept = torch.tensor(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    values = st.lists(st.integers(-2, 2), min_size=n, max_size=n)  # with ties
    weight, score = (torch.tensor(data.draw(values), dtype=torch.float32) for _ in range(2))
    gone = data.draw(st.integers(0, int(kept.sum())))
    stay = drop_smallest(weight, kept, gone)
    grown = grow_largest(score, stay, gone)
    assert int(stay.sum()) == int(kept.sum()) - gone and int(grown.sum()) == gone
    assert not bool((stay & ~kept).any()) and not bool((stay & grown).any())


def test_momentum_of_sgd_and_adam():
    buffer = torch.tensor([1.0, -2.0])
    mask = Mask({"a": torch.tensor([True, False])})
    assert momentum_of(view({"momentum_buffer": buffer}, mask))["a"].tolist() == [1, -2]
    adam = {"step": torch.tensor(3.0), "exp_avg": buffer, "exp_avg_sq": torch.tensor([4.0, 16.0])}
    assert momentum_of(view(adam, mask))["a"].tolist() == pytest.approx([0.5, -0.5])
    with pytest.raises(UserError, match="the optimizer keeps none; use SGD with a momentum"):
        momentum_of(view({}, mask))


def test_exploration_rate():
    """Masks {1, 2} and {2, 3} of four weights: three of them were ever kept."""
    seen = view({}, Mask({"a": torch.tensor([True, True, False, False])}))
    assert exploration_rate(seen.memo) is None
    note_explored(seen, None)
    assert exploration_rate(seen.memo) == 0.5
    note_explored(seen, Change(Mask({"a": torch.tensor([False, True, True, False])})))
    assert exploration_rate(seen.memo) == 0.75
    # the masks themselves are left alone
    assert seen.mask.kept["a"].tolist() == [True, True, False, False]
