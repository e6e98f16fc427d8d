"""Kept weights per pixel and per unit, read from the database."""

from __future__ import annotations

import pytest

from lth_bench.analysis.evidence import mask_maps, unit_shares
from lth_bench.analysis.evidence.units import RANKS

DENSE = {"label": "dense", "density": 1.0, "seed": 0}
TICKETS = [{"label": "imp", "density": 0.5, "seed": seed} for seed in (0, 1)]
LAYERS = [(f"imp-{i}", 0, "fc1", "linear", 16, 8) for i in (0, 1)]


def test_maps_are_means_over_seeds_and_channels_by_hand(by_hand) -> None:
    control = {"label": "imp", "density": 0.5, "seed": 0, "control": "reinit", "ticket_id": "own"}
    con = by_hand(
        [DENSE, *TICKETS, control],
        layers=[*LAYERS, ("own", 0, "fc1", "linear", 16, 8)],
        units=[
            # two units read two channels of two pixels: each value has 2 weights, a pixel 4
            ("imp-0", "fc1", "in", [2, 1, 2], [2, 0, 1, 0]),
            ("imp-1", "fc1", "in", [2, 1, 2], [1, 0, 1, 2]),
            ("imp-0", "fc1", "out", [], [8, 0]),
            ("own", "fc1", "in", [2, 1, 2], [2, 2, 2, 2]),
        ],
    )
    con.execute("UPDATE layers SET total = 8")
    ((one,),) = mask_maps(con).values()
    assert (one.name, one.target_density, one.layer, one.n) == ("imp", 0.5, "fc1", 2)
    assert (one.is_kernel, one.width) == (False, 2)
    assert one.kept == pytest.approx(((3 / 4 + 2 / 4) / 2, (0 + 2 / 4) / 2))


def test_units_are_sorted_at_each_seed_and_then_averaged(by_hand) -> None:
    con = by_hand(
        TICKETS,
        layers=LAYERS,
        units=[
            ("imp-0", "fc1", "out", [], [0, 8]),
            ("imp-1", "fc1", "out", [], [4, 2]),
            ("imp-0", "fc1", "kernel", [1, 1, 2], [4, 4]),
        ],
    )
    ((one,),) = unit_shares(con).values()
    assert (one.layer, one.side, one.n, len(one.kept)) == ("fc1", "out", 2, RANKS)
    assert one.kept[0] == pytest.approx((8 / 8 + 4 / 8) / 2)
    assert one.kept[-1] == pytest.approx((0 + 2 / 8) / 2)
    assert list(one.kept) == sorted(one.kept, reverse=True)


def test_nothing_in_results_that_do_not_have_them(by_hand) -> None:
    con = by_hand(TICKETS, layers=LAYERS)
    assert mask_maps(con) == unit_shares(con) == {}


@pytest.mark.parametrize(("shape", "kept"), [([1, 0, 0], []), ([1, 1, 3], [1, 2])])
def test_maps_that_are_not_whole_are_left_out(by_hand, shape, kept) -> None:
    con = by_hand(TICKETS, layers=LAYERS, units=[("imp-0", "fc1", "in", shape, kept)])
    assert mask_maps(con) == {}
