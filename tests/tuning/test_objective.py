from __future__ import annotations

import math

import pytest

from lth_bench.analysis.measures import Measure
from lth_bench.stats.curve import area, matching_density
from lth_bench.tuning.objective import StudyObjective

SEEDS, DENSITIES = (7, 8), (0.4, 0.1)
RESULTS = {(7, 0.4): 0.9, (7, 0.1): 0.5, (8, 0.4): 0.7, (8, 0.1): 0.3}
DENSE = {7: 1.0, 8: 0.8}


def objective(*names: str, margin: float = 0.1) -> StudyObjective:
    return StudyObjective(names, DENSITIES, SEEDS, margin)


def value(*names: str, densities=DENSITIES, cost=3.0) -> list[float]:
    return objective(*names).values(RESULTS, DENSE, densities, cost)


def test_accuracy_is_the_mean_over_seeds_and_densities():
    assert value("accuracy") == [pytest.approx(0.6)]


def test_on_a_front_over_the_density_only_the_sparsest_counts():
    assert value("accuracy", "density") == [pytest.approx(0.4), 0.1]
    assert value("accuracy", "density", densities=(0.4,)) == [pytest.approx(0.8), 0.4]


def test_cost_is_the_given_cost():
    assert value("accuracy", "cost") == [pytest.approx(0.6), 3.0]


def test_the_area_is_the_leaderboard_s():
    # means 0.9 at 1, 0.8 at 0.4, 0.4 at 0.1, by the trapezoid rule over the logarithm
    wide, sparse = math.log(1 / 0.4), math.log(0.4 / 0.1)
    by_hand = (0.85 * wide + 0.6 * sparse) / (wide + sparse)
    assert value("area") == [pytest.approx(by_hand)]
    assert area({0.5: 0.7, 0.25: 0.7}, 0.7) == pytest.approx(0.7)


def test_matching_is_where_the_accuracy_falls_below():
    means = {0.4: 0.95, 0.2: 0.9, 0.1: 0.7}
    assert matching_density(means, 0.99) == 1.0  # not even the densest
    assert matching_density(means, 0.65) == pytest.approx(0.1)  # all of them
    assert matching_density(means, 0.9) == pytest.approx(0.2)
    assert matching_density({0.4: 0.9}, math.nextafter(0.9, 1)) == 0.4  # but for the last bits
    assert matching_density({0.4: 0.9}, 0.9 + 1e-9) == 1.0
    assert matching_density(means, 0.8) == pytest.approx(math.sqrt(0.2 * 0.1))  # half way down
    # a dip on the way does not end it: the sparsest density that matches counts
    assert matching_density({0.4: 0.5, 0.2: 0.9, 0.1: 0.9}, 0.9) == pytest.approx(0.1)


def test_matching_subtracts_the_margin():
    assert objective("matching", margin=0.1).values(RESULTS, DENSE, DENSITIES, 0) == [
        pytest.approx(0.4)
    ]


def test_directions():
    assert objective("accuracy", "cost").directions == ("maximize", "minimize")
    assert objective("matching").directions == ("minimize",)
    assert objective("area").needs_dense and objective("matching").needs_dense
    assert not objective("accuracy", "density").needs_dense


def test_intermediate_values_run_seed_by_seed_from_dense_to_sparse():
    first = objective("accuracy").intermediate(RESULTS, {}, 1)
    assert first == [(1, pytest.approx(0.9)), (2, pytest.approx(0.7))]
    second = objective("accuracy").intermediate(RESULTS, {}, 2)
    assert second == [(3, pytest.approx(0.7)), (4, pytest.approx(0.6))]
    assert objective("accuracy").intermediate(RESULTS, {}, 2, whole=True) == first + second


def test_the_last_intermediate_value_is_the_objective():
    for name in ("accuracy", "area", "matching"):
        o = objective(name)
        course = o.intermediate(RESULTS, DENSE, 2, whole=True)
        assert course[-1] == (4, pytest.approx(o.values(RESULTS, DENSE, DENSITIES, 0)[0]))


RMSE = Measure("test_rmse", "", False)


def test_of_a_metric_that_is_better_lower_the_density_is_that_where_it_gets_too_high():
    # 10 of dense, 5% of it is 0.5; the means are 10.4 at 0.4 and 10.8 at 0.1
    results = {(7, 0.4): 10.3, (8, 0.4): 10.5, (7, 0.1): 10.7, (8, 0.1): 10.9}
    kind = StudyObjective(("matching",), DENSITIES, SEEDS, measure=RMSE)
    (found,) = kind.values(results, {7: 9.0, 8: 11.0}, DENSITIES, 0)
    part = (10.5 - 10.4) / (10.8 - 10.4)
    assert found == pytest.approx(math.exp((1 - part) * math.log(0.4) + part * math.log(0.1)))
    assert kind.directions == ("minimize",)


def test_mirrored_results_give_the_mirrored_objective():
    """What is 1 − accuracy is better lower: the same matching density, one minus the area."""
    errors = {key: 1 - x for key, x in RESULTS.items()}
    dense = {seed: 1 - x for seed, x in DENSE.items()}
    error = Measure("test_error", "fraction", False)
    kind = StudyObjective(("area",), DENSITIES, SEEDS, 0.1, measure=error)
    assert kind.values(errors, dense, DENSITIES, 0) == [pytest.approx(1 - value("area")[0])]
    for margin in (0.1, 0.15):  # 0.1 is a tie at 0.4, which the last bits must not decide
        matching = StudyObjective(("matching",), DENSITIES, SEEDS, margin, measure=error)
        (expected,) = objective("matching", margin=margin).values(RESULTS, DENSE, DENSITIES, 0)
        assert 0.1 < expected < 0.41
        assert matching.values(errors, dense, DENSITIES, 0) == [pytest.approx(expected)]
    assert (kind.names, kind.directions) == (("area of error",), ("minimize",))
