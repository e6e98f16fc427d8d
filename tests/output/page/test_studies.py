from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.output.page.studies import LEAST, draw
from lth_bench.store.trials import Study

Make = Callable[..., Study]


def titles(study: Study) -> list[str]:
    return [figure.title for figure in draw(study)[0]]


def test_figures_of_one_objective(study: Make) -> None:
    found = draw(study(trials=30))[0]
    assert [f.title for f in found[:3]] == [
        "History", "Importance of the parameters", "prune_rate.conv",
    ]  # fmt: skip
    # accuracy falls with the square of the distance of the rate from .3, and with nothing else
    (importance,) = found[1].data
    assert dict(zip(importance["y"], importance["x"], strict=True))["prune_rate.conv"] > 0.5
    assert sum(importance["x"]) == pytest.approx(1, abs=1e-3)
    contours = [f for f in found if any(t["type"] == "contour" for t in f.data)]
    assert len(contours) == 3
    assert {f.title for f in found[2:5]} == {"prune_rate.conv", "recipe.lr", "scope"}
    history = found[0].data
    assert max(history[0]["y"]) == history[1]["y"][-1]  # the values, and the best so far
    assert json.loads(json.dumps([[f.data, f.layout] for f in found], allow_nan=False))
    assert "template" not in found[0].layout


def test_figures_of_two_objectives(study: Make) -> None:
    own = study(trials=30, objectives=("accuracy", "cost"))
    found = {f.title: f for f in draw(own)[0]}
    assert list(found)[:5] == [
        "History: accuracy", "History: cost", "Front", "Importance for accuracy",
        "Importance for cost",
    ]  # fmt: skip
    best = {tuple(round(v, 4) for v in t.values) for t in own.front}
    drawn = [
        {(round(x, 4), round(y, 4)) for x, y in zip(t["x"], t["y"], strict=True)}
        for t in found["Front"].data
    ]
    assert best in drawn


def test_each_objective_has_importances_in_its_own_direction(study: Make) -> None:
    """The first is decided by the rate alone; were it taken for a loss, by the worst rates."""
    own = study(trials=60, objectives=("accuracy", "cost"))
    one = study(trials=60)
    (two_sided,) = next(f for f in draw(own)[0] if f.title == "Importance for accuracy").data
    (one_sided,) = next(f for f in draw(one)[0] if f.title.startswith("Importance")).data
    for found in (two_sided, one_sided):
        assert found["y"][-1] == "prune_rate.conv"
        assert found["x"][-1] > 0.8


def test_few_trials_have_no_importance(study: Make) -> None:
    figures, notes = draw(study(trials=LEAST - 2))
    assert not any("mportance" in f.title for f in figures)
    assert notes == [f"fewer than {LEAST} trials with a value: no importances"]


def test_many_trials_are_thinned_in_quadratic_figures(study: Make) -> None:
    own = study(trials=90)
    figures, notes = draw(own, most=20)
    (slices,) = next(f for f in figures if f.title == "prune_rate.conv").data
    assert len(slices["x"]) == 20
    values = [t.values[0] for t in own.complete]
    assert (min(slices["y"]), max(slices["y"])) == pytest.approx((min(values), max(values)), 1e-4)
    assert len(figures[0].data[0]["y"]) == 75  # the history has all that have a value
    assert notes == [
        "slices and contours show 20 of 75 trials, evenly from the best to the worst",
        "importance (PED-ANOVA): how much a parameter decides what is among the best 8 of 75",
    ]


FLAT = {n: {"values": [0.5]} for n in range(12)}
ONE = {n: {"params": {}, "distributions": {}} for n in range(12)}
NONE: dict[int, dict[str, Any]] = {n: {"state": "failed", "values": []} for n in range(12)}
MIXED = {n: {"params": {}, "distributions": {}} for n in range(0, 12, 2)}
MARKUP = {
    n: {"params": {"<b>%{x}": 0.1 * n},
        "distributions": {"<b>%{x}": '{"name": "FloatDistribution", "attributes": '
                                     '{"low": 0.0, "high": 2.0}}'}}
    for n in range(12)
}  # fmt: skip
OBJECT = {
    n: {"params": {"a": {"b": n}},
        "distributions": {"a": json.dumps({
            "name": "CategoricalDistribution",
            "attributes": {"choices": [{"b": m} for m in range(12)]}})}}
    for n in range(12)
}  # fmt: skip
UNLIKE = {
    n: {"params": {"scope": 0.5},
        "distributions": {"scope": '{"name": "FloatDistribution", "attributes": '
                                   '{"low": 0.0, "high": 2.0}}'}}
    for n in range(0, 12, 2)
}  # fmt: skip
HUGE = {n: {"values": [1e308 if n % 2 else -1e308]} for n in range(12)}


@pytest.mark.parametrize("changes", [FLAT, ONE, NONE, MIXED, MARKUP, HUGE, OBJECT, UNLIKE])
def test_any_trials_can_be_drawn(study: Make, changes: dict[int, dict[str, Any]]) -> None:
    figures, notes = draw(study(changes=changes))
    text = json.dumps([[f.data, f.layout] for f in figures], allow_nan=False)
    assert "<b>%" not in text
    assert all(isinstance(note, str) for note in notes)
    assert bool(figures) is (changes is not NONE)


def test_every_trial_on_the_front_is_drawn_on_it(study: Make) -> None:
    """Also those that tie, and where trials before them have no value."""
    points = [(0.9, 2.0), (0.9 + 2e-16, 2.0), (0.5, 3.0), (0.8, 0.5), (0.8, 0.5)]
    changes: dict[int, dict[str, Any]] = {
        n + 1: {"values": list(point), "state": "complete"} for n, point in enumerate(points)
    }
    changes[0] = {"state": "failed", "values": []}
    own = study(trials=6, objectives=("accuracy", "cost"), changes=changes)
    assert [t.number for t in own.front] == [1, 2, 4, 5]
    others, front = next(f for f in draw(own)[0] if f.title == "Front").data
    assert list(zip(front["x"], front["y"], strict=True)) == [
        (0.9, 2),
        (0.9, 2),
        (0.8, 0.5),
        (0.8, 0.5),
    ]
    assert (others["x"], others["y"]) == ([0.5], [3])
    # one colour for all: by number, early trials would be as pale as the page
    assert isinstance(front["marker"]["color"], str)
    assert front["marker"]["color"] != others["marker"]["color"]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_contours_have_the_same_shades_with_one_or_two_objectives(
    study: Make, direction: str
) -> None:
    def shading(objectives: tuple[str, ...]) -> set[bool]:
        ways = [direction, "minimize"][: len(objectives)]
        changes = {n: {"directions": ways} for n in range(7)}
        found = draw(study(trials=7, objectives=objectives, changes=changes))[0]
        return {t["reversescale"] for f in found for t in f.data if t["type"] == "contour"}

    assert shading(("accuracy",)) == shading(("accuracy", "cost")) == {direction == "minimize"}
