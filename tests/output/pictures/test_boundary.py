"""Decision boundaries and dual polygons: what is drawn, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lth_bench.analysis.evidence import Boundary, Curve, Series
from lth_bench.analysis.measures import ACCURACY
from lth_bench.output.pictures.boundary import NULL, ZONOTOPES, boundary, hull_distance
from lth_bench.output.pictures.model import fits

LINE, HULL = Curve((0.0, None, 2.0), (1.0, None, -2.0)), Curve((0.5, 0.0, 0.5), (0.0, 0.4, 0.0))


def network(label, density=1.0, control="none", *, unrelated=False, unbiased=False):
    return Boundary(
        strategy=label, label=label, control=control, source="", target_density=density, seed=3,
        unrelated=unrelated, boundary=LINE, hull=HULL, zonotopes=HULL,
        classes=(Curve((1.0,), (1.0,)), Curve((-2.5,), (1.0,))) if label == "dense" else (),
        unbiased=unbiased,
    )  # fmt: skip


def networks(**more):
    return [
        network("dense", **more), network("dense", unrelated=True, **more),
        network("imp", 0.5, **more), network("imp", 0.2, **more),
        network("imp", 0.5, "reinit", **more), network("imp", 0.2, "reinit", **more),
    ]  # fmt: skip


def test_every_network_is_drawn_beside_the_dense_run_and_the_null_first() -> None:
    picture = boundary(SimpleNamespace(boundaries=networks()))
    rows, columns = picture.facets
    assert (rows.values, columns.values) == ([NULL, "imp", "imp/reinit"], ["50%", "20%"])
    assert columns.title == "remaining"
    plane, dual = picture.panels
    assert plane.isometric and dual.isometric
    assert (plane.x.range, plane.y.range) == ((-2.625, 2.625),) * 2
    for row, name in enumerate(rows.values):
        for column in (0, 1):
            shown = [t.name for t in plane.traces if fits(t.when, (row, column))]
            assert shown == ["dense", "class 0", "class 1", name]
            shown = [t.name for t in dual.traces if fits(t.when, (row, column))]
            assert shown == ["dense", ZONOTOPES, name]
    assert [t.hollow for t in plane.traces if t.look == "points"] == [True, False]


def test_normals_are_called_the_boundary_only_without_biases() -> None:
    biased = boundary(SimpleNamespace(boundaries=networks())).note
    assert "a boundary is the outward normals" not in biased and "no more" in biased
    unbiased = boundary(SimpleNamespace(boundaries=networks(unbiased=True))).note
    assert "a boundary is the outward normals" in unbiased
    mixed = [*networks(unbiased=True)[:-1], networks()[-1]]
    assert (
        "a boundary is the outward normals" not in boundary(SimpleNamespace(boundaries=mixed)).note
    )


@pytest.mark.parametrize("found", [[], networks()[:2], networks()[2:]])
def test_nothing_to_draw_without_a_dense_run_and_a_ticket(found) -> None:
    assert boundary(SimpleNamespace(boundaries=found)) is None


def series(label, x, mean):
    n = len(x)
    return Series(
        strategy=label, label=label, control="none", source="", x=x, density=x, mean=mean,
        low=(0.0,) * n, high=tuple(m + 0.1 for m in mean), n=(5,) * n, planned=(5,) * n,
        lost=(0,) * n,
    )  # fmt: skip


def test_the_dense_run_s_value_is_called_the_null() -> None:
    longer = replace(series("dense", (1.0,), (0.2,)), label="dense-equal_cost")
    lines = [series("dense", (1.0,), (0.1,)), longer, series("imp", (0.5, 0.2), (0.05, 0.3))]
    evidence = SimpleNamespace(density={"hull_distance": lines}, measure=ACCURACY)
    (panel,) = hull_distance(evidence).panels
    null, other, imp = panel.traces
    assert other.name == "dense-equal_cost"
    assert (null.name, null.look, list(null.y)) == (NULL, "level", [0.1, 0.1])
    assert (imp.name, list(imp.y)) == ("imp", [0.05, 0.3])
    assert "null" in hull_distance(evidence).note
    assert hull_distance(SimpleNamespace(density={}, measure=ACCURACY)) is None
