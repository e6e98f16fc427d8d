from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from lth_bench.stats import Summary, equivalence_p, holm, not_worse_p, paired_t
from lth_bench.stats.significance import above_p, below_p

values = st.lists(st.floats(-1, 1), min_size=2, max_size=20)
ps = st.dictionaries(st.integers(), st.floats(0, 1))


# paired t


@given(values, values)
def test_equals_scipy_s_paired_test(a: list[float], b: list[float]) -> None:
    n = min(len(a), len(b))
    x, y = np.array(a[:n]), np.array(b[:n])
    assume(np.std(x - y) > 1e-6)
    assert paired_t(Summary.of(x - y)) == pytest.approx(scipy.stats.ttest_rel(x, y).pvalue)


@given(values, st.floats(-1, 1))
def test_the_halves_equal_scipy_s_one_sided_tests(x: list[float], null: float) -> None:
    assume(np.std(x) > 1e-6)
    summary = Summary.of(x)
    greater = scipy.stats.ttest_1samp(x, null, alternative="greater").pvalue
    assert above_p(summary, null) == pytest.approx(greater, abs=1e-12)
    less = scipy.stats.ttest_1samp(x, null, alternative="less").pvalue
    assert below_p(summary, null) == pytest.approx(less, abs=1e-12)


def test_a_published_example() -> None:
    # Student's sleep data (1908), paired: t = -4.0621, p = 0.002833 in R's ?t.test
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    summary = Summary.of(a - b for a, b in zip(first, second, strict=True))
    assert paired_t(summary) == pytest.approx(0.002833, abs=5e-7)


@given(values, st.floats(0.01, 100))
def test_the_unit_does_not_matter(x: list[float], scale: float) -> None:
    assume(np.std(x) > 1e-6)
    scaled = Summary.of(scale * value for value in x)
    assert paired_t(scaled) == pytest.approx(paired_t(Summary.of(x)), rel=1e-6)


@given(values)
def test_the_sign_does_not_matter_to_the_two_sided_test(x: list[float]) -> None:
    assert paired_t(Summary.of(-value for value in x)) == paired_t(Summary.of(x))


@given(values)
def test_a_significant_difference_is_one_whose_interval_leaves_out_zero(x: list[float]) -> None:
    summary = Summary.of(x)
    p = paired_t(summary)
    assume(abs(p - 0.05) > 1e-6)
    _, low, high, _ = summary.interval(0.95)
    assert low is not None and high is not None
    assert (p < 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize(
    ("x", "two_sided", "above", "below"),
    [
        ([0.01, 0.01, 0.01], 0, 0, 1),  # equal and above: as certain as the formula can be
        ([-0.01, -0.01], 0, 1, 0),
        ([0.0, 0.0, 0.0], 1, 1, 1),  # no difference at all
        ([0.3], 1, 1, 1),  # a single difference is no evidence
    ],
)
def test_without_a_spread(x: list[float], two_sided: float, above: float, below: float) -> None:
    summary = Summary.of(x)
    assert (paired_t(summary), above_p(summary), below_p(summary)) == (two_sided, above, below)


# Holm


def test_holm_s_adjusted_values_are_those_published() -> None:
    # Derrac, García, Molina & Herrera, Swarm and Evolutionary Computation 1 (2011), table 16:
    # eight algorithms against DE-Exp, unadjusted and by Holm's procedure
    raw = {
        "PSO": 0.000006, "CHC": 0.000332, "SSGA": 0.009823, "SS-Arit": 0.014171,
        "IPOP-CMA-ES": 0.083642, "SS-BLX": 0.141093, "DE-Bin": 0.518605, "SaDE": 0.660706,
    }  # fmt: skip
    published = [0.00005, 0.002324, 0.05894, 0.070857, 0.334569, 0.423278, 1, 1]
    # p rounded to six digits, times up to eight
    assert list(holm(raw).values()) == pytest.approx(published, abs=8 * 5e-7)


def test_holm_by_hand() -> None:
    # sorted: 0.005·4 = 0.02, 0.01·3 = 0.03, 0.03·2 = 0.06, and 0.04·1 lifted to 0.06
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]


@given(ps)
def test_holm_lies_between_the_raw_value_and_bonferroni_s(raw: dict[int, float]) -> None:
    for key, p in holm(raw).items():
        assert raw[key] <= p <= min(1, len(raw) * raw[key])


@given(ps)
def test_holm_keeps_the_order(raw: dict[int, float]) -> None:
    adjusted = holm(raw)
    by_raw = [adjusted[key] for key in sorted(raw, key=raw.__getitem__)]
    assert by_raw == sorted(by_raw)


@given(ps, st.floats(0, 1))
def test_holm_of_one_more_is_no_smaller(raw: dict[int, float], p: float) -> None:
    more = holm({**{(key,): value for key, value in raw.items()}, (): p})
    for key, value in holm(raw).items():
        assert more[(key,)] >= value


def test_holm_of_one_and_of_none() -> None:
    assert holm({"a": 0.03}) == {"a": 0.03}
    assert holm({}) == {}


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match=r"lies in \[0, 1\], but 'x' has"):
        holm({"x": p})


margins = st.floats(0.001, 1)


def test_a_published_example_of_equivalence() -> None:
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
def test_equivalence_without_a_spread(x: list[float], p: float) -> None:
    assert equivalence_p(Summary.of(x), 0.005) == p


@pytest.mark.parametrize("margin", [0.0, -0.1, math.inf, math.nan])
def test_what_is_no_margin_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="finite and above 0, but got"):
        equivalence_p(Summary(3, 0.1, 0.1), margin)
    if margin != 0:
        with pytest.raises(ValueError, match="finite and above 0, but got"):
            not_worse_p(Summary(3, 0.1, 0.1), margin)
