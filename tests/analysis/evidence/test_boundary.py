"""Decision boundaries read from the database."""

from __future__ import annotations

import pytest

from lth_bench.analysis.evidence import boundaries

SQUARE = ([0.0, 4, 4, 0], [0.0, 0, 4, 4])
PARTS = {
    "boundary": ([0.0, 1, None, 2, 3], [0.0, 1, None, 2, 3]),
    "zonotope_0": ([0.0, 4], [0.0, 4]),
    "zonotope_1": ([0.0, 4], [4.0, 0]),
    "hull": SQUARE,
}


def rows(ticket: str, prefix: str = "", **more):
    return [(ticket, prefix + name, *points) for name, points in (PARTS | more).items()]


DENSE = [{"label": "dense", "density": 1.0, "seed": seed} for seed in (1, 2)]
IMP = [{"label": "imp", "density": d, "seed": s, "ticket_id": f"imp-{d}-{s}"}
       for d in (0.5, 0.2) for s in (0, 1, 2)]  # fmt: skip


def test_one_seed_of_each_network_the_dense_run_and_its_null_first(by_hand) -> None:
    kept = rows("dense-1", class_0=([9.0], [8.0])) + rows("dense-1", "other_") + rows("dense-2")
    for row in IMP:
        kept += rows(row["ticket_id"])
    (found,) = boundaries(by_hand([*DENSE, *IMP], outlines=kept)).values()
    assert [(one.label, one.target_density, one.seed, one.unrelated) for one in found] == [
        ("dense", 1.0, 1, False), ("dense", 1.0, 1, True), ("imp", 0.5, 1, False),
        ("imp", 0.2, 1, False),
    ]  # fmt: skip
    assert found[0].classes == (([9.0], [8.0]),) and found[2].classes == ()
    assert not any(one.unbiased for one in found)


def test_polygons_are_closed_and_size_normalised_with_their_hull(by_hand) -> None:
    con = by_hand(DENSE[:1], outlines=rows("dense-1", normals=([1.0], [0.0])))
    ((one,),) = boundaries(con).values()
    half = 1 / (2 * 2**0.5)  # of the side of a square whose diagonal is 1
    assert one.hull.x == pytest.approx((-half, half, half, -half, -half))
    assert one.hull.y == pytest.approx((-half, -half, half, half, -half))
    assert one.zonotopes.x[3] is None
    assert one.zonotopes.x[:3] == pytest.approx((-half, half, -half))
    assert list(map(list, one.boundary)) == [list(axis) for axis in PARTS["boundary"]]
    assert one.unbiased


@pytest.mark.parametrize(
    "hull", [([1.0], [1.0]), ([], []), ([1.0, None, 3.0], [0.0, 1, 2])],
    ids=["point", "nothing", "gap"],
)  # fmt: skip
def test_what_is_no_polygon_is_left_out(by_hand, hull) -> None:
    con = by_hand([*DENSE[:1], IMP[1]], outlines=rows("dense-1") + rows("imp-0.5-1", hull=hull))
    ((one,),) = boundaries(con).values()
    assert one.label == "dense"


def test_nothing_without_a_dense_run_to_compare_with(by_hand) -> None:
    assert boundaries(by_hand([*DENSE, IMP[1]], outlines=rows("imp-0.5-1"))) == {}


def test_the_null_is_that_of_the_dense_run_alone(by_hand) -> None:
    """Not of `dense` at equal cost, which has a second network of its own."""
    longer = [{"label": "dense-equal_cost", "density": 1.0, "seed": seed} for seed in (0, 1)]
    kept = rows("dense-1") + rows("dense-1", "other_")
    for row in longer:
        kept += rows(f"{row['label']}-{row['seed']}")
        kept += rows(f"{row['label']}-{row['seed']}", "other_")
    con = by_hand([*DENSE, *longer], outlines=kept)
    for table in ("cells", "flat"):
        con.execute(f"UPDATE {table} SET strategy = 'dense'")
    (found,) = boundaries(con).values()
    assert [(one.label, one.seed, one.unrelated) for one in found] == [
        ("dense", 1, False), ("dense", 1, True), ("dense-equal_cost", 1, False),
    ]  # fmt: skip
