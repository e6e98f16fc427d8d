from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lth_bench.stats import Summary, chance_settled, forecast, judge
from lth_bench.stats.predictive import (
    MOST,
    Forecast,
    beyond,
    different_or_alike,
    inside_or_outside,
    verdict_forecast,
)

VERDICT = different_or_alike(0.5)


# by simulation with 20,000 samples a cell; mean and deviation in points, margin half a point
@pytest.mark.parametrize(
    ("summary", "chances", "expected"),
    [
        (Summary(3, 9.73, 5.219), {5: 0.77, 10: 0.85, 30: 0.91}, Forecast(4, 7)),
        (Summary(3, 0.9, 0.6), {5: 0.66, 10: 0.79}, Forecast(4, 11)),
        (Summary(5, 0.1, 0.5), {10: 0.66, 20: 0.90}, Forecast(6, 15)),
        (Summary(10, 0.45, 1.0), {20: 0.53}, Forecast(20, 35)),
    ],
)
def test_worked_examples(summary: Summary, chances: dict[int, float], expected: Forecast) -> None:
    for n, chance in chances.items():
        assert chance_settled(summary, n, VERDICT) == pytest.approx(chance, abs=0.02)
    assert forecast(summary, VERDICT) == expected


# p = .06, .10, .30 and a margin of a tenth of the deviation
@pytest.mark.parametrize(
    ("n", "p", "expected"),
    [(3, 0.06, (4, 4)), (3, 0.10, (4, 9)), (3, 0.30, (9, 51)), (5, 0.06, (6, 9)),
     (5, 0.10, (7, 18)), (5, 0.30, (17, 95)), (10, 0.06, (11, 22)), (10, 0.10, (14, 41))],
)  # fmt: skip
def test_seeds_by_p_value(n: int, p: float, expected: tuple[int, int]) -> None:
    effect = stats.t.isf(p / 2, n - 1) / math.sqrt(n)
    found = verdict_forecast(n, effect, 0.1)
    assert found == pytest.approx(expected, rel=0.08, abs=1)


def test_it_comes_true_as_often_as_it_says() -> None:
    """Of rows like this one, drawn from the predictive distribution itself by another route."""
    rng = np.random.default_rng(5)
    summary, n, draws = Summary(5, 0.4, 0.6), 12, 4000
    sigma = 0.6 * np.sqrt(4 / rng.chisquare(4, draws))
    mean = 0.4 + sigma * rng.standard_normal(draws) / math.sqrt(5)
    seen = np.array([0.4 + 0.6 * x for x in (-1.2, -0.6, 0.0, 0.6, 1.2)])
    seen = 0.4 + (seen - 0.4) * 0.6 / seen.std(ddof=1)
    assert Summary.of(seen).deviation == pytest.approx(summary.deviation)
    more = mean[:, None] + sigma[:, None] * rng.standard_normal((draws, n - 5))
    whole = np.concatenate([np.broadcast_to(seen, (draws, 5)), more], axis=1)
    kinds = [judge(Summary.of(row), margin=0.5).kind for row in whole]
    share = sum(kind in ("better", "worse", "equivalent") for kind in kinds) / draws
    assert chance_settled(summary, n, VERDICT) == pytest.approx(share, abs=0.03)


@given(st.integers(3, 30), st.floats(0.0, 1.0), st.floats(0.05, 3.0))
def test_more_seeds_settle_more_and_the_numbers_are_the_first(
    n: int, effect: float, margin: float
) -> None:
    summary, settled = Summary(n, effect, 1.0), different_or_alike(margin)
    found = forecast(summary, settled)
    for least, needed in ((0.5, found.n50), (0.8, found.n80)):
        if needed is None:
            assert chance_settled(summary, MOST, settled) < least
        else:
            assert n < needed <= MOST
            assert chance_settled(summary, needed, settled) >= least - 0.02
            if needed > n + 6:
                assert chance_settled(summary, needed - 6, settled) < least + 0.02


def test_other_questions() -> None:
    summary = Summary(4, 0.02, 0.02)
    # far inside, far outside, and on the threshold
    assert forecast(summary, inside_or_outside(-1.0, 1.0)) == Forecast(5, 5)
    assert forecast(summary, inside_or_outside(1.0, math.inf)) == Forecast(5, 5)
    assert forecast(summary, beyond(-1.0)) == Forecast(5, 5)
    for question in (inside_or_outside(0.02, math.inf), beyond(0.02)):
        near = forecast(summary, question)
        assert near.n50 is not None
        assert (near.n50 > 20, near.n80) == (True, None)


def test_nothing_is_forecast_beyond_a_hundred_seeds() -> None:
    assert forecast(Summary(100, 0.1, 1.0), VERDICT) == Forecast(None, None)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="of more than 5 seeds, but got 5"):
        chance_settled(Summary(5, 0.1, 1.0), 5, VERDICT)
    with pytest.raises(ValueError, match="needs a spread"):
        chance_settled(Summary(5, 0.1, 0.0), 6, VERDICT)
    with pytest.raises(ValueError, match="a step is finite and at least 0, but got -1"):
        Summary(5, 0.1, 0.0).floored(-1)
