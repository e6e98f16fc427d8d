from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.report.claims.decide import MOST, decide, seeds_to_decide
from lth_bench.stats import Summary
from lth_bench.stats.interval import interval_of

INFINITE = math.inf
# mean 0.02, deviation 0.01: t(2) = 4.302653, so the interval is 0.02 ± 0.0248414
THREE = Summary.of([0.01, 0.02, 0.03])


@pytest.mark.parametrize(
    ("accepted", "decision"),
    [
        ((-0.0049, INFINITE), "reproduced"),
        ((-0.0048, INFINITE), "insufficient"),
        ((0.0448, INFINITE), "insufficient"),
        ((0.0449, INFINITE), "not reproduced"),
        ((-INFINITE, 0.0449), "reproduced"),
        ((-INFINITE, 0.0448), "insufficient"),
        ((-INFINITE, -0.0049), "not reproduced"),
        ((-0.045, 0.045), "reproduced"),
        ((-0.044, 0.044), "insufficient"),  # mean within, one end outside
        ((0.019, 0.021), "insufficient"),  # the interval is wider than what is accepted
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


def test_seeds_by_hand():
    # t(3) = 3.182446: 0.01 · 3.182 / 2 = 0.0159 < 0.02 ≤ 0.0248 of three seeds
    assert seeds_to_decide(THREE, (0, INFINITE)) == 4
    # t(7) = 2.364624: 0.01 · 2.365 / √8 = 0.00836; t(8) = 2.306004: / √9 = 0.00769
    assert seeds_to_decide(THREE, (0.012, INFINITE)) == 9
    assert seeds_to_decide(THREE, (0.02, INFINITE)) is None  # at the threshold
    assert seeds_to_decide(THREE, (-0.02, 0.03)) == seeds_to_decide(THREE, (-INFINITE, 0.03)) == 7
    assert seeds_to_decide(Summary.of([0.1]), (0, INFINITE)) is None


summaries = st.builds(Summary, st.integers(2, 60), st.floats(-1, 1), st.floats(1e-6, 1))
thresholds = st.floats(-1, 1)


@given(summaries, thresholds)
def test_mirrored(summary, threshold):
    other = Summary(summary.n, -summary.mean, summary.deviation)
    at_least, at_most = (threshold, INFINITE), (-INFINITE, -threshold)
    assert decide(summary, at_least) == decide(other, at_most)
    assert seeds_to_decide(summary, at_least) == seeds_to_decide(other, at_most)


@given(summaries, thresholds)
def test_a_claim_and_its_opposite_are_never_both_reproduced(summary, threshold):
    one = decide(summary, (threshold, INFINITE))
    other = decide(summary, (-INFINITE, math.nextafter(threshold, -INFINITE)))
    assert (one == "reproduced") <= (other == "not reproduced")
    assert (one == "insufficient") == (other == "insufficient") or summary.n < 3


@given(summaries, thresholds)
def test_the_number_of_seeds_is_the_smallest_that_decides(summary, threshold):
    accepted = (threshold, INFINITE)
    needed = seeds_to_decide(summary, accepted)

    def decides(n: int) -> bool:
        return decide(Summary(n, summary.mean, summary.deviation), accepted) != "insufficient"

    if needed is None:
        reach = interval_of(MOST, 0.0, summary.deviation).high
        assert reach is not None and reach >= abs(summary.mean - threshold)
        return
    assert decides(needed)
    assert needed == 3 or not decides(needed - 1)
    if decide(summary, accepted) == "insufficient":
        assert needed > summary.n or summary.n < 3
