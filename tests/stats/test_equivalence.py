from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from lth_bench.stats import Summary, equivalence_p, not_worse_p, paired_t

values = st.lists(st.floats(-1, 1), min_size=2, max_size=20)
margins = st.floats(0.001, 1)


def test_a_published_example() -> None:
    # SAS/STAT's manual, PROC TTEST, "Equivalence Testing with Lognormal Data" (from Wellek, 2003):
    # is the ratio of the geometric means within 0.8 to 1.25? Ratio 0.9412, 90% limits 0.8634 and
    # 1.0260, t = 3.38 and -5.90, p = 0.0031
    test = [103.4, 59.92, 68.17, 94.54, 69.48, 72.17, 74.37, 84.44, 96.74, 94.26, 48.52, 95.68]
    reference = [90.11, 77.71, 77.71, 97.51, 58.21, 101.3, 79.84, 96.06, 89.3, 97.22, 61.62, 85.8]
    summary = Summary.of(math.log(a / b) for a, b in zip(test, reference, strict=True))
    mean, low, high, _ = summary.interval(0.9)
    assert low is not None and high is not None
    assert [math.exp(x) for x in (mean, low, high)] == pytest.approx(
        [0.9412, 0.8634, 1.0260], abs=5e-5
    )
    assert equivalence_p(summary, math.log(1.25)) == pytest.approx(0.0031, abs=5e-5)


@given(values, margins)
def test_equals_scipy_s_two_one_sided_tests(x: list[float], margin: float) -> None:
    assume(np.std(x) > 1e-6)
    # scipy before 1.16 divides by the mean, only to warn of lost precision; it may be subnormal
    assume(abs(np.mean(x)) > 1e-300)
    low = scipy.stats.ttest_1samp(x, -margin, alternative="greater").pvalue
    high = scipy.stats.ttest_1samp(x, margin, alternative="less").pvalue
    assert equivalence_p(Summary.of(x), margin) == pytest.approx(max(low, high), abs=1e-12)
    assert not_worse_p(Summary.of(x), margin) == pytest.approx(low, abs=1e-12)


@given(values, margins)
def test_equivalent_is_a_90_percent_interval_within_the_margin(
    x: list[float], margin: float
) -> None:
    summary = Summary.of(x)
    p = equivalence_p(summary, margin)
    assume(abs(p - 0.05) > 1e-6)
    _, low, high, _ = summary.interval(0.9)
    assert low is not None and high is not None
    assert (p < 0.05) == (-margin < low and high < margin)


@given(values, margins, margins)
def test_a_wider_margin_is_easier(x: list[float], one: float, other: float) -> None:
    summary = Summary.of(x)
    narrow, wide = sorted((one, other))
    assert equivalence_p(summary, wide) <= equivalence_p(summary, narrow)
    assert not_worse_p(summary, wide) <= not_worse_p(summary, narrow)


@given(values, margins)
def test_the_sign_matters_only_to_not_worse(x: list[float], margin: float) -> None:
    summary, mirrored = Summary.of(x), Summary.of(-value for value in x)
    p = equivalence_p(summary, margin)
    assert equivalence_p(mirrored, margin) == p
    assert p == max(not_worse_p(summary, margin), not_worse_p(mirrored, margin))


def test_not_worse_at_margin_0_is_half_the_two_sided_test() -> None:
    summary = Summary.of([0.1, 0.2, 0.05])
    assert 2 * not_worse_p(summary, 0) == pytest.approx(paired_t(summary))


@pytest.mark.parametrize(
    ("x", "p"),
    [
        ([0.004, 0.004, 0.004], 0),  # no spread, within
        ([0.006, 0.006, 0.006], 1),  # no spread, beyond
        ([0.005, 0.005, 0.005], 1),  # on the margin is not within it
        ([0.0], 1),  # one difference is no evidence
    ],
)
def test_without_a_spread(x: list[float], p: float) -> None:
    assert equivalence_p(Summary.of(x), 0.005) == p


@pytest.mark.parametrize("margin", [0.0, -0.1, math.inf, math.nan])
def test_what_is_no_margin_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="finite and above 0, but got"):
        equivalence_p(Summary(3, 0.1, 0.1), margin)
    if margin != 0:
        with pytest.raises(ValueError, match="finite and above 0, but got"):
            not_worse_p(Summary(3, 0.1, 0.1), margin)
