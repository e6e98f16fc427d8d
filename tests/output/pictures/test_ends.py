"""Lines are named at their ends, without overlaps."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lth_bench.output.page.payload import Payload
from lth_bench.output.pictures.model import Axis, Panel, Picture, Trace

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="there is no `node` on this machine")

HERE = Path(__file__).parent
CHARTS = HERE.parents[2] / "harness/lth_bench/output/page/templates/charts.js"
GAP, INNER = 14, 430 - 76
"""Pixels between names, and of the height of the axes."""


@pytest.fixture
def names(tmp_path: Path):
    """What stands at the ends of lines that end at these values, from the top."""

    def give(ends: dict[str, float], controls: int = 0) -> list[dict[str, Any]]:
        traces = [
            Trace(name=name, control="none", look="line", x=[0.5, 0.2], y=[0.95, end])
            for name, end in ends.items()
        ] + [
            Trace(name=f"c{i}", control="reinit", look="line", x=[0.5, 0.2], y=[0.95, 0.9])
            for i in range(controls)
        ]  # fmt: skip
        panel = Panel(
            title="p", x=Axis(title="x", format="percent", scale="log", range=(0.1, 1)),
            y=Axis(title="y", format="percent", range=(0.8, 1)), traces=traces, size="large",
            ends_named=True,
        )  # fmt: skip
        payload = Payload()
        payload.add(Picture(key="k", title="t", panels=[panel]))
        numbers = tmp_path / "numbers.json"
        numbers.write_text(payload.text({}))
        assert NODE is not None
        done = subprocess.run(
            [NODE, HERE / "charts.mjs", CHARTS, numbers], capture_output=True, text=True, check=True
        )
        (one,) = json.loads(done.stdout)[0][0]
        _title, *found = one["layout"]["annotations"]
        return sorted(found, key=lambda note: -note["y"])

    return give


def test_ends_far_apart_are_named_where_they_are(names) -> None:
    high, low = names({"imp": 0.95, "snip": 0.85})
    assert (high["text"], low["text"]) == ("imp 95.00", "snip 85.00")
    assert (high["y"], low["y"]) == (pytest.approx(0.75), pytest.approx(0.25))


def test_ends_that_coincide_are_spread_around_them(names) -> None:
    found = names({"a": 0.9, "b": 0.9002, "c": 0.9001})
    assert [note["text"][0] for note in found] == ["b", "c", "a"]
    places = [INNER * note["y"] for note in found]
    assert all(above - below == pytest.approx(GAP) for above, below in pairwise(places))
    assert places[1] == pytest.approx(INNER / 2, abs=1)


def test_lines_that_left_the_axis_stay_named_in_order(names) -> None:
    found = names({"worst": 0.1, "bad": 0.5, "good": 0.99})
    assert [note["text"].split()[0] for note in found] == ["good", "bad", "worst"]
    assert [note["text"][-1] for note in found[1:]] == ["↓", "↓"]
    assert found[-1]["y"] == pytest.approx(0)
    assert INNER * (found[1]["y"] - found[2]["y"]) == pytest.approx(GAP)


def test_controls_give_way_where_there_is_no_room(names) -> None:
    assert len(names({"imp": 0.9}, controls=3)) == 4
    assert [note["text"] for note in names({"imp": 0.9}, controls=40)] == ["imp 90.00"]
    assert names({f"m{i}": 0.9 for i in range(40)}) == []
