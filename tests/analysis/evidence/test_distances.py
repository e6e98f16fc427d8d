from __future__ import annotations

import pytest

from lth_bench.analysis.evidence import distance_matrices


def matrix(ticket: str, steps: list[int], name: str = "mask_distance"):
    n = len(steps)
    return (ticket, name, steps, [abs(i - j) / n for i in range(n) for j in range(n)])


def test_of_the_lowest_seed_that_has_one(by_hand) -> None:
    con = by_hand(
        [
            {"label": "bird", "density": 0.5, "seed": 0, "status": "failed"},
            {"label": "bird", "density": 0.5, "seed": 1},
            {"label": "bird", "density": 0.5, "seed": 2, "params": '{"threshold": 0.2}'},
            {"label": "bird", "density": 0.5, "seed": 3},
        ],
        matrices=[
            matrix("bird-0", [1]), matrix("bird-1", [1], "other"),
            matrix("bird-3", [7]), matrix("bird-2", [10, 20]),
        ],
    )  # fmt: skip
    ((one,),) = distance_matrices(con).values()
    assert (one.seed, one.threshold, one.steps) == (2, 0.2, (10, 20))
    assert one.values == ((0, 0.5), (0.5, 0))


def test_long_searches_are_thinned_to_their_ends(by_hand) -> None:
    con = by_hand(
        [{"label": "bird", "density": 0.5, "seed": 0}],
        matrices=[matrix("bird-0", list(range(0, 1000, 100)))],
    )
    ((one,),) = distance_matrices(con, moments=3).values()
    assert one.steps == (0, 400, 900)
    assert one.values == ((0, 0.4, 0.9), (0.4, 0, 0.5), (0.9, 0.5, 0))
    assert one.threshold is None


def test_recorded_and_read_again(results) -> None:
    con = results(weights=True, strategies=("dense", "early_bird"), controls=("reinit",))
    (found,) = distance_matrices(con).values()
    assert [(m.name, m.target_density) for m in found] == [("early_bird", 0.5), ("early_bird", 0.2)]
    assert found[0].steps == (30, 60, 90, 120)
    assert found[0].values[0] == pytest.approx((0, 1 / 2, 2 / 3, 3 / 4))


def test_a_matrix_of_another_shape_is_left_out(by_hand) -> None:
    con = by_hand(
        [{"label": "bird", "density": 0.5, "seed": 0}],
        matrices=[("bird-0", "mask_distance", [1, 2], [0.0, 0.5])],
    )
    assert distance_matrices(con) == {}
