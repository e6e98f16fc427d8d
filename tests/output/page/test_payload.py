from __future__ import annotations

import json
import math

import pytest

from lth_bench.output.page.payload import Payload
from lth_bench.output.pictures.model import Axis, Facet, HeatMap, Panel, Picture, Trace, half_widths

REMAINING = Axis(title="Weights remaining", format="percent", scale="log", reverse=True)
ACCURACY = Axis(title="Test accuracy", format="percent")


def decoded(*panels: Panel) -> dict:
    payload = Payload()
    assert (
        payload.add(
            Picture(
                key="key",
                title="A picture",
                panels=panels,
                facets=[Facet(title="scale", values=["all"])],
            )
        )
        == 0
    )
    return json.loads(payload.text({}))


def test_numbers_are_rounded_to_the_shown_digits() -> None:
    x, y, reach = [0.2097152, 1e-6], [0.97801234, None], [0.005, None]
    trace = Trace(
        name="imp",
        control="none",
        look="line",
        x=x,
        y=y,
        reach=reach,
        n=[3, 1],
        lost=[0, 2],
        shift=1.0123456,
    )
    data = decoded(Panel(title="f", x=REMAINING, y=ACCURACY, traces=[trace]))
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
        (Axis(title="a", format="steps"), 1234.5678, 1234.6),
        (Axis(title="a", format="ratio"), 1.57001, 1.57),
        (Axis(title="a", format="points"), -0.00071, -0.07),
        (Axis(title="a"), 0.00012345, 0.0001234),
        (Axis(title="a", format="percent"), -1e-9, 0),
        (Axis(title="a"), math.nan, None),
        (Axis(title="a"), math.inf, None),
    ],
)
def test_numbers_are_formatted_by_their_axis(axis: Axis, value: float, text: float | None) -> None:
    data = decoded(
        Panel(
            title="f",
            x=REMAINING,
            y=axis,
            traces=[Trace(name="imp", control="none", look="points", x=[0.5], y=[value])],
        )
    )
    packed = data["pictures"][0]["panels"][0]["traces"][0]
    assert data["arrays"][packed["y"]] == [text]


def test_equal_arrays_names_and_axes_are_stored_once() -> None:
    marks = [
        Trace(name=name, control="none", look="line", x=[0.5, 0.2], y=[0.9, 0.8])
        for name in ("a", "b", "a")
    ]
    data = decoded(
        Panel(title="f", x=REMAINING, y=ACCURACY, traces=marks),
        Panel(title="g", x=REMAINING, y=ACCURACY, traces=marks),
    )
    assert sorted(data["arrays"]) == [[50, 20], [90, 80]]
    assert data["names"] == [["a", "none"], ["b", "none"]]
    assert len(data["axes"]) == 2


def test_empty_intervals_are_left_out() -> None:
    data = decoded(
        Panel(
            title="f",
            x=REMAINING,
            y=ACCURACY,
            traces=[
                Trace(
                    name="a", control="none", look="line", x=[0.5], y=[0.9], reach=[None], lost=[0]
                )
            ],
        )
    )
    assert not {"e", "l", "d"} & data["pictures"][0]["panels"][0]["traces"][0].keys()


def test_symmetric_matrices_are_stored_as_one_half() -> None:
    z = [[0.0, 0.25, 0.5], [0.25, 0.0, 0.125], [0.5, 0.125, 0.0]]
    step, distance = (
        Axis(title="Step", format="steps"),
        Axis(title="differs", format="percent", range=(0, 0.5)),
    )
    heats = [
        HeatMap(name="imp", x=[10, 20, 30], y=[10, 20, 30], z=z, when=(1,)),
        HeatMap(name="imp", x=[10, 20], y=[10], z=[[0.5, 0.25]]),
    ]
    data = decoded(Panel(title="f", x=step, y=step, heats=heats, z=distance))
    half, whole = data["pictures"][0]["panels"][0]["heats"]
    assert data["arrays"][half["h"]] == [0, 25, 0, 50, 12.5, 0]
    assert data["arrays"][half["x"]] == [10, 20, 30]
    assert half["w"] == [1]
    assert data["arrays"][whole["z"]] == [50, 25]
    assert data["axes"][data["pictures"][0]["panels"][0]["z"]]["ends"] == [0, 50]


def test_what_is_written_in_a_matrix_goes_with_its_cells() -> None:
    names = Axis(title="Task", scale="names", names=["a", "b"])
    points = Axis(title="Δ", format="points", range=(-0.1, 0.1))
    heat = HeatMap(
        name="imp", x=range(2), y=range(2), z=[[0.01, None], [None, 0.01]],
        texts=[["+1.00\n±2.00", "90.00"], ["80.00‡", ""]], reach=[[0.02, None], [None, None]],
        more=[[0.9, 0.9], [0.8, None]], n=[[3, 3], [2, 0]], lost=[[0, 0], [1, 0]],
        collapsed=[[0, 0], [0, 0]],
    )  # fmt: skip
    panel = Panel(title="f", x=names, y=names, heats=[heat], z=points, more=ACCURACY)
    data = decoded(panel)
    (packed,) = data["pictures"][0]["panels"][0]["heats"]
    array = data["arrays"].__getitem__
    assert {key: array(packed[key]) for key in "ztemnl"} == {
        "z": [1, None, None, 1], "t": ["+1.00\n±2.00", "90.00", "80.00‡", ""],
        "e": [2, None, None, None], "m": [90, 90, 80, None], "n": [3, 3, 2, 0], "l": [0, 0, 1, 0],
    }  # fmt: skip
    assert "c" not in packed  # none has collapsed
    assert "h" not in packed  # symmetric in z, and not in what is written


def test_the_payload_is_safe_in_a_script_element() -> None:
    hostile = "</script><!-- & \u2028 \u001b ü"
    panel = Panel(title=hostile, x=Axis(title=hostile, names=[hostile]), y=ACCURACY)
    picture = Picture(
        key="key", title=hostile, panels=[panel], facets=[Facet(title=hostile, values=[hostile])]
    )
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
