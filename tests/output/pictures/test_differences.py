"""Differences against density as pictures."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lth_bench.analysis.evidence import Contrast
from lth_bench.analysis.measures import ACCURACY
from lth_bench.output.pictures.differences import break_even, ingredients
from lth_bench.output.pictures.ranges import reaches


def difference(label: str, control: str, kind: str, to: str, *mean: float) -> Contrast:
    return Contrast(
        strategy=label, label=label, control=control, source="", kind=kind, to=to,
        x=(0.5, 0.2)[: len(mean)], mean=mean, high=(None, 0.0)[: len(mean)], n=(3,) * len(mean),
    )  # fmt: skip


def evidence(*found: Contrast) -> SimpleNamespace:
    return SimpleNamespace(differences=list(found), measure=ACCURACY)


def test_a_panel_a_label_with_its_controls_around_its_own_line() -> None:
    picture = ingredients(
        evidence(
            difference("imp", "reinit", "control", "imp", -0.01, -0.03),
            difference("imp", "shuffle", "control", "imp", -0.02, -0.05),
            difference("mine", "reinit", "control", "mine", -0.01),
            difference("snip", "none", "label", "imp", 0.01),
        )
    )
    first, second = picture.panels
    assert [trace.name for trace in first.traces] == ["imp", "imp/reinit", "imp/shuffle"]
    assert [trace.name for trace in second.traces] == ["mine", "mine/reinit"]
    assert list(first.traces[0].y) == [0, 0]
    assert first.traces[2].reach[1] == pytest.approx(0.05)
    assert (first.y.format, first.key) == ("points", "ingredients-imp")


def test_methods_around_the_baselines_line() -> None:
    given = evidence(
        difference("snip", "none", "label", "imp", -0.01, 0.02),
        difference("imp", "reinit", "control", "imp", -0.01),
    )
    (panel,) = break_even(given).panels
    assert [trace.name for trace in panel.traces] == ["imp", "snip"]
    low, high = panel.y.range
    assert low < -0.01 and high > 0.02


def test_nothing_without_differences() -> None:
    assert break_even(evidence()) is ingredients(evidence()) is None


def test_thin_bars_are_for_other_test_examples_too() -> None:
    one = replace(difference("imp", "reinit", "control", "imp", -0.01, -0.03), wide=(None, 0.02))
    picture = ingredients(evidence(one))
    (panel,) = picture.panels
    line = panel.traces[1]
    assert line.wide == [None, pytest.approx(0.05)]
    assert panel.wider == "on other test examples too"
    assert "thin bars: on other test examples too" in picture.note
    assert picture.foot in picture.note
    # of two intervals the wider one counts for the axis
    assert reaches(line, "reach") == [None, line.wide[1]]


def test_without_answers_it_says_why_there_are_none() -> None:
    picture = ingredients(evidence(difference("imp", "reinit", "control", "imp", -0.01, -0.03)))
    assert "No interval for other test data: which test examples each ticket" in picture.note
    assert picture.panels[0].wider == picture.foot == ""
