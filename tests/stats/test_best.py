from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import may_be_best, rank_intervals

SEEDS = 5
complete = st.lists(
    st.lists(st.integers(0, 20), min_size=SEEDS, max_size=SEEDS), min_size=1, max_size=5
).map(lambda rows: {i: dict(enumerate(map(float, row))) for i, row in enumerate(rows)})


def seeds(*values):
    return dict(enumerate(values))


def test_by_hand() -> None:
    # differences 1, 2, 3: t = 2 / (1 / √3) = 3.464, one-sided p = .0371 < .05; against one other
    samples = {"a": seeds(11, 12, 13), "b": seeds(10, 10, 10)}
    assert may_be_best(samples, "a") == {"a"}
    # with a third label each test is at .025
    assert may_be_best({**samples, "c": seeds(0, 0, 1)}, "a") == {"a", "b"}
    assert may_be_best(samples, "b", higher=False) == {"b"}


def test_what_seeds_are_lost_or_missing_shows_nothing() -> None:
    far = {"a": seeds(11.0, 12.0, 13.0, 11.5), "b": seeds(1, 2, 1, 2)}
    assert may_be_best(far, "a") == {"a"}
    assert may_be_best({**far, "a": {**far["a"], 4: None}}, "a") == {"a", "b"}
    assert may_be_best({**far, "b": seeds(1, 2)}, "a") == {"a", "b"}  # two in common


def test_equal_differences_are_as_coarse_as_the_measurement() -> None:
    samples = {"a": seeds(0.9, 0.9, 0.9), "b": seeds(0.89, 0.89, 0.89)}
    assert may_be_best(samples, "a") == {"a"}
    assert may_be_best(samples, "a", step=0.02) == {"a", "b"}


@given(complete)
def test_more_confidence_keeps_more(samples) -> None:
    assert may_be_best(samples, 0, level=0.8) <= may_be_best(samples, 0, level=0.99)


def test_it_tells_more_apart_than_rank_intervals() -> None:
    """On six labels a point apart, with deviation 1 and five seeds."""
    draw = random.Random(0)
    fewer = []
    for _ in range(50):
        samples = {k: {s: -k + draw.gauss(0, 0.7) for s in range(SEEDS)} for k in range(6)}
        leader = max(samples, key=lambda k: sum(samples[k].values()))
        tied = may_be_best(samples, leader)
        could = {k for k, (low, _) in rank_intervals(samples).items() if low == 1}
        fewer.append(len(could) - len(tied))
    assert sum(fewer) > 0


@pytest.mark.slow
def test_the_best_is_among_them() -> None:
    """Also where it is hard: all labels are equally good, so each of them is the best."""
    draw = random.Random(0)
    missed = 0
    for _ in range(4000):
        samples = {k: {s: draw.gauss(0, 1) for s in range(SEEDS)} for k in range(7)}
        leader = max(samples, key=lambda k: sum(samples[k].values()))
        missed += 0 not in may_be_best(samples, leader)
    assert missed / 4000 < 0.05


def test_a_level_is_a_fraction() -> None:
    with pytest.raises(ValueError, match="level must lie in"):
        may_be_best({"a": seeds(1.0)}, "a", level=1.0)
