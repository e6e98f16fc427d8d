"""Schedules at positions worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench import cosine, exponential_density, polynomial_density


def test_exponential():
    # a quarter in two halvings
    assert [exponential_density(t, 2, 0.25) for t in (0, 1, 2)] == [1, 0.5, 0.25]
    assert exponential_density(1, 2, 0.02, initial=0.5) == pytest.approx(0.1)
    # SynFlow's first of 100 rounds at 0.1%
    assert exponential_density(1, 100, 1e-3) == pytest.approx(1e-3**0.01)
    # exp(−(x+1)·|ln k| / N), FORCE's form of the same
    assert exponential_density(3, 10, 0.05) == pytest.approx(
        math.exp(-3 * abs(math.log(0.05)) / 10)
    )


def test_cubic():
    """Zhu & Gupta: s = s_f + (s_i − s_f)(1 − t/n)³; halfway to 90% sparse 0.9 − 0.9/8 = 0.7875."""
    assert polynomial_density(5, 10, 0.1) == pytest.approx(1 - 0.7875)
    assert polynomial_density(0, 10, 0.1, 0.5) == pytest.approx(0.5)
    assert polynomial_density(3, 10, 0.1, 0.5, power=1) == pytest.approx(0.5 - 0.3 * 0.4)


def test_cosine():
    """RigL's α = 0.3 over 300 steps: half of it halfway, three quarters after a third."""
    assert [cosine(t, 300, 0.3) for t in (0, 100, 150, 300)] == pytest.approx([0.3, 0.225, 0.15, 0])
    assert cosine(1, 2, 4.0, final=2.0) == pytest.approx(3.0)


@pytest.mark.parametrize("schedule", [exponential_density, polynomial_density])
@given(
    n=st.floats(0.5, 1e6), final=st.floats(1e-6, 1), t=st.floats(-10, 2e6), later=st.floats(0, 1e6)
)
def test_densities_fall_from_one_value_to_the_other_and_hold(schedule, n, final, t, later):
    assert schedule(-1, n, final) == schedule(0, n, final) == pytest.approx(1)
    assert schedule(n, n, final) == schedule(n + 1, n, final) == final
    assert schedule(t + later, n, final) <= schedule(t, n, final) * (1 + 1e-12)
    assert final * (1 - 1e-12) <= schedule(t, n, final) <= 1 + 1e-12


@pytest.mark.parametrize("schedule", [exponential_density, polynomial_density])
def test_what_is_no_density_is_refused(schedule):
    for final in (0, -0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match="final must be a density in \\(0, 1\\], but got"):
            schedule(1, 2, final)
    with pytest.raises(ValueError, match="initial must be a density"):
        schedule(1, 2, 0.5, 2.0)
    with pytest.raises(ValueError, match="n, the length of the way, must be above 0, but got 0"):
        schedule(1, 0, 0.5)
    with pytest.raises(ValueError, match="power must be above 0"):
        polynomial_density(1, 2, 0.5, power=0)
