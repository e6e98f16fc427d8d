from __future__ import annotations

import pytest

from lth_bench.analysis.numbers import count, half_width, kept, p_value, points, ratio


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999.5, "1,000"), (9999, "9,999"), (9999.6, "10.0k"), (62_560, "62.6k"),
     (999_949, "999.9k"), (999_951, "1.00M"), (1.25e6, "1.25M"), (None, "–")],
)  # fmt: skip
def test_counts_are_short(number: float | None, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("density", "text"),
    [(1, "100.00"), (0.2107, "21.07"), (0.0047, "0.47"), (0.00047, "0.047"), (0.00001, "0.0010"),
     (1.234e-7, "0.000012"), (0.001, "0.10")],
)  # fmt: skip
def test_a_density_has_two_digits_however_small(density: float, text: str) -> None:
    assert kept(density) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(4.256, "4.26"), (0.364, "0.36"), (0.0364, "0.036"), (0, "0.00"), (125.0, "125.00")],
)
def test_a_ratio_too(number: float, text: str) -> None:
    assert ratio(number) == text


def test_differences_are_in_points_with_a_true_minus() -> None:
    assert [points(x) for x in (0.004, -0.0041, 0.0)] == ["+0.40", "−0.41", "+0.00"]
    assert half_width(0.5, 0.514) == "1.40"
    assert half_width(0.5, None) == half_width(None, None) == ""


def test_a_p_value_has_two_digits() -> None:
    shown = [p_value(p) for p in (0.0123, 0.0009, 1.0, None)]
    assert shown == ["0.012", "<0.001", "1", "–"]
