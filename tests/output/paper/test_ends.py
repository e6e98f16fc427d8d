"""Names at the ends of lines: where they stand, and when they are left out."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from lth_bench.output.paper.ends import END, name_ends, spread_out
from lth_bench.output.pictures.model import Axis, Panel, Trace


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], []),
        ([0.2, 0.9], [0.2, 0.9]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.1, 0.5, 0.52, 0.54], [0.1, 0.42, 0.52, 0.62]),
        ([0.4, 0.49, 0.5, 0.9], [1.09 / 3, 1.39 / 3, 1.69 / 3, 0.9]),
        ([0.98, 0.99, 1.0], [0.8, 0.9, 1.0]),
        ([0.0, 0.0, 0.5], [0.0, 0.1, 0.5]),
    ],
)
def test_names_are_apart(places: list[float], expected: list[float]) -> None:
    assert spread_out(places, 0.1) == pytest.approx(expected)


def names(traces: list[Trace]) -> dict[str, float]:
    ax = Figure().subplots()
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    x = Axis(title="Density", format="value")
    y = Axis(title="Score", format="value")
    panel = Panel(title="Score", x=x, y=y, traces=traces)
    name_ends(ax, panel, (), {})
    return {text.get_text(): text.xy[1] for text in ax.texts if text.get_label() == END}


def line(name: str, *y: float | None, control: str = "none") -> Trace:
    return Trace(name=name, control=control, look="line", x=[i / 4 for i in range(len(y))], y=y)


def test_a_name_stands_at_the_last_value() -> None:
    found = names([line("imp", 0.9, 0.8, None), line("snip", 0.9, 0.2)])
    assert found == {"imp": pytest.approx(0.8), "snip": pytest.approx(0.2)}


def test_a_line_that_left_the_axis_has_an_arrow() -> None:
    assert names([line("imp", 0.9, -3.0)]) == {"imp ↓": pytest.approx(0.0)}


def test_controls_are_left_out_first() -> None:
    tickets = [line(f"m{i}", 0.5) for i in range(10)]
    controls = [line(f"m{i}/reinit", 0.4, control="reinit") for i in range(10)]
    assert set(names(tickets + controls)) == {f"m{i}" for i in range(10)}
    assert names([line(f"m{i}", 0.5) for i in range(40)]) == {}
