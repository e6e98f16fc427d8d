from __future__ import annotations

import random

import pytest

from lth_bench.stats import foreseen, prediction_interval, t_interval


def test_an_interval_worked_by_hand() -> None:
    """Mean 2, s = 1, n = 3, t(2, .975) = 4.302653: 2 ± 4.302653 · √(4/3)."""
    found = prediction_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.n) == (2.0, 3)
    assert found.low == pytest.approx(2 - 4.968275, abs=1e-6)
    assert found.high == pytest.approx(2 + 4.968275, abs=1e-6)


def test_it_is_wider_than_that_of_the_mean_by_the_root_of_n_plus_1() -> None:
    values = [0.91, 0.93, 0.95, 0.92]
    mean, one = t_interval(values), prediction_interval(values)
    assert one.half_width is not None
    assert mean.half_width is not None
    assert one.half_width / mean.half_width == pytest.approx(5**0.5)


def test_it_covers_a_new_value_as_often_as_it_says() -> None:
    draws = random.Random(0)
    hits = 0
    for _ in range(2000):
        *seen, new = (draws.gauss(0.9, 0.02) for _ in range(6))
        hits += bool(foreseen(prediction_interval(seen), new))
    assert 0.935 < hits / 2000 < 0.965  # three standard errors of 2,000 draws


def test_equal_seeds_do_not_make_the_next_one_certain() -> None:
    """Three seeds right on the same 450 of 500 images: half a step is their deviation."""
    none = prediction_interval([0.9, 0.9, 0.9])
    step = prediction_interval([0.9, 0.9, 0.9], step=1 / 500)
    assert foreseen(none, 0.9)
    assert not foreseen(none, 0.902)
    assert foreseen(step, 0.902)
    assert not foreseen(step, 0.908)


def test_one_seed_foresees_nothing() -> None:
    found = prediction_interval([0.9])
    assert (found.low, found.high) == (None, None)
    assert foreseen(found, 0.9) is None


def test_a_level_outside_of_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), but got 1.5"):
        prediction_interval([0.1, 0.2], level=1.5)
