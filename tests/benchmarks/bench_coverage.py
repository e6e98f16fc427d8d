"""How often the intervals cover the truth and how often the verdicts are right, by simulation.

`make bench ARGS="-k coverage"`, 50 s on one core. Prints the tables of `stats/README.md` and
asserts nothing: `tests/stats` holds the default interval to its level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from lth_bench.stats import (
    Interval,
    Summary,
    bootstrap_interval,
    judge,
    minimum_detectable_effect,
    t_interval,
)

SEEDS = (3, 5, 10, 20)
IMAGES = 360
"""Of the digits' test split: accuracies are multiples of 0.28 points."""

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    # differences with a deviation of 0.3 points, in images right or wrong
    "quantised": lambda rng, shape: np.rint(rng.normal(scale=0.003 * IMAGES, size=shape)),
    # one seed in ten falls by five deviations, as where a training sometimes collapses
    "collapsing": lambda rng, shape: (
        rng.normal(size=shape) - 5 * (rng.random(shape) < 0.1) + 5 * 0.1
    ),
    "skewed": lambda rng, shape: rng.exponential(size=shape) - 1,
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_t_coverage(name: str) -> None:
    print(f"\nt-interval, 95%, {name}:", covered(t_interval, DISTRIBUTIONS[name], 20_000))


def test_bootstrap_coverage() -> None:
    print("\nbootstrap, 95%, normal:", covered(bootstrap_interval, DISTRIBUTIONS["normal"], 5000))


@pytest.mark.parametrize("true", [0.0, 0.0025, 0.005, 0.01])
@pytest.mark.parametrize("deviation", [0.002, 0.005])
def test_verdict_coverage(true: float, deviation: float) -> None:
    """Percent of each verdict at a true difference, in fractions, with a margin of 0.5 points."""
    print(f"\nverdicts at a true difference of {true}, deviation {deviation}:")
    for n in SEEDS:
        draws = np.random.default_rng(n).normal(true, deviation, (4000, n))
        kinds = Counter(judge(Summary.of(row)).kind for row in draws)
        print(f"  n={n}:", {kind: round(100 * count / 4000, 1) for kind, count in kinds.items()})


def test_detectable_coverage() -> None:
    detectable = {n: round(minimum_detectable_effect(1.0, n), 2) for n in SEEDS}
    print("\ndetectable difference in deviations, 80% power:", detectable)


def covered(interval: Callable[[np.ndarray], Interval], draw: Draw, times: int) -> dict[str, float]:
    """Percent of `times` samples of each size whose interval holds the true mean, 0."""
    found = {}
    for n in SEEDS:
        rows = draw(np.random.default_rng(n), (times, n))
        made = map(interval, rows)
        inside = sum((x.low or 0.0) <= 0 <= (x.high or 0.0) for x in made)
        found[f"n={n}"] = round(100 * inside / times, 1)
    return found
