from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from lth_bench.stats import Summary, judge
from lth_bench.stats.signs import sign_p

SIGNS = st.lists(st.sampled_from([1, -1, 0]), max_size=30)


@given(SIGNS)
def test_as_the_binomial_test_of_scipy(signs):
    m = sum(map(abs, signs))
    expected = binomtest(signs.count(1), m).pvalue if m else 1.0
    assert sign_p(signs) == pytest.approx(expected)


@given(SIGNS)
def test_it_does_not_matter_which_side_is_first(signs):
    assert sign_p(signs) == sign_p([-s for s in signs])


def test_six_that_agree_are_needed():
    assert sign_p([1] * 5) == pytest.approx(0.0625)
    assert sign_p([1] * 6) == pytest.approx(0.03125)


def judged(signs, differences, higher=False):
    return judge(Summary.of(differences), 5.0, higher=higher, unit="steps", signs=signs)


def test_the_order_decides_and_not_the_size():
    # the budget hides by how much the first two are earlier
    found = judged([1] * 6, [-1, -1, -900, -800, -950, -700])
    assert (found.kind, found.p) == ("better", pytest.approx(0.03125))
    assert judged([-1] * 6, [1, 1, 900, 800, 950, 700]).kind == "worse"


def test_two_sides_that_never_got_there_are_not_called_equivalent():
    assert judge(Summary.of([0.0] * 6), 5.0, unit="steps").kind == "equivalent"
    found = judged([0] * 6, [0.0] * 6)
    assert (found.kind, found.p, found.p_equivalent, found.forecast) == ("open", 1.0, None, None)
    assert found.text == "open: ahead on 0 of 6 seeds, behind on 0 (sign test)"


def test_lost_seeds_and_few_seeds_come_first():
    assert judged([1, 1], [-1, -2]).kind == "insufficient"
    found = judge(Summary.of([-1.0] * 6), 5.0, signs=[1] * 6, lost=1)
    assert found.kind == "failed"
