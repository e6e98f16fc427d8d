from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.stats import Summary, rank_intervals, ranks

SEEDS = 5
complete = st.lists(
    st.lists(st.integers(0, 20), min_size=SEEDS, max_size=SEEDS), min_size=1, max_size=5
).map(lambda rows: {i: dict(enumerate(map(float, row))) for i, row in enumerate(rows)})


@given(complete, st.booleans())
def test_an_interval_contains_the_place_of_the_mean(
    samples: dict[int, dict[int, float]], higher: bool
) -> None:
    places = ranks({label: Summary.of(x.values()).mean for label, x in samples.items()}, higher)
    for label, (low, high) in rank_intervals(samples, 0.9, higher).items():
        assert 1 <= low <= places[label] <= high <= len(samples)


@given(complete)
def test_more_confidence_is_wider(samples: dict[int, dict[int, float]]) -> None:
    sure = rank_intervals(samples, 0.99)
    for label, (low, high) in rank_intervals(samples, 0.8).items():
        assert sure[label][0] <= low and high <= sure[label][1]


@given(complete, st.floats(-1, 1))
def test_what_all_share_at_a_seed_does_not_matter(
    samples: dict[int, dict[int, float]], shift: float
) -> None:
    # whole numbers: the differences stay exact
    moved = {label: {s: v + 64 * s for s, v in x.items()} for label, x in samples.items()}
    assert rank_intervals(moved) == rank_intervals(samples)


@given(complete)
def test_direction_and_order_of_labels(samples: dict[int, dict[int, float]]) -> None:
    found, k = rank_intervals(samples), len(samples)
    turned = rank_intervals(samples, higher=False)
    assert turned == {label: (k + 1 - high, k + 1 - low) for label, (low, high) in found.items()}
    assert rank_intervals(dict(reversed(samples.items()))) == found


def test_three_that_are_clearly_apart_and_two_that_are_not() -> None:
    noise = [0.001, -0.002, 0.0015, 0.0, -0.001]
    other = [-0.001, 0.001, 0.0, 0.002, -0.0015]
    samples = {
        "good": {s: 0.9 + e for s, e in enumerate(noise)},
        "same": {s: 0.9 + e for s, e in enumerate(other)},
        "bad": dict.fromkeys(range(5), 0.5),
        "middle": dict.fromkeys(range(5), 0.7),
    }
    assert rank_intervals(samples) == {
        "good": (1, 2), "same": (1, 2), "middle": (3, 3), "bad": (4, 4),
    }  # fmt: skip


def test_the_pairs_are_corrected_for_their_number() -> None:
    # a and b differ with p = 0.02: a difference alone or among two pairs, not among three
    rng = np.random.default_rng(0)
    noise = rng.normal(size=5)
    one = noise - noise.mean()
    shift = scipy.stats.t.isf(0.01, 4) * one.std(ddof=1) / np.sqrt(5)
    a, b = dict(enumerate(one + shift)), dict.fromkeys(range(5), 0.0)
    c = dict(enumerate(100 * rng.normal(size=5)))
    assert rank_intervals({"a": a, "b": b}) == {"a": (1, 1), "b": (2, 2)}
    assert set(rank_intervals({"a": a, "b": b, "c": c}).values()) == {(1, 3)}
    # neither of two labels that lost a seed can be shown better, so their pair is not asked
    lost = {"a": a, "b": b | {5: None}, "c": c | {5: None}}
    assert rank_intervals(lost) == {"a": (1, 2), "b": (2, 3), "c": (1, 3)}


def test_a_label_that_lost_a_seed_is_better_than_none_but_may_be_worse() -> None:
    top = dict(enumerate([0.9, 0.91, 0.92, 0.9]))
    low = dict(enumerate([0.1, 0.11, 0.1, 0.12]))
    assert rank_intervals({"top": top, "low": low}) == {"top": (1, 1), "low": (2, 2)}
    assert rank_intervals({"top": top | {9: None}, "low": low}) == {"top": (1, 2), "low": (1, 2)}
    assert rank_intervals({"top": top, "low": low | {9: None}}) == {"top": (1, 1), "low": (2, 2)}
    both = rank_intervals({"top": top | {9: None}, "low": low | {9: None}})
    assert both == {"top": (1, 2), "low": (1, 2)}


def test_a_missing_seed_reduces_n_and_says_nothing_else() -> None:
    top = dict(enumerate([0.9, 0.91, 0.92, 0.9]))
    low = dict(enumerate([0.1, 0.11, 0.1]))  # the fourth is owed by the machine
    assert rank_intervals({"top": top, "low": low}) == {"top": (1, 1), "low": (2, 2)}
    del low[2]  # two common seeds are no basis for a verdict
    assert rank_intervals({"top": top, "low": low}) == {"top": (1, 2), "low": (1, 2)}


def test_the_edges() -> None:
    assert rank_intervals({}) == {}
    assert rank_intervals({"a": {0: 0.5}}) == {"a": (1, 1)}
    assert rank_intervals({"a": {}, "b": {0: None}}) == {"a": (1, 2), "b": (1, 2)}
    with pytest.raises(ValueError, match="level"):
        rank_intervals({}, level=1)


def test_all_places_are_covered_at_once_by_simulation() -> None:
    # four methods, two of them alike: the true places are 1, 2 or 3 for the equal pair, and 4
    rng = np.random.default_rng(3)
    means = np.array([[0.03], [0.02], [0.02], [0.0]])
    right = 0
    for _ in range(400):
        draws = rng.normal(means, 0.01, (4, 5))
        found = rank_intervals({i: dict(enumerate(row)) for i, row in enumerate(draws.tolist())})
        right += all(
            low <= best and worst <= high
            for (low, high), (best, worst) in zip(
                found.values(), [(1, 1), (2, 3), (2, 3), (4, 4)], strict=True
            )
        )
    assert right / 400 >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / 400)
    assert len(list(combinations(range(4), 2))) == 6
