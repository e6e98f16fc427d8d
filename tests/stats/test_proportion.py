import math

import pytest
from scipy.stats import binomtest

from lth_bench.stats import wilson


@pytest.mark.parametrize(
    ("count", "n"), [(0, 8), (3, 8), (62, 200), (199, 200), (200, 200), (1, 1)]
)
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_as_scipy_has_it(count, n, level):
    found = wilson(count, n, level)
    expected = binomtest(count, n).proportion_ci(level, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.mean, found.n) == (pytest.approx(count / n), n)


def test_it_has_a_width_where_all_seeds_agree():
    found = wilson(200, 200)
    assert found.low is not None and found.high is not None
    assert 0.97 < found.low < 1 - 3 / 200 and math.isclose(found.high, 1)


@pytest.mark.parametrize(("count", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_is_refused(count, n):
    with pytest.raises(ValueError, match=f"got {count} of {n}"):
        wilson(count, n)
