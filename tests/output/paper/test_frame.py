from __future__ import annotations

import pytest

from lth_bench.output.paper.frame import apart, drawable, legend_names, log_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.015, 3, [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2]),
        (0.95, 2.5, [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5]),
        (1e-5, 2, [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]),
    ],
)
def test_ticks_of_logarithmic_axes(low, high, ticks) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)


def test_close_densities_share_a_tick() -> None:
    ladder = [0.8**i for i in range(1, 16)]
    assert apart([0.6, 0.36, 0.216, 0.13, 0.0467]) == [0.6, 0.36, 0.216, 0.13, 0.0467]
    assert apart(ladder) == pytest.approx([0.8**i for i in range(1, 16, 2)])
    assert apart([0.5, 0.49, 0.1]) == [0.5, 0.1]
    assert apart([0.5]) == [0.5]


def test_markup_and_mathematics_in_names_are_kept() -> None:
    assert drawable("imp/reinit", 40) == "imp/reinit"
    assert drawable("<b>$x_1$</b>", 40) == "<b>$x_1$</b>"


def test_characters_that_the_font_lacks_are_boxes() -> None:
    assert drawable("模型\n", 40) == "□□�"


def test_long_names_keep_both_ends() -> None:
    assert drawable("magnitude_with_a_long_name/reinit", 21) == "magnitude_…ame/reinit"


def test_names_that_would_be_shortened_alike_stay_long() -> None:
    long = ["x" * 30 + middle + "y" * 30 for middle in "ab"]
    assert legend_names(long) == long
    assert len(legend_names(long[:1])[0]) <= 22


def test_names_with_a_leading_underscore_are_in_the_legend() -> None:
    assert drawable("_mine", 40).endswith("_mine")
    assert not drawable("_mine", 40).startswith("_")
