from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from lth_bench.stats.sequential import ALIKE, DIFFERENT, LOOKS
from lth_bench.stats.spent_error import error_over_looks

TO_30 = tuple(n for n in LOOKS if n <= 30)


@pytest.mark.parametrize(
    ("level", "looks", "expected", "within"),
    [(0.01, (3, 5), 0.01813, 3e-5), (0.004, TO_30, 0.02498, 2e-4), (0.05, TO_30, 0.19674, 5e-4)],
)
def test_known_errors(level: float, looks: tuple[int, ...], expected: float, within: float) -> None:
    assert error_over_looks(level, looks, cells=300) == pytest.approx(expected, abs=within)


def test_a_single_look_spends_its_level() -> None:
    for n in (2, 3, 8):
        assert error_over_looks(0.03, (n,), cells=300) == pytest.approx(0.03, rel=0.01)


def test_the_levels_of_a_look_come_to_five_percent() -> None:
    assert 0.040 < 2 * error_over_looks(DIFFERENT / 2, TO_30, cells=200) < 0.043
    assert 0.041 < error_over_looks(ALIKE, TO_30, cells=200) < 0.044


@pytest.mark.slow
def test_all_looks_together_stay_below_five_percent() -> None:
    assert 0.049 < 2 * error_over_looks(DIFFERENT / 2) < 0.05
    assert 0.049 < error_over_looks(ALIKE) < 0.05


def test_it_agrees_with_simulation() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40_000, 6))
    hit = np.zeros(len(x), bool)
    for n in (3, 4, 6):
        t = x[:, :n].mean(1) / x[:, :n].std(1, ddof=1) * np.sqrt(n)
        hit |= t > scipy.stats.t.isf(0.02, n - 1)
    assert error_over_looks(0.02, (3, 4, 6), cells=200) == pytest.approx(hit.mean(), abs=0.003)


@pytest.mark.parametrize("looks", [(), (1, 3), (5, 3), (3, 3)])
def test_looks_that_there_are_not(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="looks are numbers"):
        error_over_looks(0.01, looks)
