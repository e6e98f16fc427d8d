from __future__ import annotations

from lth_bench.output.figures.legend import drawable, legend_names


def test_names_are_drawn_as_they_are() -> None:
    assert drawable("imp/reinit", 40) == "imp/reinit"
    assert drawable("<b>$x_1$</b>", 40) == "<b>$x_1$</b>"


def test_letters_that_the_font_lacks_are_boxes() -> None:
    assert drawable("模型\n", 40) == "□□�"


def test_long_names_keep_both_ends() -> None:
    assert drawable("magnitude_with_a_long_name/reinit", 21) == "magnitude_…ame/reinit"


def test_names_that_would_become_the_same_stay_long() -> None:
    long = ["x" * 30 + middle + "y" * 30 for middle in "ab"]
    assert legend_names(long) == long
    assert len(legend_names(long[:1])[0]) <= 22


def test_a_leading_underscore_would_hide_a_name() -> None:
    assert drawable("_mine", 40).endswith("_mine")
    assert not drawable("_mine", 40).startswith("_")
