"""Plotly and matplotlib draw the same: every figure, and every mark that a figure can have."""

from __future__ import annotations

import dataclasses
import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex, to_rgb

from lth_bench.analysis.evidence import Place, Task, gather, subjects, task_groups
from lth_bench.output.page.payload import Payload
from lth_bench.output.page.render import looks_of
from lth_bench.output.paper.draw import draw, small_multiples
from lth_bench.output.paper.ends import END
from lth_bench.output.paper.files import for_paper
from lth_bench.output.paper.marks import REMARK
from lth_bench.output.pictures import FULL, OF_GROUPS, PICTURES
from lth_bench.output.pictures.model import (
    LOST,
    Axis,
    Facet,
    HeatMap,
    Panel,
    Picture,
    Polygon,
    Raster,
    Remark,
    Trace,
)
from lth_bench.output.style import CONTEXT, looks
from lth_bench.store import fold
from lth_bench.store.database import open_safe

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="there is no `node` on this machine")

CHARTS = Path(__file__).parents[3] / "harness/lth_bench/output/page/templates/charts.js"
HERE = Path(__file__).parent
RECORDS = runpy.run_path(str(HERE.parents[1] / "store" / "records.py"))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], list[Any]]:
    """The evidence of a task with everything in it, and its subjects."""
    folder = tmp_path_factory.mktemp("drawers")
    scenario = RECORDS["Scenario"](
        weights=True, boundaries=True, baseline="imp", strategies=("dense", "imp", "early_bird"),
        controls=("reinit", "reorder"),
        densities=(0.5, 0.2), curve_points=6, outcomes={("imp", 1): ("diverged", "nan")},
    )  # fmt: skip
    paths = RECORDS["write"](folder / "results.duckdb", scenario)
    fold(paths)
    with open_safe(paths) as con:
        return gather(con), subjects(con)


@pytest.fixture
def plotly(tmp_path: Path) -> Callable[..., Any]:
    """`plotly(pictures, subjects)`: [picture][panel][combination of choices] as plotly gets it."""

    def give(pictures: list[Picture], named: list[Any]) -> Any:
        payload = Payload()
        for picture in pictures:
            payload.add(picture)
        numbers = tmp_path / "numbers.json"
        numbers.write_text(payload.text(looks_of(named)))
        assert NODE is not None
        done = subprocess.run(
            [NODE, HERE / "charts.mjs", CHARTS, numbers], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return give


def compare(pictures: list[Picture], named: list[Any], plotly: Callable[..., Any]) -> int:
    """AssertionError where the two draw anything differently; the panels that were compared."""
    compared = 0
    looked = looks(named)
    for picture, given in zip(pictures, plotly(pictures, named), strict=True):
        with for_paper():
            figures = dict(draw(picture, looked))
        for name, cells in small_multiples(picture):
            axes = [ax for ax in figures[name].axes if ax.get_visible()]
            flat = [cell for line in cells for cell in line]
            for cell, ax in zip(flat, axes, strict=False):
                number = picture.panels.index(cell.panel)
                scale = [0] if picture.scales else []
                (one,) = (
                    shown for shown in given[number] if shown["chosen"] == [*cell.chosen, *scale]
                )
                same_panel(ax, one)
                same_titles(figures[name], one)
                compared += 1
            same_legend(figures[name], flat)
    return compared


def same_panel(ax: Any, one: Any) -> None:
    traces = one["traces"]
    lines = [t for t in traces if t["type"] == "scatter" and "text" not in t["mode"]]
    lines = [t for t in lines if t.get("fill") != "toself"]
    assert [line.get_label() for line in ax.lines] == [trace["name"] for trace in lines]
    for line, trace in zip(ax.lines, lines, strict=True):
        assert near(line.get_xdata(), trace["x"])
        assert near(line.get_ydata(), trace["y"])
        assert to_hex(line.get_color()) == trace["line"]["color"]
        marked = "markers" in trace["mode"]
        assert (line.get_marker() not in ("None", "", None)) == marked
        if marked:
            assert to_hex(line.get_markerfacecolor()) == trace["marker"]["color"]
    layout = one["layout"]
    for axis, limits, scale in (
        ("xaxis", ax.get_xlim(), ax.get_xscale()),
        ("yaxis", ax.get_ylim(), ax.get_yscale()),
    ):
        ends = layout[axis]["range"]
        assert scale == layout[axis].get("type", "linear")
        ends = [10**end for end in ends] if scale == "log" else ends
        assert limits == pytest.approx(ends, rel=1e-3)
    marks = [
        (x, y, text.replace("<br>", "\n"))
        for t in traces
        if t.get("mode") == "text"
        for x, y, text in zip(t["x"], t["y"], t["text"], strict=True)
    ]
    remarks = layout["annotations"][1:]
    # the page also names lines beside the axes; paper has the legend alone
    same_remarks(ax, [note for note in remarks if note.get("xref") != "paper"])
    written = [text for text in ax.texts if text.get_label() not in (REMARK, END)]
    assert [text.get_text() for text in written] == [text for _, _, text in marks]
    places = [getattr(text, "xy", text.get_position()) for text in written]
    assert near(places, [mark[:2] for mark in marks])
    same_intervals(ax, traces)
    same_areas(ax, traces)


def same_remarks(ax: Any, annotations: Any) -> None:
    """Words, and arrows from one place to another."""
    own = [text for text in ax.texts if text.get_label() == REMARK]
    words = [(*text.xy, text.get_text()) for text in own if text.get_text()]
    given = [(a["x"], a["y"], a["text"].replace("<br>", "\n")) for a in annotations if a["text"]]
    assert [word for *_, word in words] == [word for *_, word in given]
    assert near([at for *at, _ in words], [at for *at, _ in given])
    arrows = [(*text.xyann, *text.xy) for text in own if text.arrow_patch is not None]
    wanted = [(a["ax"], a["ay"], a["x"], a["y"]) for a in annotations if a["showarrow"]]
    assert near(arrows, wanted)


def same_intervals(ax: Any, traces: Any) -> None:
    """The bars at points; those of length 0 are not to be seen."""
    wanted = [
        (x, y - below, x, y + above)
        for trace in traces
        if "error_y" in trace
        for x, y, below, above in zip(
            trace["x"],
            trace["y"],
            trace["error_y"]["arrayminus"],
            trace["error_y"]["array"],
            strict=True,
        )
        if above > 0.02
    ]
    segments = [
        segment.ravel()
        for collection in ax.collections
        if isinstance(collection, LineCollection)
        for segment in collection.get_segments()
        if len(segment) and segment[1][1] - segment[0][1] > 0.02
    ]
    assert near(segments, wanted, atol=0.011)  # ends are sums of two that are rounded


def same_areas(ax: Any, traces: Any) -> None:
    """Matrices, images, bars, polygons and bands."""
    heats = [t for t in traces if t["type"] == "heatmap"]
    rasters = [t for t in traces if t["type"] == "image"]
    assert len(ax.images) == len(heats) + len(rasters)
    for image, heat in zip(ax.images, heats, strict=False):
        assert near(np.ma.filled(image.get_array(), np.nan), heat["z"])
        assert image.get_clim() == pytest.approx((heat["zmin"], heat["zmax"]))
        colours = [to_hex(image.cmap(float(place))) for place, _ in heat["colorscale"]]
        for own, (_, given) in zip(colours, heat["colorscale"], strict=True):
            assert to_rgb(own) == pytest.approx(to_rgb(given), abs=0.02)
    for image, raster in zip(ax.images, rasters if not heats else [], strict=False):
        assert np.array_equal(np.asarray(image.get_array()), raster["z"])
        left, right, low, high = image.get_extent()
        height, width = len(raster["z"]), len(raster["z"][0])
        assert raster["dx"] == pytest.approx((right - left) / width)
        assert raster["dy"] == pytest.approx((low - high) / height)
        assert raster["x0"] - raster["dx"] / 2 == pytest.approx(left)
        assert raster["y0"] - raster["dy"] / 2 == pytest.approx(high)
    bars = [t for t in traces if t["type"] == "bar"]
    assert len(ax.containers) == len(bars)
    for container, bar in zip(ax.containers, bars, strict=True):
        for patch, x, y in zip(container.patches, bar["x"], bar["y"], strict=True):
            assert patch.get_x() + patch.get_width() / 2 == pytest.approx(x)
            assert (patch.get_height(), patch.get_width()) == pytest.approx((y, bar["width"]))
            assert to_hex(patch.get_facecolor()) == bar["marker"]["color"]
    areas = [t for t in traces if t.get("hoveron") == "fills"]
    polygons = [p for p in ax.patches if hasattr(p, "get_closed")]
    assert len(polygons) == len(areas)
    for patch, area in zip(polygons, areas, strict=True):
        assert near(patch.get_xy(), list(zip(area["x"], area["y"], strict=True)))
        colour = re.findall(r"\d+", area["fillcolor"]) if area["fillcolor"][0] == "r" else None
        given = [int(part) / 255 for part in colour] if colour else to_rgb(area["fillcolor"])
        assert patch.get_facecolor()[:3] == pytest.approx(given, abs=0.02)
    bands = [t for t in traces if t.get("fill") == "toself" and t.get("hoveron") != "fills"]
    fills = [t for t in traces if t.get("fill") == "tozeroy"]
    drawn = [c for c in ax.collections if type(c).__name__.startswith("FillBetween")]
    assert len(drawn) == len(bands) + len(fills)
    for band, own in zip(bands, drawn, strict=False):
        assert own.get_datalim(ax.transData).extents == pytest.approx(
            [min(band["x"]), min(band["y"]), max(band["x"]), max(band["y"])], rel=1e-3
        )


def same_titles(figure: Any, one: Any) -> None:
    """Both axes, and the colours."""
    said = {figure.get_supxlabel(), figure.get_supylabel()}
    for ax in figure.axes:
        said |= {ax.get_xlabel(), ax.get_ylabel()}
    layout = one["layout"]
    wanted = {layout["xaxis"]["title"]["text"], layout["annotations"][0]["text"]}
    colours = [t["colorbar"]["title"]["text"] for t in one["traces"] if "colorbar" in t]
    wanted |= {text.replace("<br>", " ") for text in colours}  # in two lines beside a low panel
    assert wanted <= said


def same_legend(figure: Any, cells: list[Any]) -> None:
    """The names, in the order in which the picture has them, and ‡ where seeds were lost."""
    names: dict[str, None] = {}
    lost = False
    for cell in cells:
        for mark in (*cell.panel.traces, *cell.panel.polygons):
            if all(w in (-1, c) for w, c in zip(mark.when, cell.chosen, strict=False)):
                names[mark.name] = None
                lost = lost or any(getattr(mark, "lost", ()))
    shown = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert shown == [*names, *[LOST] * lost]


def near(found: Any, wanted: Any, atol: float = 6e-3) -> bool:
    """Equal to the four digits or hundredths that the page keeps; None and NaN are the same."""
    a = np.asarray(found, dtype=float)
    b = np.asarray(wanted, dtype=float)
    return a.shape == b.shape and np.allclose(a, b, rtol=2e-3, atol=atol, equal_nan=True)


def test_every_figure_is_drawn_by_both_drawers(results: Any, plotly: Callable[..., Any]) -> None:
    (evidence,), named = results
    pictures = [describe(evidence, FULL) for describe in PICTURES]
    found = [picture for picture in pictures if picture is not None]
    assert len(found) == len(PICTURES)
    # 2 accuracies, step and gap, cost, 2 densities kept, 2 × 2 of learning, 2 searches, and for 3
    # methods × 3 layers × 2 densities weights; 3 measures of instability × 2 densities; 1 distance
    # of hulls; boundaries and polygons of 6 networks × 2 densities
    known = 2 + 2 + 1 + 2 + 4 + 2 + 18 + 6 + 1 + 24
    # units of a layer on 2 sides × 2 densities, and 2 methods × 2 densities images; of survivors 3
    # metrics, and of 2 methods × 2 densities a layer's survival, and its values at 2 moments; 2 of
    # the procedure; differences of 2 methods' controls and 1 to the baseline, and 2 of before and
    # after rewinding
    assert compare(found, named, plotly) == known + 4 + 4 + 3 + 4 + 8 + 2 + 3 + 2
    assert any(picture.has_lost for picture in found)


def test_figures_of_several_tasks_are_drawn_by_both_drawers(
    results: Any, plotly: Callable[..., Any]
) -> None:
    (one,), named = results
    suite, (model, dataset, recipe) = one.place
    others = [Task(f"mlp(hidden=[{n}])", dataset, recipe) for n in (2, 4, 8)]
    others += [Task(model, dataset, own) for own in ("high", "low")]
    evidence = [dataclasses.replace(one, place=Place(suite, task)) for task in others]
    groups = task_groups(evidence)
    found = [describe(group) for group in groups for describe in OF_GROUPS]
    pictures = [picture for picture in found if picture is not None]
    assert [picture.key for picture in pictures] == ["size", "variants"]
    # a metric at 2 densities; accuracy, step and gap of 2 tasks
    assert compare(pictures, named, plotly) == 2 + 3 * 2


def everything() -> Picture:
    """A picture with every mark, in small multiples."""
    x, y = Axis(title="x", range=(0, 4)), Axis(title="Share", format="percent", range=(-0.2, 1))
    z = Axis(title="Height", range=(0, 2))
    at, values = [1.0, 2.0, 3.0], [0.2, None, 0.4]
    reach = [0.05, None, 0.1]
    looks_ = ("line", "curve", "stairs", "points", "front", "band", "bars")
    traces = [
        Trace(
            name=f"imp {look}",
            control="none",
            look=look,
            x=at,
            y=values,
            reach=reach,
            down=[0.1, None, 0.2] if look == "line" else (),
            n=[3, 3, 2],
            lost=[0, 0, 1],
            width=0.5,
            when=(-1, 0),
        )
        for look in looks_
        if look not in ("band", "bars", "stairs")
    ]
    solid = [0.2, 0.3, 0.4]
    traces += [
        Trace(
            name=f"imp {look}",
            control="none",
            look=look,
            x=at,
            y=solid,
            reach=[0.05, 0.05, 0.1],
            width=0.5,
            when=(-1, 1),
        )
        for look in ("band", "bars")
    ]
    traces.append(
        Trace(name="histogram", control="none", look="stairs", x=at, y=solid, when=(-1, 1))
    )
    traces.append(Trace(name="dense", control="none", look="level", x=[2.0], y=[0.9], reach=[0.02]))
    traces.append(Trace(name="open", like="imp", control="none", look="points", x=at, y=solid,
                        hollow=True))  # fmt: skip
    polygons = [
        Polygon(name="triangle", x=[0, 1, 1], y=[0, 0, 0.5], when=(0, -1)),
        Polygon(name="imp", x=[2, 3, 3], y=[0, 0, 0.5], value=0.5, when=(0, -1)),
    ]
    pixels = [[(0, 0, 0), (255, 0, 0)], [(0, 255, 0), (9, 8, 7)], [(1, 2, 3), (4, 5, 6)]]
    rasters = [Raster(pixels, (3, 4), (0.5, 0.8), when=(1, -1))]
    notes = [
        Remark(text="two\nlines", x=0.5, y=0.1, when=(0, -1)),
        Remark(text="", x=1, y=0.2, to=(2, 0.9)),
        Remark(text="there", x=1, y=0.3, to=(3, 0.8), when=(-1, 1)),
    ]
    panel = Panel(
        title="All", x=x, y=y, traces=traces, polygons=polygons, rasters=rasters, notes=notes, z=z,
        size="large",
    )  # fmt: skip
    facets = [
        Facet(title="row", values=["a", "b"], spread="rows"),
        Facet(title="column", values=["1", "2"], spread="columns"),
    ]
    return Picture(key="everything", title="Everything", panels=[panel], facets=facets)


def test_every_mark_is_drawn_in_small_multiples(results: Any, plotly: Callable[..., Any]) -> None:
    _, named = results
    assert compare([everything()], named, plotly) == 4
    own = looks(named)["imp"]
    (((one, *_),),) = plotly([everything()], named)
    (made,) = (trace for trace in one["traces"] if trace.get("name") == "open")
    assert (made["marker"]["symbol"], made["marker"]["line"]["color"]) == (own.symbol, own.light)
    assert made["marker"]["color"] == "#ffffff"
    assert made["hovertext"][0].startswith("<b>imp</b>, open<br>")
    assert one["owners"][one["traces"].index(made)] == ["open", "imp"]


def test_a_rectangular_matrix_is_drawn(results: Any, plotly: Callable[..., Any]) -> None:
    _, named = results
    axis, z = (
        Axis(title="Step", format="steps"),
        Axis(title="Share", format="percent", range=(0, 1)),
    )
    heats = [
        HeatMap(name="a", x=[1, 2, 3], y=[1, 2], z=[[0.1, 0.2, 0.3], [0.4, 0.5, 1.0]], when=(0,)),
        HeatMap(name="b", x=[1, 2], y=[1, 2], z=[[0.0, 0.2], [0.2, 0.0]], when=(1,)),
    ]
    facet = Facet(title="matrix", values=["a", "b"], spread="wrap")
    panel = Panel(title="M", x=axis, y=axis, heats=heats, z=z, size="square")
    assert (
        compare(
            [Picture(key="matrix", title="Matrix", panels=[panel], facets=[facet])], named, plotly
        )
        == 2
    )


def test_a_matrix_that_is_written_in(results: Any, plotly: Callable[..., Any]) -> None:
    _, named = results
    x = Axis(title="Trained on", scale="names", names=["a", "<b>", "c"])
    y = Axis(title="Found on", scale="names", names=["b", "a"])
    heat = HeatMap(
        name="imp",
        x=range(3),
        y=range(2),
        z=[[-0.02, None, 0.0], [None, 0.05, -0.3]],
        texts=[["−2.00†\n±1.00", "90.00", "+0.00"], ["91.00\n±0.50", "+5.00", "−30.00"]],
        reach=[[0.01, None, None], [0.005, None, None]],
        more=[[0.8, 0.9, None], [0.91, 0.9, 0.7]],
        n=[[3, 1, 2], [3, 2, 2]],
        lost=[[0, 0, 0], [0, 1, 0]],
        collapsed=[[2, 0, 0], [0, 0, 0]],
        when=(0,),
    )
    panel = Panel(
        title="M",
        x=x,
        y=y,
        heats=[heat],
        z=Axis(title="Δ accuracy", format="points", range=(-0.1, 0.1)),
        more=Axis(title="Accuracy", format="percent"),
    )
    facet = Facet(title="method", values=["imp"], spread="wrap")
    picture = Picture(key="w", title="W", panels=[panel], facets=[facet], foot="n = 3 seeds")
    assert compare([picture], named, plotly) == 1
    (((one,),),) = plotly([picture], named)
    matrix, written = one["traces"]
    assert matrix["hovertext"][0][0].split("<br>") == [
        "Found on b, trained on a", "Δ accuracy: <b>−2.00 points</b>",
        "95% interval −3.00 points to −1.00 points", "Accuracy: 80.00%", "3 seeds",
        "2 seeds with layer collapse",
    ]  # fmt: skip
    assert matrix["hovertext"][1][0].split("<br>") == [
        "Found on a, trained on a", "Accuracy: 91.00%", "95% interval 90.50% to 91.50%", "3 seeds",
    ]  # fmt: skip
    assert matrix["hovertext"][1][1].startswith("Found on a, trained on &lt;b&gt;<br>")
    assert matrix["hovertext"][1][1].endswith("<br>2 seeds<br>1 seed failed")
    with for_paper():
        ((_, figure),) = draw(picture, looks(named))
    inks = [to_hex(text.get_color()) for text in figure.axes[0].texts]
    assert inks == written["textfont"]["color"]
    # white on dark blue, black on grey, on yellow and on what has no colour
    assert inks == ["#ffffff", "#000000", "#000000", "#000000", "#000000", "#ffffff"]
    assert figure.get_supxlabel() == "n = 3 seeds"


def test_axes_of_names_and_error_axes(results: Any, plotly: Callable[..., Any]) -> None:
    _, named = results
    names = Axis(title="Layer", scale="names", names=["conv", "fc"])
    error = Axis(
        title="Error",
        format="percent",
        scale="log",
        range=(0.01, 0.5),
        reverse=True,
        complement=True,
    )
    traces = [
        Trace(
            name="imp",
            control="none",
            look="line",
            x=[0, 1],
            y=[0.9, 0.7],
            reach=[0.01, 0.02],
            shift=1.0,
        ),
        Trace(name="dense", control="none", look="level", x=[0, 1], y=[0.95, 0.95]),
        Trace(name="other", control="none", look="bars", x=[0, 1], y=[0.9, 0.8]),
    ]
    picture = Picture(
        key="names", title="Names", panels=[Panel(title="N", x=names, y=error, traces=traces)]
    )
    assert compare([picture], named, plotly) == 1


def test_marks_without_a_label_are_grey_in_both(results: Any, plotly: Callable[..., Any]) -> None:
    _, named = results
    axis = Axis(title="x", range=(0, 2))
    picture = Picture(
        key="c",
        title="C",
        panels=[
            Panel(
                title="C",
                x=axis,
                y=axis,
                traces=[Trace(name="?", control="none", look="line", x=[1], y=[1])],
            )
        ],
    )
    (((one,),),) = plotly([picture], named)
    assert one["traces"][0]["line"]["color"] == CONTEXT
