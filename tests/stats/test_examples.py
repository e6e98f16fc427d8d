"""The test set's own sampling error: by hand, and in simulations whose components are known."""

from __future__ import annotations

from statistics import mean, variance

import numpy as np
import pytest

from lth_bench.stats import Interval, Summary
from lth_bench.stats.examples import examples_variance, total_error, wider_interval

SEEDS, IMAGES = 8, 500


def test_by_hand() -> None:
    # means over the seeds 1, 0, -1/2, 1/2: variance 5/12; within an example 0, 0, 1/2, 1/2
    values = np.array([[1, 0, 0, 1], [1, 0, -1, 0]])
    assert examples_variance(values) == pytest.approx(5 / 12 / 4 - 1 / 4 / (2 * 4))


def test_it_is_the_formula_written_with_lists() -> None:
    values = np.random.default_rng(0).integers(-1, 2, (3, 40))
    columns = [list(map(float, column)) for column in values.T]
    own = mean(map(variance, columns)) / (3 * 40)
    assert examples_variance(values) == pytest.approx(
        max(0.0, variance(map(mean, columns)) / 40 - own)
    )


def test_examples_that_do_not_differ_add_nothing() -> None:
    assert examples_variance(np.array([[1, 0, 0, 1], [0, 1, 1, 0]])) == 0.0


def drawn(rng: np.random.Generator, seed: float, example: float, both: float) -> np.ndarray:
    """An experiment's differences in points, from these standard deviations."""
    return (
        0.78
        + rng.normal(0, seed, SEEDS)[:, None]
        + rng.normal(0, example, IMAGES)
        + rng.normal(0, both, (SEEDS, IMAGES))
    )


def test_the_measured_example() -> None:
    """8 seeds of digits' 500 images, +0.78 points: .22 from the seeds, .19 from the images, .29 in
    all. From components that give these, a new draw of seeds and images moves the mean by .29, and
    each experiment's own estimates are .22 and .19.
    """
    example, both = 0.19 * IMAGES**0.5, 120**0.5
    seed = (0.22**2 * SEEDS - both**2 / IMAGES) ** 0.5
    rng = np.random.default_rng(0)
    found = [drawn(rng, seed, example, both) for _ in range(1000)]
    assert np.std([x.mean() for x in found]) == pytest.approx(0.29, rel=0.06)
    summaries = [Summary.of(x.mean(axis=1)) for x in found]
    extra = [examples_variance(x) for x in found]
    assert np.mean(extra) ** 0.5 == pytest.approx(0.19, rel=0.02)
    assert np.mean([s.error**2 for s in summaries]) ** 0.5 == pytest.approx(0.22, rel=0.05)
    errors = [total_error(s, e) for s, e in zip(summaries, extra, strict=True)]
    assert np.mean(np.square(errors)) ** 0.5 == pytest.approx(0.29, rel=0.04)


def test_the_wider_interval_covers_where_that_of_the_seeds_does_not() -> None:
    rng = np.random.default_rng(1)
    inner = wider = 0
    for _ in range(500):
        values = drawn(rng, 0.5, 20.0, 10.0)  # the images' error is .9 points, the seeds' .24
        summary = Summary.of(values.mean(axis=1))
        for_all = wider_interval(summary, examples_variance(values))
        inner += _covers(summary.interval(), 0.78)
        wider += _covers(for_all, 0.78)
        assert for_all.half_width >= summary.interval().half_width
    assert inner < 0.6 * 500
    assert 0.93 * 500 <= wider <= 0.99 * 500


def _covers(interval: Interval, true: float) -> bool:
    return interval.low <= true <= interval.high


def test_one_seed_has_none() -> None:
    assert wider_interval(Summary(1, 0.5, None), 0.01) == Interval(0.5, None, None, 1)
    assert total_error(Summary(1, 0.5, None), 0.01) is None


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (4,)])
def test_too_few_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two of each at least"):
        examples_variance(np.zeros(shape))


@pytest.mark.parametrize("extra", [-1e-9, float("nan"), float("inf")])
def test_no_variance_is_refused(extra: float) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        wider_interval(Summary(2, 0.0, 1.0), extra)
