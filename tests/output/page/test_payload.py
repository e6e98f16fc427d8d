from __future__ import annotations

import json
import math

import pytest

from lth_bench.output.page.payload import Payload
from lth_bench.output.pictures.model import Axis, Facet, HeatMap, Panel, Picture, Trace, half_widths

REMAINING = Axis("Weights remaining", "percent", "log", reverse=True)
ACCURACY = Axis("Test accuracy", "percent")


def decoded(*panels: Panel) -> dict:
    payload = Payload()
    assert payload.add(Picture("key", "A picture", panels, [Facet("scale", ["all"])])) == 0
    return json.loads(payload.text({}))


def test_numbers_are_rounded_to_what_is_shown() -> None:
    x, y, reach = [0.2097152, 1e-6], [0.97801234, None], [0.005, None]
    trace = Trace("imp", "none", "line", x, y, reach, [3, 1], [0, 2], shift=1.0123456)
    data = decoded(Panel("f", REMAINING, ACCURACY, [trace]))
    (packed,) = data["pictures"][0]["panels"][0]["traces"]
    array = data["arrays"].__getitem__
    assert array(packed["x"]) == [20.97, 0.0001]  # four digits, since the axis is logarithmic
    assert array(packed["y"]) == [97.8, None]
    assert array(packed["e"]) == [0.5, None]
    assert array(packed["n"]) == [3, 1]
    assert array(packed["l"]) == [0, 2]
    assert packed["d"] == 1.012
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
    data = decoded(Panel("f", REMAINING, axis, [Trace("imp", "none", "points", [0.5], [value])]))
    packed = data["pictures"][0]["panels"][0]["traces"][0]
    assert data["arrays"][packed["y"]] == [text]


def test_equal_arrays_names_and_axes_are_kept_once() -> None:
    marks = [Trace(name, "none", "line", [0.5, 0.2], [0.9, 0.8]) for name in ("a", "b", "a")]
    data = decoded(Panel("f", REMAINING, ACCURACY, marks), Panel("g", REMAINING, ACCURACY, marks))
    assert sorted(data["arrays"]) == [[50, 20], [90, 80]]
    assert data["names"] == [["a", "none"], ["b", "none"]]
    assert len(data["axes"]) == 2


def test_intervals_that_nothing_has_are_left_out() -> None:
    data = decoded(
        Panel(
            "f", REMAINING, ACCURACY, [Trace("a", "none", "line", [0.5], [0.9], [None], lost=[0])]
        )
    )
    assert not {"e", "l", "d"} & data["pictures"][0]["panels"][0]["traces"][0].keys()


def test_half_a_symmetric_matrix() -> None:
    z = [[0.0, 0.25, 0.5], [0.25, 0.0, 0.125], [0.5, 0.125, 0.0]]
    step, distance = Axis("Step", "steps"), Axis("differs", "percent", range=(0, 0.5))
    heats = [
        HeatMap("imp", [10, 20, 30], [10, 20, 30], z, (1,)),
        HeatMap("imp", [10, 20], [10], [[0.5, 0.25]]),
    ]
    data = decoded(Panel("f", step, step, heats=heats, z=distance))
    half, whole = data["pictures"][0]["panels"][0]["heats"]
    assert data["arrays"][half["h"]] == [0, 25, 0, 50, 12.5, 0]
    assert data["arrays"][half["x"]] == [10, 20, 30]
    assert half["w"] == [1]
    assert data["arrays"][whole["z"]] == [50, 25]
    assert data["axes"][data["pictures"][0]["panels"][0]["z"]]["ends"] == [0, 50]


def test_it_can_stand_in_a_script_element() -> None:
    hostile = "</script><!-- & \u2028 \u001b ü"
    panel = Panel(hostile, Axis(hostile, names=[hostile]), ACCURACY)
    picture = Picture("key", hostile, [panel], [Facet(hostile, [hostile])])
    payload = Payload()
    payload.add(picture)
    text = payload.text({hostile: {"light": "#000000"}})
    assert not set("<>&") & set(text)
    assert text.isascii()
    clean = hostile.replace("\u2028", "�").replace("\u001b", "�")
    data = json.loads(text)
    assert data["pictures"][0]["title"] == clean
    assert data["pictures"][0]["choices"][0]["values"] == [clean]


def test_half_widths_from_the_ends_of_intervals() -> None:
    assert half_widths([0.5, 0.25, 0.125], [0.75, None, 0.125]) == [0.25, None, 0.0]
