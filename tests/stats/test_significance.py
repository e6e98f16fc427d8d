from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from lth_bench.stats import Summary, holm, paired_t
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
