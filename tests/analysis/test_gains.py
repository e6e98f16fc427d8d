"""What tuning gained, on tables made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lth_bench.analysis import gains
from lth_bench.analysis.evidence.subject import Place, Task
from lth_bench.analysis.measures import ACCURACY, Measure, measure

PLACE = Place("small", Task("mlp", "digits", "short"))


@pytest.fixture
def bought(monkeypatch, sample):
    """`bought(cells)`: the gain of a study at 0.4 and 0.1, from (label, density) → by seed."""

    def make(cells, lost=(), primary=ACCURACY):
        found = [
            sample(
                label,
                density,
                values,
                suite=PLACE.suite,
                task=PLACE.task,
                lost=[seed for where, seed in lost if where == (label, density)],
            )
            for (label, density), values in cells.items()
        ]
        monkeypatch.setattr(gains, "samples", lambda *_, **__: found)
        monkeypatch.setattr(gains, "primary_of_places", lambda _: {PLACE: primary})
        study = SimpleNamespace(
            study_id="x",
            label="imp",
            suite=PLACE.suite,
            task=PLACE.task,
            densities=(0.4, 0.1),
            seeds=(1000, 1001),
        )
        return gains.study_gains(None, [study]).get("x")

    return make


def test_gain_is_the_mean_paired_difference(bought):
    gain = bought(
        {
            ("imp", 0.4): {0: 0.8, 1: 0.7},
            ("imp", 0.1): {0: 0.4, 1: 0.3},
            ("imp-tuned", 0.4): {0: 0.9, 1: 0.9},
            ("imp-tuned", 0.1): {0: 0.5, 1: 0.5},
        }
    )
    # by seed 0.7 - 0.6 and 0.7 - 0.5
    assert gain.interval.mean == pytest.approx(0.15)
    assert gain.interval.n == 2
    assert gain.interval.low < 0.1 and gain.interval.high > 0.2
    assert gain.own == pytest.approx(0.55)
    assert gain.densities == (0.4, 0.1)


def test_only_tuned_densities_count(bought):
    cells = {(label, d): {0: 0.5} for label in ("imp", "imp-tuned") for d in (0.4, 0.02)}
    gain = bought(cells)
    assert gain.densities == (0.4,)
    assert gain.interval == (0.0, None, None, 1)


def test_a_lost_seed_counts_as_0_unless_both_lost_it(bought):
    cells = {
        ("imp", 0.4): {0: 0.8}, ("imp", 0.1): {0: 0.4},
        ("imp-tuned", 0.4): {0: 0.8}, ("imp-tuned", 0.1): {},
    }  # fmt: skip
    both = [((label, d), 1) for label in ("imp", "imp-tuned") for d in (0.4, 0.1)]
    gain = bought(cells, lost=[(("imp-tuned", 0.1), 0), *both])
    assert gain.interval.n == 1
    assert gain.interval.mean == pytest.approx(-0.2)


@pytest.mark.parametrize(
    ("primary", "mean"),
    [
        (Measure("test_error", "fraction", False), 0.3),  # 1 instead of 0.4, at one of two
        (Measure("test_rmse", "", False), None),  # has no worst value
    ],
)
def test_a_lost_seed_counts_as_the_primary_metric_s_worst(bought, primary, mean):
    cells = {
        ("imp", 0.4): {0: 0.8}, ("imp", 0.1): {0: 0.4},
        ("imp-tuned", 0.4): {0: 0.8}, ("imp-tuned", 0.1): {},
    }  # fmt: skip
    gain = bought(cells, lost=[(("imp-tuned", 0.1), 0)], primary=primary)
    assert (gain and gain.interval.mean) == (mean and pytest.approx(mean))
    assert gain is None or gain.measure == primary


def test_an_unfinished_seed_is_left_out(bought):
    cells = {
        ("imp", 0.4): {0: 0.8}, ("imp", 0.1): {0: 0.4},
        ("imp-tuned", 0.4): {0: 0.8}, ("imp-tuned", 0.1): {},
    }  # fmt: skip
    assert bought(cells) is None


def test_seeds_that_the_search_used_are_left_out(bought):
    cells = {
        (label, d): {0: value, 1: value, 1000: 0.0 if label == "imp" else 1.0}
        for label, value in (("imp", 0.5), ("imp-tuned", 0.6))
        for d in (0.4, 0.1)
    }
    gain = bought(cells)
    assert gain.interval.n == 2
    assert gain.interval.mean == pytest.approx(0.1)
    assert bought({cell: {1000: 0.5} for cell in cells}) is None


def test_at_a_density_a_lower_loss_is_a_gain(sample):
    own = sample("imp", 0.1, {0: 0.50, 1: 0.60, 2: 0.70, 9: 0.0})
    tuned = sample("imp-tuned", 0.1, {0: 0.40, 1: 0.51, 2: 0.59, 9: 9.0})
    gain = gains.gain_at_density(
        "t", "imp-tuned", own, tuned, seen=[9], steps=40, measure=measure("test_loss")
    )
    assert gain.pairs == 3  # the seed of the search is left out
    assert gain.difference.mean == pytest.approx(-0.1)
    assert gain.own.mean == pytest.approx(0.6)
    assert gain.verdict["verdict"] == "better"
    same = gains.gain_at_density("t", "imp-tuned", own, tuned, seen=[9], steps=40)
    assert same.verdict["verdict"] == "worse"


def test_at_a_density_lost_seeds_fail_and_no_seeds_give_no_verdict(sample):
    own, tuned = sample("imp", 0.1, {0: 0.5, 1: 0.6}), sample("imp-tuned", 0.1, {0: 0.5}, lost=[1])
    gain = gains.gain_at_density("t", "imp-tuned", own, tuned, seen=[], steps=None)
    assert (gain.verdict["verdict"], gain.verdict["lost"]) == ("failed", 1)
    empty = gains.gain_at_density(
        "t", "imp-tuned", own, sample("imp-tuned", 0.1, {}), seen=[], steps=None
    )
    assert (empty.verdict, empty.tuned, empty.difference, empty.pairs) == (None, None, None, 0)


def test_a_gain_is_judged_as_the_suites_rows_are(sample):
    """+1.4, +1.5, +1.7 points: .436 to 2.630 by the interval of a look, and by 95% within 2."""
    own = sample("imp", 0.4, dict.fromkeys(range(3), 0.9))
    tuned = sample("imp-tuned", 0.4, {0: 0.914, 1: 0.915, 2: 0.917})
    options = {"seen": (), "steps": 10}
    found = gains.gain_at_density("t", "imp", own, tuned, **options, level=0.9936)
    assert found.difference[1:3] == pytest.approx((0.00436, 0.02630), abs=1e-5)
    assert (found.verdict["verdict"], found.level) == ("better", 0.9936)
    wide = gains.gain_at_density("t", "imp", own, tuned, **options, margin=0.02)
    assert wide.verdict["within_margin"] and not found.verdict["within_margin"]
