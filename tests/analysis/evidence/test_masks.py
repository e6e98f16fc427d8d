from __future__ import annotations

import numpy as np
import pytest

from lth_bench.analysis.evidence import distance_matrices, layers_kept, weight_histograms
from lth_bench.analysis.evidence.masks import BINS, merged


def test_means_over_the_seeds_by_hand(by_hand) -> None:
    con = by_hand(
        [
            {"label": "imp", "density": 0.5, "seed": 0},
            {"label": "imp", "density": 0.5, "seed": 1},
            {"label": "imp", "density": 0.5, "seed": 2, "status": "failed"},
            {"label": "dense", "density": 1.0, "seed": 0},
            {"label": "imp2", "density": 0.5, "seed": 0, "control": "reinit"},
        ],
        layers=[
            ("imp-0", 1, "out", "output", 10, 10),
            ("imp-0", 0, "in", "conv", 100, 20),
            ("imp-1", 0, "in", "conv", 100, 40),
            ("imp-1", 1, "out", "output", 10, 5),
            ("imp-2", 0, "in", "conv", 100, 100),
            ("dense-0", 0, "in", "conv", 100, 100),
            ("imp2-0", 0, "in", "conv", 100, 50),
        ],
    )
    ((one,),) = layers_kept(con).values()
    assert (one.label, one.target_density, one.n) == ("imp", 0.5, 2)
    assert (one.layers, one.total) == (("in", "out"), (100, 10))
    assert one.kept == pytest.approx((0.3, 0.75))


def test_only_reported_rounds_from_dense_to_sparse(results) -> None:
    (found,) = layers_kept(results(strategies=("dense", "imp"))).values()
    assert [(one.label, one.target_density) for one in found] == [("imp", 0.5), ("imp", 0.2)]
    assert found[1].kept == pytest.approx((86 / 432, 1638 / 8192, 128 / 640))


def counts(**bins: int) -> list[int]:
    found = [0] * BINS
    for name, count in bins.items():
        found[int(name[1:])] = count
    return found


def test_histograms_of_different_reaches_are_added_exactly() -> None:
    # over [−1, 1] two bins of [−½, ½] are one, and 0 stays between bins 31 and 32
    narrow = counts(b0=1, b1=2, b31=4, b32=8, b63=16)
    wide = counts(b0=100, b16=200, b32=300)
    assert merged([(0.5, narrow), (1.0, wide)], 1.0) == tuple(
        counts(b0=100, b16=200 + 1 + 2, b31=4, b32=300 + 8, b47=16)
    )


def test_merged_histograms_equal_numpys() -> None:
    values = np.random.default_rng(0).normal(size=10_000) * 0.1
    edges = lambda reach: np.linspace(-reach, reach, BINS + 1)  # noqa: E731
    narrow = np.histogram(values, edges(0.5))[0].tolist()
    assert merged([(0.5, narrow)], 2.0) == tuple(np.histogram(values, edges(2.0))[0].tolist())


def test_histograms_are_summed_over_seeds_in_common_bins(by_hand) -> None:
    con = by_hand(
        [{"label": "imp", "density": 0.5, "seed": seed} for seed in (0, 1)]
        + [{"label": "imp", "density": 0.5, "seed": 2, "status": "failed"}],
        layers=[("imp-0", 0, "fc", "linear", 10, 5)],
        weights=[
            ("imp-0", "fc", "start", 0.5, counts(b32=3)),
            ("imp-0", "fc", "end", 1.0, counts(b0=3)),
            ("imp-1", "fc", "start", 0.5, counts(b34=5)),
            ("imp-1", "fc", "end", 2.0, counts(b63=5)),
            ("imp-2", "fc", "start", 4.0, counts(b63=9)),
            ("imp-2", "fc", "end", 4.0, counts(b63=9)),
        ],
    )
    ((one,),) = weight_histograms(con).values()
    assert (one.layer, one.reach, one.n) == ("fc", 2.0, 2)
    assert one.start == tuple(counts(b32=3 + 5))
    assert one.end == tuple(counts(b16=3, b63=5))


def test_histograms_of_every_layer_without_controls(results) -> None:
    con = results(weights=True, strategies=("dense", "imp"), controls=("reinit",), seeds=(0, 2))
    (found,) = weight_histograms(con).values()
    assert [(one.label, one.target_density, one.layer) for one in found] == [
        (label, density, layer)
        for label, density in (("dense", 1.0), ("imp", 0.5), ("imp", 0.2))
        for layer in ("conv1", "fc1", "fc2")
    ]
    assert sum(found[3].start) == sum(found[3].end) == 2 * 216  # half of conv1's, at two seeds
    assert {one.reach for one in found} == {1.0}


@pytest.mark.parametrize(("layers", "names"), [(1, {"fc2"}), (2, {"conv1", "fc2"})])
def test_at_most_the_given_number_of_layers(results, layers, names) -> None:
    con = results(weights=True, strategies=("imp",))
    (found,) = weight_histograms(con, densities=1, layers=layers).values()
    assert {one.layer for one in found} == names
    assert {one.target_density for one in found} == {0.2}


def test_databases_without_histograms_give_nothing(results) -> None:
    assert weight_histograms(results()) == {}


def matrix(ticket: str, steps: list[int], name: str = "mask_distance"):
    n = len(steps)
    return (ticket, name, steps, [abs(i - j) / n for i in range(n) for j in range(n)])


def test_distances_are_of_the_lowest_seed_that_has_them(by_hand) -> None:
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


def test_distances_are_read_as_recorded(results) -> None:
    con = results(weights=True, strategies=("dense", "early_bird"), controls=("reinit",))
    (found,) = distance_matrices(con).values()
    assert [(m.name, m.target_density) for m in found] == [("early_bird", 0.5), ("early_bird", 0.2)]
    assert found[0].steps == (30, 60, 90, 120)
    assert found[0].values[0] == pytest.approx((0, 1 / 2, 2 / 3, 3 / 4))


def test_matrices_of_a_wrong_shape_are_left_out(by_hand) -> None:
    con = by_hand(
        [{"label": "bird", "density": 0.5, "seed": 0}],
        matrices=[("bird-0", "mask_distance", [1, 2], [0.0, 0.5])],
    )
    assert distance_matrices(con) == {}
