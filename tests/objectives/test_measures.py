"""Metrics agree with scikit-learn's: ties, missing classes, constant components, one example."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lth_bench.data.info import DatasetInfo
from lth_bench.objectives import CrossEntropy
from lth_bench.objectives.binary import BinaryCrossEntropy
from lth_bench.objectives.cross_entropy import FocalLoss, WeightedCrossEntropy
from lth_bench.objectives.measures import average_precision, f1, r2, rmse
from lth_bench.objectives.squared_error import SquaredError

sklearn = pytest.importorskip("sklearn.metrics")
EXACT = 1e-12
SHAPES = st.tuples(st.integers(1, 30), st.integers(1, 4))
FLOATS = st.sampled_from([np.float32, np.float64])
REAL = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: round(x, 3))


def quietly(metric: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Without warnings of labels that no example has, and of classes found that do not occur."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return metric(*args, **options)


def by_column(metric: Callable[..., Any], ours: Any, theirs: Any, **options: Any) -> list[float]:
    return [quietly(metric, y, s, **options) for s, y in zip(ours.T, theirs.T, strict=True)]


def tensors(*given: Any) -> list[torch.Tensor]:
    return [torch.from_numpy(x) for x in given]


@given(st.data())
def test_average_precision_and_f1(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    # few distinct scores: ties are the rule
    steps = data.draw(st.sampled_from([1.0, 0.1, 1e-30]))
    scores = data.draw(
        arrays.arrays(data.draw(FLOATS), shape, elements=st.integers(-3, 3).map(float))
    )
    scores *= scores.dtype.type(steps)
    labels = data.draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    absent = data.draw(st.booleans())
    labels[:, 0] &= not absent
    precisions = by_column(sklearn.average_precision_score, scores, labels)
    f1s = by_column(sklearn.f1_score, scores > 0, labels, zero_division=0)
    x, y = tensors(scores, labels)
    assert average_precision(x, y).tolist() == pytest.approx(precisions, rel=EXACT, abs=EXACT)
    assert f1(x > 0, y).tolist() == pytest.approx(f1s, rel=EXACT, abs=EXACT)
    measured = BinaryCrossEntropy().measure(x, y)
    expected = {"map": np.mean(precisions), "f1": np.mean(f1s)}
    if shape[1] > 1:  # sklearn takes one column as one label of two classes
        expected = {
            "map": quietly(sklearn.average_precision_score, labels, scores),
            "f1": quietly(sklearn.f1_score, labels, scores > 0, average="macro", zero_division=0),
        }
    assert measured == pytest.approx(expected, rel=EXACT, abs=EXACT)


@given(st.data())
def test_rmse_and_r2(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    found = data.draw(arrays.arrays(np.float64, shape, elements=REAL))
    # few distinct values: components that do not vary come up
    values = data.draw(arrays.arrays(np.float64, shape, elements=st.integers(-2, 2).map(float)))
    if data.draw(st.booleans()):
        found = values.copy()
    x, y = tensors(found, values)
    assert rmse(x, y) == pytest.approx(
        sklearn.root_mean_squared_error(values, found), rel=EXACT, abs=EXACT
    )
    if shape[0] == 1:
        assert np.isnan(quietly(sklearn.r2_score, values, found))
        assert r2(x, y) == np.mean(found == values)
    else:
        assert r2(x, y) == pytest.approx(sklearn.r2_score(values, found), rel=EXACT, abs=EXACT)


@given(st.data())
def test_predictions_of_float32_outputs(data: st.DataObject) -> None:
    """Outputs and targets of float32, in the targets' units."""
    n, d = data.draw(st.tuples(st.integers(2, 20), st.integers(1, 3)))
    some = arrays.arrays(np.float32, (n, d), elements=st.integers(-90, 90).map(lambda i: i / 16))
    outputs, values = data.draw(some), data.draw(some)
    values[0] = values[1] + 1  # no component is constant
    x, y = tensors(outputs, values)
    info = DatasetInfo((4,), d, n, 2, inputs="features", targets="values")
    objective = SquaredError().bound(y, info)
    wide = values.astype(np.float64)
    predicted = outputs.astype(np.float64) * wide.std(0) + wide.mean(0)
    measured = objective.measure(objective.evidence(x, y), y)
    assert measured == pytest.approx(
        {
            "rmse": sklearn.root_mean_squared_error(wide, predicted),
            "r2": sklearn.r2_score(wide, predicted),
        },
        rel=EXACT, abs=EXACT,
    )  # fmt: skip


@given(st.floats(-1e6, 1e6), st.integers(1, 40))
def test_constant_targets_are_told_whatever_their_mean_rounds_to(value: float, n: int) -> None:
    """sklearn compares with the mean: three times 0.1 have the mean 0.10000000000000002."""
    values = torch.full((n, 1), value, dtype=torch.float64)
    assert r2(values.clone(), values) == 1.0
    assert r2(values + 1, values) == 0.0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40), FLOATS)
def test_accuracies(pairs: list[tuple[int, int]], kind: Any) -> None:
    found, targets = (np.array(x) for x in zip(*pairs, strict=True))
    (outputs,), y = tensors(np.eye(5, dtype=kind)[found]), torch.from_numpy(targets)
    balanced = quietly(sklearn.balanced_accuracy_score, targets, found)
    expected = {"balanced_accuracy": balanced, "accuracy": sklearn.accuracy_score(targets, found)}
    for objective in (WeightedCrossEntropy((1.0,) * 5), FocalLoss()):
        measured = objective.measure(objective.evidence(outputs, y), y)
        assert measured == pytest.approx(expected, rel=EXACT, abs=EXACT)
    assert CrossEntropy().measure(outputs, y)["accuracy"] == pytest.approx(expected["accuracy"])
