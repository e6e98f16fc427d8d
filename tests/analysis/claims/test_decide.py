from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.analysis.claims.decide import decide, outlook_of
from lth_bench.stats import Forecast, Summary

INFINITE = math.inf
# mean 0.02, deviation 0.01: t(2) = 4.302653, so the interval is 0.02 ± 0.0248414
THREE = Summary.of([0.01, 0.02, 0.03])


@pytest.mark.parametrize(
    ("accepted", "decision"),
    [
        ((-0.0049, INFINITE), "reproduced"),
        ((-0.0048, INFINITE), "open"),
        ((0.0448, INFINITE), "open"),
        ((0.0449, INFINITE), "not reproduced"),
        ((-INFINITE, 0.0449), "reproduced"),
        ((-INFINITE, 0.0448), "open"),
        ((-INFINITE, -0.0049), "not reproduced"),
        ((-0.045, 0.045), "reproduced"),
        ((-0.044, 0.044), "open"),  # mean within, one end outside
        ((0.019, 0.021), "open"),  # the interval is wider than what is accepted
        ((-0.006, -0.0049), "not reproduced"),
    ],
)
def test_by_hand(accepted, decision):
    assert decide(THREE, accepted) == decision


def test_two_seeds_decide_nothing():
    assert decide(Summary.of([0.5, 0.5]), (0, INFINITE)) == "insufficient"
    assert decide(Summary.of([0.5]), (0, INFINITE)) == "insufficient"


def test_equal_values_decide_even_at_the_threshold():
    ones = Summary.of([1.0, 1.0, 1.0])
    assert decide(ones, (1, INFINITE)) == "reproduced"
    assert decide(ones, (1.0001, INFINITE)) == "not reproduced"


def test_by_how_many_seeds():
    # t = 3.46 with 2 degrees of freedom, p = .074: of a clear case the next seed may settle it
    assert outlook_of(THREE, (0, INFINITE)) == Forecast(4, 6)
    near = outlook_of(THREE, (0.012, INFINITE))
    assert near is not None and near.n50 is not None and near.n50 > 4
    at_the_threshold = outlook_of(THREE, (0.02, INFINITE))
    assert at_the_threshold is not None and at_the_threshold.n80 is None
    # two differences have no spread to predict from, and equal ones none at all
    assert outlook_of(Summary.of([0.1, 0.2]), (0, INFINITE)) is None
    assert outlook_of(Summary.of([0.1] * 3), (0.1, INFINITE)) is None


summaries = st.builds(Summary, st.integers(2, 60), st.floats(-1, 1), st.floats(1e-6, 1))
thresholds = st.floats(-1, 1)


@given(summaries, thresholds)
def test_mirrored(summary, threshold):
    other = Summary(summary.n, -summary.mean, summary.deviation)
    at_least, at_most = (threshold, INFINITE), (-INFINITE, -threshold)
    assert decide(summary, at_least) == decide(other, at_most)
    assert outlook_of(summary, at_least) == outlook_of(other, at_most)


@given(summaries, thresholds)
def test_a_claim_and_its_opposite_are_never_both_reproduced(summary, threshold):
    one = decide(summary, (threshold, INFINITE))
    other = decide(summary, (-INFINITE, math.nextafter(threshold, -INFINITE)))
    assert (one == "reproduced") <= (other == "not reproduced")
    assert (one == "open") == (other == "open")
