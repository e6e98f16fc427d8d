"""When a training generalises, from its validation curve."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lth_bench.lottery.generalisation import generalisation
from lth_bench.objectives import Metric
from lth_bench.training.state import CurvePoint

ACCURACY = Metric("accuracy", "fraction", higher_is_better=True)
PERPLEXITY = Metric("perplexity", "", higher_is_better=False)


def curve(scores):
    return [CurvePoint(100 * i, 0.0, 0.0, score) for i, score in enumerate(scores, start=1)]


def test_the_first_evaluation_that_is_good_enough_counts_whatever_comes_later():
    found = generalisation(curve([0.1, 0.2, 0.95, 0.5, 0.99]), 0.95, ACCURACY)
    assert found == {"generalisation_step": 300, "generalised": 1}


def test_without_one_the_step_is_the_budget():
    found = generalisation(curve([0.1, 0.2, 0.949]), 0.95, ACCURACY)
    assert found == {"generalisation_step": 300, "generalised": 0}
    # at the last evaluation it is the same step, but was reached
    found = generalisation(curve([0.1, 0.2, 0.95]), 0.95, ACCURACY)
    assert found == {"generalisation_step": 300, "generalised": 1}


def test_lower_is_better_where_the_metric_says_so():
    found = generalisation(curve([20.0, 9.0, 8.0]), 9.5, PERPLEXITY)
    assert found == {"generalisation_step": 200, "generalised": 1}


def test_a_task_that_does_not_ask_has_neither_metric():
    assert generalisation(curve([0.1, 1.0]), None, ACCURACY) == {}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.01, 1), st.floats(0, 1))
def test_a_lower_threshold_is_never_met_later(scores, threshold, part):
    high = generalisation(curve(scores), threshold, ACCURACY)
    low = generalisation(curve(scores), threshold * part, ACCURACY)
    assert low["generalisation_step"] <= high["generalisation_step"]
    assert low["generalised"] >= high["generalised"]


def test_a_value_that_is_no_number_generalises_nowhere():
    found = generalisation(curve([float("nan"), 0.2]), 0.1, ACCURACY)
    assert found == {"generalisation_step": 200, "generalised": 1}
