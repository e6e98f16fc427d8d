from __future__ import annotations

import json
import math

import pytest

from lth_bench.output.page.content import Choice, Group
from lth_bench.output.page.figure import Axis, Figure, Heat, Mark, reaches
from lth_bench.output.page.payload import Payload

LEFT = Axis("Weights left", "percent", "log", reverse=True)
ACCURACY = Axis("Test accuracy", "percent")


def decoded(*figures: Figure) -> dict:
    payload = Payload()
    assert payload.add(Group("A group", figures, [Choice("scale", ["all"])])) == 0
    return json.loads(payload.text({}))


def test_numbers_are_rounded_to_what_is_shown() -> None:
    mark = Mark("imp", "none", "line", [0.2097152, 1e-6], [0.97801234, None], [0.005, None], [3, 1])
    data = decoded(Figure("f", LEFT, ACCURACY, [mark]))
    (packed,) = data["groups"][0]["figures"][0]["marks"]
    array = data["arrays"].__getitem__
    assert array(packed["x"]) == [20.97, 0.0001]  # four digits, since the axis is logarithmic
    assert array(packed["y"]) == [97.8, None]
    assert array(packed["e"]) == [0.5, None]
    assert array(packed["n"]) == [3, 1]
    assert data["names"][packed["s"]] == ["imp", "none"]
    assert data["looks"][packed["k"]] == "line"


@pytest.mark.parametrize(
    ("axis", "value", "text"),
    [
        (Axis("a", "steps"), 1234.5678, 1234.6),
        (Axis("a", "ratio"), 1.57001, 1.57),
        (Axis("a", "points"), -0.00071, -0.07),
        (Axis("a"), 0.00012345, 0.0001234),
        (Axis("a", "percent"), -1e-9, 0),
        (Axis("a"), math.nan, None),
        (Axis("a"), math.inf, None),
    ],
)
def test_formats(axis: Axis, value: float, text: float | None) -> None:
    data = decoded(Figure("f", LEFT, axis, [Mark("imp", "none", "points", [0.5], [value])]))
    packed = data["groups"][0]["figures"][0]["marks"][0]
    assert data["arrays"][packed["y"]] == [text]


def test_equal_arrays_names_and_axes_are_kept_once() -> None:
    marks = [Mark(name, "none", "line", [0.5, 0.2], [0.9, 0.8]) for name in ("a", "b", "a")]
    data = decoded(Figure("f", LEFT, ACCURACY, marks), Figure("g", LEFT, ACCURACY, marks))
    assert sorted(data["arrays"]) == [[50, 20], [90, 80]]
    assert data["names"] == [["a", "none"], ["b", "none"]]
    assert len(data["axes"]) == 2


def test_intervals_that_nothing_has_are_left_out() -> None:
    data = decoded(Figure("f", LEFT, ACCURACY, [Mark("a", "none", "line", [0.5], [0.9], [None])]))
    assert "e" not in data["groups"][0]["figures"][0]["marks"][0]


def test_half_a_symmetric_matrix() -> None:
    z = [[0.0, 0.25, 0.5], [0.25, 0.0, 0.125], [0.5, 0.125, 0.0]]
    figure = Figure(
        "f", Axis("Step", "steps"), Axis("Step", "steps"), heats=[Heat([10, 20, 30], z, (1,))],
        z=Axis("differs", "percent"),
    )  # fmt: skip
    data = decoded(figure)
    (heat,) = data["groups"][0]["figures"][0]["heats"]
    assert data["arrays"][heat["z"]] == [0, 25, 0, 50, 12.5, 0]
    assert data["arrays"][heat["x"]] == [10, 20, 30]
    assert heat["w"] == [1]


def test_it_can_stand_in_a_script_element() -> None:
    hostile = "</script><!-- & \u2028 \u001b ü"
    group = Group(hostile, [Figure(hostile, Axis(hostile, names=[hostile]), ACCURACY)],
                  [Choice(hostile, [hostile])])  # fmt: skip
    payload = Payload()
    payload.add(group)
    text = payload.text({hostile: {"light": "#000000"}})
    assert not set("<>&") & set(text)
    assert text.isascii()
    clean = hostile.replace("\u2028", "�").replace("\u001b", "�")
    data = json.loads(text)
    assert data["groups"][0]["title"] == clean
    assert data["groups"][0]["choices"][0]["values"] == [clean]


def test_half_widths_from_the_ends_of_intervals() -> None:
    assert reaches([0.5, 0.25, 0.125], [0.75, None, 0.125]) == [0.25, None, 0.0]
