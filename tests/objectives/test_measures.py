"""Metrics agree with scikit-learn's, ties, missing classes and constant components included."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn

from lth_bench.objectives.measures import (
    accuracy,
    average_precision,
    balanced_accuracy,
    f1,
    r2,
    rmse,
)

EXACT = 1e-12
SHAPES = st.tuples(st.integers(2, 30), st.integers(1, 4))
REAL = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: round(x, 3))


@given(st.data())
def test_average_precision_and_f1(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    # few distinct scores: ties are the rule
    scores = data.draw(arrays.arrays(np.float64, shape, elements=st.integers(-3, 3).map(float)))
    labels = data.draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    with warnings.catch_warnings():  # of a label that no example has
        warnings.simplefilter("ignore")
        theirs = [sklearn.average_precision_score(y, s) for s, y in zip(scores.T, labels.T)]  # noqa: B905
        f1s = [sklearn.f1_score(y, s > 0, zero_division=0) for s, y in zip(scores.T, labels.T)]  # noqa: B905
    x, y = torch.from_numpy(scores), torch.from_numpy(labels)
    assert average_precision(x, y).tolist() == pytest.approx(theirs, abs=EXACT)
    assert f1(x > 0, y).tolist() == pytest.approx(f1s, abs=EXACT)


@given(st.data())
def test_rmse_and_r2(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    found = data.draw(arrays.arrays(np.float64, shape, elements=REAL))
    # few distinct values: components that do not vary come up
    values = data.draw(arrays.arrays(np.float64, shape, elements=st.integers(-2, 2).map(float)))
    if data.draw(st.booleans()):
        found = values.copy()
    x, y = torch.from_numpy(found), torch.from_numpy(values)
    assert r2(x, y) == pytest.approx(sklearn.r2_score(values, found), rel=EXACT, abs=EXACT)
    theirs = sklearn.root_mean_squared_error(values, found)
    assert rmse(x, y) == pytest.approx(theirs, rel=EXACT, abs=EXACT)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_accuracies(pairs: list[tuple[int, int]]) -> None:
    found, targets = (torch.tensor(x) for x in zip(*pairs, strict=True))
    with warnings.catch_warnings():  # of classes that are found and do not occur
        warnings.simplefilter("ignore")
        theirs = sklearn.balanced_accuracy_score(targets, found)
    assert balanced_accuracy(found, targets) == pytest.approx(theirs, abs=EXACT)
    assert accuracy(found, targets) == pytest.approx(sklearn.accuracy_score(targets, found))
