from __future__ import annotations

import pytest

from lth_bench.output.interval import IntervalScale, none_known

SCALE = IntervalScale(low=-5.0, high=5.0, width=11)


@pytest.mark.parametrize(
    ("interval", "drawn"),
    [
        ((-3.0, -1.0, 1.0), "  ├─●┼┤    "),
        ((1.0, 2.0, 3.0), "     │├●┤  "),
        ((-2.0, 0.0, 2.0), "   ├─●─┤   "),
        ((None, 3.0, None), "     │  ●  "),
        ((-9.0, -4.0, -2.0), "◄●─┤ │     "),
        ((-9.0, -8.0, -7.0), "◄    │     "),
        ((4.0, 8.0, 9.0), "     │   ├►"),
        ((None, None, None), "     │     "),
    ],
)
def test_an_interval_is_drawn_on_its_scale(interval, drawn: str) -> None:
    assert SCALE.draw(interval) == drawn


def test_ascii() -> None:
    plain = IntervalScale(low=-5.0, high=5.0, width=11, plain=True)
    assert plain.draw((-3.0, -1.0, 1.0)) == "  [-o+]    "
    assert plain.draw((-9.0, 0.0, 9.0)) == "<----o---->"


def test_better_is_right_where_lower_is_better() -> None:
    lower = IntervalScale(low=-5.0, high=5.0, width=11, higher=False)
    assert lower.draw((1.0, 2.0, 3.0)) == "  ├●┤│     "


def test_a_scale_leaves_out_what_is_far_behind_and_never_the_first() -> None:
    found = IntervalScale.over([(0.0, 1.0, 2.0), (-1.0, 0.0, 1.0), (-90.0, -80.0, -70.0)], 20)
    assert -2 < found.low < -1 and 2 < found.high < 3
    best_far_off = IntervalScale.over([(7.0, 8.0, 9.0), (-1.0, 0.0, 1.0), (0.0, 1.0, 2.0)], 20)
    assert best_far_off.high > 9
    assert IntervalScale.over([(None, None, None)], 20).draw((0.0, 0.0, 0.0)).count("●") == 1


def test_a_heading_has_the_ends_and_0_where_there_is_room() -> None:
    assert SCALE.heading("-5", "+5") == "-5   0   +5"
    assert SCALE.heading("-5.00", "+5.00") == "-5.00 +5.00"
    assert SCALE.heading("-5.000000", "+5.00") == "     0     "


def test_nothing_known() -> None:
    assert none_known([(None, None, None)]) and not none_known([(None, 1.0, None)])
