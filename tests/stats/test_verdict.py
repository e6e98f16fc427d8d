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
        (
            [0.0447, 0.0985, 0.1487],
            "open: −3.2 to +22.7; settled by 4 seeds in 1 of 2 cases, by 7 in 4 of 5",
        ),
        (
            # the chances are .70, .77 and .82: none near enough to a limit to depend on the draws
            [0.003, 0.0002, 0.0055],
            "open: −0.37 to +0.95; settled by 5 seeds in 1 of 2 cases, by 7 in 4 of 5",
        ),
        ([0.3, -0.2, 0.1], "open: −55.8 to +69.2; unlikely to settle below 100 seeds"),
        ([0.0316, -0.0284] * 60, "open: −0.38 to +0.70; not settled by 120 seeds"),
        # below three seeds there is no verdict, however clear, and nothing is forecast
        ([0.02, 0.0201], "needs 3+"),
        ([0.02, 0.02], "needs 3+"),
        ([0.02], "needs 3+"),
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
    assert found.text == "needs 3+"
    assert (found.p, found.detectable, found.forecast, found.planned) == (None, None, None, 0)


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
    assert found.kind == "equivalent"
    assert found.forecast is None
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
    assert (other.p, other.forecast, other.within) == (one.p, one.forecast, one.within)
    assert judge(Summary.of(x), higher=False).kind == other.kind


@given(values, st.sampled_from([0.5, 2.0, 1024.0]))
def test_the_unit_does_not_matter(x: list[float], scale: float) -> None:
    # powers of two scale without roundoff
    scaled = judge(Summary.of(scale * value for value in x), margin=0.005 * scale)
    assert scaled.kind == judge(Summary.of(x)).kind
    assert scaled.forecast == judge(Summary.of(x)).forecast


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
def test_what_is_open_has_a_forecast_of_more_seeds_and_nothing_else_has(x: list[float]) -> None:
    found = judge(Summary.of(x))
    assert (found.forecast is not None) == (found.kind == "open")
    if found.forecast is not None:
        n50, n80 = found.forecast
        assert found.n < (n50 or 101) <= (n80 or 101)


# margin 0.5 points throughout; differences in points
@pytest.mark.parametrize(
    ("points", "q", "p", "kind"),
    [
        ([1.4, 1.5, 1.7], 0.0, 0.00329, "better"),
        ([0.4, 0.6, 0.8, 0.5, 0.7], 0.0, 0.00106, "better"),
        ([-0.1, 0.1, 0.0], 0.0, None, "equivalent"),
        # three seeds that agree to the image: the deviation counts as half an image
        ([0.0, 0.0, 0.0], 0.2, None, "equivalent"),
        ([0.2, 0.2, 0.2], 0.2, 0.0742, "equivalent"),
        ([0.4, 0.4, 0.4], 0.4, 0.0742, "open"),
        ([0.6, 0.6, 0.6], 0.2, 0.0091, "better"),
        ([0.2, 0.2, 0.2], 0.0, 0.0, "better"),
    ],
)
def test_worked_examples(points: list[float], q: float, p: float | None, kind: str) -> None:
    found = judge(Summary.of(x / 100 for x in points), step=q / 100)
    assert found.kind == kind
    if p is not None:
        assert found.p == pytest.approx(p, abs=5e-5)
    else:
        assert found.p_equivalent == pytest.approx(0.00654, abs=5e-6)


def test_one_image_in_every_seed_is_no_certain_difference() -> None:
    """Three seeds each one of 500 images better were "better, p = 0"."""
    image = 1 / 500
    found = judge(Summary.of([image] * 3), step=image)
    assert (found.kind, found.summary) == ("equivalent", Summary(3, image, image / 2))
    assert found.p == pytest.approx(0.0742, abs=5e-5)
    assert found.detectable == pytest.approx(3.26 * image / 2, rel=1e-2)


@given(values, st.sampled_from([0.0, 0.002, 0.01]))
def test_the_floor_only_ever_widens(x: list[float], step: float) -> None:
    summary = Summary.of(x)
    floored = summary.floored(step)
    assert (floored.n, floored.mean) == (summary.n, summary.mean)
    if summary.deviation is not None:
        assert floored.deviation == max(summary.deviation, step / 2)


def test_logarithms_are_told_as_factors() -> None:
    logs = Summary.of([math.log(0.7), math.log(0.9), math.log(1.1)])
    found = judge(logs, margin=math.log1p(0.1), higher=False, unit="ratio")
    assert found.text.startswith("open: 0.50× to 1.55×; ")
    alike = judge(Summary.of([0.0, 0.01, -0.01]), margin=math.log1p(0.1), unit="ratio")
    assert alike.text == "equivalent (within ±10%)"


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


def test_the_seeds_that_a_difference_needs_show_it_in_four_of_five_cases() -> None:
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
