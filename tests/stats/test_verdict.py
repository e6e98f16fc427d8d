from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lth_bench.stats import (
    Summary,
    equivalence_p,
    judge,
    minimum_detectable_effect,
    paired_t,
    seeds_needed,
)

# their halves are no subnormals either
numbers = st.floats(-0.05, 0.05).filter(lambda x: x == 0 or abs(x) > 1e-100)
values = st.lists(numbers, min_size=1, max_size=12)
TURNED = {"better": "worse", "worse": "better"}


@pytest.mark.parametrize(
    ("differences", "text"),
    [
        # each kind once, with a margin of 0.5 points
        ([0.02, 0.021, 0.019], "better"),
        ([-0.02, -0.021, -0.019], "worse"),
        ([0.002, 0.0021, 0.0019], "better (by less than 0.5 points)"),
        ([-0.002, -0.0021, -0.0019], "worse (by less than 0.5 points)"),
        ([0.0005, -0.0005, 0.0001, -0.0002], "equivalent (within ±0.5 points)"),
        ([0.004, -0.002, 0.001], "insufficient seeds (n=3, needs about 6)"),
        ([0.02, -0.01, 0.005], "insufficient seeds (n=3, needs about 73)"),
        ([0.3, -0.2, 0.1], "insufficient seeds (n=3, needs more than 1000)"),
        ([0.003, 0.0005, 0.0055], "insufficient seeds (n=3, needs about 5)"),
        ([0.0065, -0.001, 0.0055, -0.001, 0.003], "insufficient seeds (n=5, needs about 7)"),
        ([0.007, -0.002] * 5, "no difference found"),
        # below three seeds there is no verdict, however clear
        ([0.02, 0.0201], "insufficient seeds (n=2, needs at least 3)"),
        ([0.02, 0.03], "insufficient seeds (n=2, needs about 18)"),
        ([0.02, 0.02], "insufficient seeds (n=2, needs at least 3)"),
        ([0.02], "insufficient seeds (n=1, needs at least 3)"),
        # quantised accuracies can agree to the last image
        ([0.0, 0.0, 0.0], "equivalent (within ±0.5 points)"),
        ([0.0028, 0.0028, 0.0028], "better (by less than 0.5 points)"),
        ([0.01, 0.01, 0.01], "better"),
    ],
)
def test_the_verdict_of_these_differences(differences: list[float], text: str) -> None:
    assert judge(Summary.of(differences)).text == text


def test_no_common_seed() -> None:
    found = judge(None)
    assert found.text == "insufficient seeds (n=0, needs at least 3)"
    assert (found.p, found.detectable, found.needed, found.planned) == (None, None, None, 0)


@pytest.mark.parametrize("differences", [[0.02, 0.021, 0.019], [0.0, 0.0001, 0.0], [0.1]])
def test_a_lost_seed_is_never_better_nor_equivalent(differences: list[float]) -> None:
    found = judge(Summary.of(differences), lost=2, planned=5)
    assert (found.kind, found.text) == ("failed", "2 of 5 seeds failed")
    one = judge(Summary.of(differences), lost=1)
    assert (one.kind, one.planned) == ("failed", len(differences) + 1)


def test_all_seeds_lost() -> None:
    assert judge(None, lost=3, planned=3).text == "3 of 3 seeds failed"


def test_missing_seeds_say_nothing_about_the_method() -> None:
    whole = judge(Summary.of([0.02, 0.021, 0.019]), planned=3)
    missing = judge(Summary.of([0.02, 0.021, 0.019]), planned=10)
    assert missing.kind == whole.kind == "better"


def test_the_numbers_are_those_of_the_functions() -> None:
    summary = Summary.of([0.004, -0.002, 0.001])
    found = judge(summary, margin=0.01, level=0.9, power=0.7)
    assert found.p == paired_t(summary)
    assert found.p_equivalent == equivalence_p(summary, 0.01)
    assert found.detectable == minimum_detectable_effect(0.003, 3, 0.7, 0.9)
    assert found.needed == max(3, seeds_needed(0.01, 0.003, 0.7, 0.9) or 0)
    assert (found.n, found.margin, found.summary) == (3, 0.01, summary)


def test_where_less_is_better() -> None:
    steps = Summary.of([-200, -210, -190])
    assert judge(steps, margin=50, higher=False, unit="steps").text == "better"
    assert judge(steps, margin=50, unit="steps").text == "worse"


def test_the_margin_is_told_in_its_unit() -> None:
    none = Summary.of([0.0, 0.0, 0.0])
    assert judge(none, margin=50, unit="steps").text == "equivalent (within ±50 steps)"
    assert judge(none, margin=0.02, unit="").text == "equivalent (within ±0.02)"
    assert judge(none, margin=0.0025).text == "equivalent (within ±0.25 points)"


@given(values)
def test_swapping_the_sides_swaps_better_and_worse(x: list[float]) -> None:
    one, other = judge(Summary.of(x)), judge(Summary.of(-value for value in x))
    assert other.kind == TURNED.get(one.kind, one.kind)
    assert (other.p, other.needed, other.within) == (one.p, one.needed, one.within)
    assert judge(Summary.of(x), higher=False).kind == other.kind


@given(values, st.sampled_from([0.5, 2.0, 1024.0]))
def test_the_unit_does_not_matter(x: list[float], scale: float) -> None:
    # powers of two scale without roundoff
    scaled = judge(Summary.of(scale * value for value in x), margin=0.005 * scale)
    assert scaled.kind == judge(Summary.of(x)).kind
    assert scaled.needed == judge(Summary.of(x)).needed


@given(values, st.randoms(use_true_random=False))
def test_the_order_of_the_seeds_does_not_matter(x: list[float], random: object) -> None:
    shuffled = list(x)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert judge(Summary.of(shuffled)) == judge(Summary.of(x))


@given(values)
def test_better_or_worse_is_an_interval_without_zero(x: list[float]) -> None:
    summary = Summary.of(x)
    assume(summary.n >= 3 and abs(paired_t(summary) - 0.05) > 1e-6)
    _, low, high, _ = summary.interval()
    assert low is not None and high is not None
    kind = judge(summary).kind
    assert (kind == "better") == (low > 0)
    assert (kind == "worse") == (high < 0)


@given(values)
def test_enough_seeds_are_never_insufficient_and_too_few_never_undecided(x: list[float]) -> None:
    found = judge(Summary.of(x))
    if found.kind == "undecided":
        assert found.needed is not None and found.n >= found.needed
        # what was not found is a difference of the margin's size, at least
        assert found.detectable is not None and found.detectable <= found.margin
    elif found.kind == "insufficient":
        assert found.n < 3 or found.needed is None or found.n < found.needed


@pytest.mark.parametrize("n", [3, 5, 10])
def test_a_tie_is_called_a_difference_in_one_of_twenty_cases(n: int) -> None:
    draws = np.random.default_rng(11).normal(0, 0.01, (4000, n)).tolist()
    wrong = sum(judge(Summary.of(row)).kind in ("better", "worse") for row in draws) / 4000
    assert wrong == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4000))


@pytest.mark.parametrize("n", [3, 10])
def test_a_difference_of_the_margin_is_seldom_called_equivalent(n: int) -> None:
    draws = np.random.default_rng(11).normal(0.005, 0.003, (4000, n)).tolist()
    wrong = sum(judge(Summary.of(row)).kind == "equivalent" for row in draws) / 4000
    assert wrong <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4000)


def test_the_seeds_it_asks_for_suffice_in_four_of_five_cases() -> None:
    n = seeds_needed(0.005, 0.005)
    assert n == 10
    draws = np.random.default_rng(11).normal(0.005, 0.005, (4000, n)).tolist()
    found = sum(judge(Summary.of(row)).kind == "better" for row in draws) / 4000
    assert found == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(margin=0.0), "margin must be finite and above 0, but got 0"),
        (dict(margin=math.inf), "margin must be finite and above 0, but got inf"),
        (dict(level=1.5), r"level must lie in \(0, 1\), but got 1.5"),
        (dict(power=0.01), "power must lie in"),
        (dict(lost=-1), r"lost seeds lie in \[0, 2\], the planned ones, but got -1"),
        (dict(lost=4, planned=3), r"lost seeds lie in \[0, 3\], the planned ones, but got 4"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge(Summary(3, 0.1, 0.1), **options)  # type: ignore[arg-type]
