from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from thoroughness import cases

from lth_bench.stats import Summary, rank_intervals, ranks, wilcoxon
from lth_bench.stats.ranks import leaning

fields = st.dictionaries(st.integers(), st.integers(-5, 5) | st.none(), max_size=12)


@given(st.dictionaries(st.integers(), st.integers(-5, 5), min_size=1))
def test_equals_scipy(values: dict[int, int]) -> None:
    assert list(ranks(values, higher=False).values()) == list(
        scipy.stats.rankdata(list(values.values()))
    )


def test_a_published_example() -> None:
    # Demšar (2006), table 6: the data set "iris"
    auc = {"C4.5": 0.936, "C4.5+m": 0.931, "C4.5+cf": 0.916, "C4.5+m+cf": 0.931}
    assert ranks(auc) == {"C4.5": 1, "C4.5+m": 2.5, "C4.5+cf": 4, "C4.5+m+cf": 2.5}


@given(fields)
def test_they_sum_to_that_of_the_places(values: dict[int, float | None]) -> None:
    k = len(values)
    assert sum(ranks(values).values()) == k * (k + 1) / 2


@given(fields)
def test_turning_the_direction_turns_the_places(values: dict[int, float | None]) -> None:
    finite = {key: value for key, value in values.items() if value is not None}
    down = ranks(finite, higher=False)
    assert ranks(finite) == {key: len(finite) + 1 - place for key, place in down.items()}


@pytest.mark.parametrize("higher", [True, False])
def test_what_was_lost_is_worst(higher: bool) -> None:
    assert ranks({"a": None, "b": 0.1, "c": None, "d": 0.2}, higher) == {
        "a": 3.5, "b": 2 if higher else 1, "c": 3.5, "d": 1 if higher else 2,
    }  # fmt: skip


def test_nothing_and_nan() -> None:
    assert ranks({}) == {}
    with pytest.raises(ValueError, match="to rank must be a number, but got nan"):
        ranks({"a": math.nan})


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


# the signed-rank test

distinct = st.lists(st.integers(1, 10**6), min_size=1, max_size=50, unique=True)
tied = st.lists(st.integers(-3, 3), min_size=1, max_size=6)


@given(distinct, st.data())
def test_equals_scipy_without_ties(sizes: list[int], data: st.DataObject) -> None:
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(sizes), max_size=len(sizes)))
    x = [size * sign for size, sign in zip(sizes, signs, strict=True)]
    assert wilcoxon(x) == pytest.approx(scipy.stats.wilcoxon(x, method="exact").pvalue, rel=1e-9)


@given(tied)
@settings(max_examples=cases(25), deadline=None)
def test_equals_scipy_s_trial_of_all_signs_with_ties_and_zeros(x: list[int]) -> None:
    assume(len(x) > 1 and any(x))
    every = scipy.stats.PermutationMethod(n_resamples=math.inf)
    theirs = scipy.stats.wilcoxon(x, zero_method="pratt", method=every).pvalue
    assert wilcoxon(x) == pytest.approx(theirs, rel=1e-9)


def test_equals_scipy_s_approximation_beyond_fifty() -> None:
    x = np.random.default_rng(0).normal(0.2, 1, 60).round(1)
    theirs = scipy.stats.wilcoxon(x, zero_method="pratt", method="asymptotic").pvalue
    assert wilcoxon(x) == pytest.approx(theirs)


def test_a_published_example_of_ranks() -> None:
    # Demšar (2006), table 2: C4.5 and C4.5+m on 14 data sets. He has R⁻ = 12 and R⁺ = 93 (zeros
    # split between both), the critical value at 0.05 being 21
    plain = [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1, 0.94, 0.619,
             0.972, 0.957]  # fmt: skip
    tuned = [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1, 0.962, 0.666,
             0.981, 0.978]  # fmt: skip
    x = [b - a for a, b in zip(plain, tuned, strict=True)]
    assert leaning(x) == 93 - 12
    assert wilcoxon(x) < 0.05


def test_by_hand() -> None:
    # ranks 1 to 5, all on one side: 2 of the 32 signs are as far from even
    assert wilcoxon([1, 2, 3, 4, 5]) == 2 / 32
    # W⁻ = 1: the signs with a sum of 0 or 1, on either side
    assert wilcoxon([-1, 2, 3, 4, 5]) == 4 / 32
    # ranks 1.5, 1.5, 3: the sums are 0, 1.5 twice, 3 twice, 4.5 twice, 6; W⁻ = 1.5
    assert wilcoxon([1, -1, 2]) == 6 / 8


@pytest.mark.parametrize("n", range(1, 12))
def test_the_smallest_p_there_is(n: int) -> None:
    assert wilcoxon(range(1, n + 1)) == min(1, 2.0 ** (1 - n))


@given(tied, st.floats(0.001, 1000))
def test_sign_unit_and_order_do_not_matter(x: list[int], scale: float) -> None:
    p = wilcoxon(x)
    assert wilcoxon([-value for value in x]) == p
    assert wilcoxon([scale * value for value in x]) == p
    assert wilcoxon(sorted(x)) == p
    assert leaning([-value for value in x]) == -leaning(x)


def test_roundoff_does_not_untie() -> None:
    less = 0.3 - 0.1
    assert less < 0.2
    # a tie shares the ranks 1 and 2; the smaller one alone would have rank 1 and W⁻ = 1
    assert wilcoxon([-less, 0.2, 0.5, 0.7]) == wilcoxon([-2, 2, 5, 7]) == 6 / 16
    assert wilcoxon([-1, 2, 5, 7]) == 4 / 16


def test_an_infinite_difference_ranks_beyond_all_others() -> None:
    assert wilcoxon([1, 2, 3, 4, 5, -math.inf]) == wilcoxon([1, 2, 3, 4, 5, -6])
    assert wilcoxon([1, 2, 3, math.inf, -math.inf]) == wilcoxon([1, 2, 3, 9, -9])
    assert wilcoxon([math.inf, math.inf]) == wilcoxon([1, 1])


def test_nothing_but_zeros_is_no_evidence() -> None:
    assert wilcoxon([0, 0.0, 0]) == 1
    assert leaning([0, 0]) == 0


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one difference"):
        wilcoxon([])
    with pytest.raises(ValueError, match="needs numbers"):
        wilcoxon([0.1, math.nan])
