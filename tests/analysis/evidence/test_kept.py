from __future__ import annotations

import pytest

from lth_bench.analysis.evidence import layers_kept


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


def test_reported_rounds_only_from_dense_to_sparse(results) -> None:
    (found,) = layers_kept(results(strategies=("dense", "imp"))).values()
    assert [(one.label, one.target_density) for one in found] == [("imp", 0.5), ("imp", 0.2)]
    assert found[1].kept == pytest.approx((86 / 432, 1638 / 8192, 128 / 640))
