from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from thoroughness import cases

from lth_bench.stats import wilcoxon
from lth_bench.stats.signed_rank import leaning

distinct = st.lists(st.integers(1, 10**6), min_size=1, max_size=50, unique=True)
tied = st.lists(st.integers(-3, 3), min_size=1, max_size=6)


@given(distinct, st.data())
def test_equals_scipy_without_ties(sizes: list[int], data: st.DataObject) -> None:
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(sizes), max_size=len(sizes)))
    x = [size * sign for size, sign in zip(sizes, signs, strict=True)]
    assert wilcoxon(x) == pytest.approx(scipy.stats.wilcoxon(x, method="exact").pvalue, rel=1e-9)


@given(tied)
@settings(max_examples=cases(25), deadline=None)
def test_equals_scipy_s_trial_of_all_signs_with_ties_and_zeros(x: list[int]) -> None:
    assume(len(x) > 1 and any(x))
    every = scipy.stats.PermutationMethod(n_resamples=math.inf)
    theirs = scipy.stats.wilcoxon(x, zero_method="pratt", method=every).pvalue
    assert wilcoxon(x) == pytest.approx(theirs, rel=1e-9)


def test_equals_scipy_s_approximation_beyond_fifty() -> None:
    x = np.random.default_rng(0).normal(0.2, 1, 60).round(1)
    theirs = scipy.stats.wilcoxon(x, zero_method="pratt", method="asymptotic").pvalue
    assert wilcoxon(x) == pytest.approx(theirs)


def test_a_published_example() -> None:
    # Demšar (2006), table 2: C4.5 and C4.5+m on 14 data sets. He has R⁻ = 12 and R⁺ = 93 (zeros
    # split between both), the critical value at 0.05 being 21
    plain = [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1, 0.94, 0.619,
             0.972, 0.957]  # fmt: skip
    tuned = [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1, 0.962, 0.666,
             0.981, 0.978]  # fmt: skip
    x = [b - a for a, b in zip(plain, tuned, strict=True)]
    assert leaning(x) == 93 - 12
    assert wilcoxon(x) < 0.05


def test_by_hand() -> None:
    # ranks 1 to 5, all on one side: 2 of the 32 signs are as far from even
    assert wilcoxon([1, 2, 3, 4, 5]) == 2 / 32
    # W⁻ = 1: the signs with a sum of 0 or 1, on either side
    assert wilcoxon([-1, 2, 3, 4, 5]) == 4 / 32
    # ranks 1.5, 1.5, 3: the sums are 0, 1.5 twice, 3 twice, 4.5 twice, 6; W⁻ = 1.5
    assert wilcoxon([1, -1, 2]) == 6 / 8


@pytest.mark.parametrize("n", range(1, 12))
def test_the_smallest_p_there_is(n: int) -> None:
    assert wilcoxon(range(1, n + 1)) == min(1, 2.0 ** (1 - n))


@given(tied, st.floats(0.001, 1000))
def test_sign_unit_and_order_do_not_matter(x: list[int], scale: float) -> None:
    p = wilcoxon(x)
    assert wilcoxon([-value for value in x]) == p
    assert wilcoxon([scale * value for value in x]) == p
    assert wilcoxon(sorted(x)) == p
    assert leaning([-value for value in x]) == -leaning(x)


def test_roundoff_does_not_untie() -> None:
    less = 0.3 - 0.1
    assert less < 0.2
    # a tie shares the ranks 1 and 2; the smaller one alone would have rank 1 and W⁻ = 1
    assert wilcoxon([-less, 0.2, 0.5, 0.7]) == wilcoxon([-2, 2, 5, 7]) == 6 / 16
    assert wilcoxon([-1, 2, 5, 7]) == 4 / 16


def test_an_infinite_difference_ranks_beyond_all_others() -> None:
    assert wilcoxon([1, 2, 3, 4, 5, -math.inf]) == wilcoxon([1, 2, 3, 4, 5, -6])
    assert wilcoxon([1, 2, 3, math.inf, -math.inf]) == wilcoxon([1, 2, 3, 9, -9])
    assert wilcoxon([math.inf, math.inf]) == wilcoxon([1, 1])


def test_nothing_but_zeros_is_no_evidence() -> None:
    assert wilcoxon([0, 0.0, 0]) == 1
    assert leaning([0, 0]) == 0


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one difference"):
        wilcoxon([])
    with pytest.raises(ValueError, match="needs numbers"):
        wilcoxon([0.1, math.nan])
