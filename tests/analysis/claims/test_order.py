"""Claims about times that some seeds never reached get the verdict of boards and compare."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import UNCHECKED

from lth_bench.analysis.claims import words
from lth_bench.analysis.claims.finding import finding
from lth_bench.analysis.compare.lines import Options, compare
from lth_bench.analysis.compare.pairs import PairGroup
from lth_bench.analysis.measures import measure

STEPS = measure("generalisation_step")
BUDGET = 2400


@pytest.fixture
def times(sample):
    """`times("imp", [100, None])`: step by seed; None where the budget was not enough."""

    def make(label, steps, density=0.5):
        never = [seed for seed, step in enumerate(steps) if step is None]
        values = {seed: BUDGET if step is None else step for seed, step in enumerate(steps)}
        return sample(label, density, values, censored=never)

    return make


@pytest.fixture
def judged(claim, cells, times):
    """`judged(of, versus, at_most=1)`: the finding of a ratio of times, given by seed."""

    def make(of, versus, **said):
        stated = claim(
            "imp", "snip", (0.5,), **{"compare": "ratio", "metric": STEPS.name, **said}
        )  # fmt: skip
        return finding(stated, cells(times("imp", of), times("snip", versus)))

    return make


LATE = [None, None, None, None, 2000, 2100]
EARLY = [1500, 1400, 1600, None, 1300, 1700]


def test_later_on_five_of_six_seeds_is_open(judged):
    """By the means within the budget alone it would not be reproduced."""
    found = judged(LATE, EARLY, at_most=1)
    assert found.ours.low > 1
    assert (found.kind, found.signs, found.forecast) == ("open", (-1, -1, -1, 0, -1, -1), None)
    assert found.text == (
        "open: as claimed on 0 of 6 seeds, not on 5 (sign test); imp at 0.5 generalised on 2 of 6 "
        "seeds only, and the others count with the budget; snip at 0.5 generalised on 5 of 6 seeds "
        "only, and the others count with the budget"
    )
    assert found.short == "open"


def test_six_seeds_that_agree_give_a_verdict(judged):
    early = [1500, 1400, 1600, 1650, 1300, 1700]
    found = judged(early, LATE, at_most=1)
    assert (found.kind, found.mean_is) == ("reproduced", "upper bound")
    assert judged(LATE, early, at_most=1).kind == "not reproduced"
    assert judged(LATE, early, at_least=1).kind == "reproduced"
    assert judged(early, LATE, at_least=1).kind == "not reproduced"
    # of five the sign test shows nothing, however large the ratio
    assert judged(early[:5], LATE[:5], at_most=1).kind == "open"
    assert judged(early[:2], LATE[:2], at_most=1).kind == "insufficient"


def test_the_threshold_is_a_multiple_of_the_other_time(judged):
    never, early = [None] * 6, [1000] * 6
    assert judged(early, never, at_most=1).kind == "reproduced"
    assert judged(early, never, at_most=0.5).kind == "reproduced"  # later than 2400: half is 1200
    found = judged(early, never, at_most=0.4)  # 960: sooner, if the other took 2500
    assert (found.kind, set(found.signs)) == ("open", {0})
    assert judged(never, early, at_most=2.3).kind == "not reproduced"
    assert judged(never, early, at_most=2.5).kind == "open"


def test_a_difference_is_moved_by_the_threshold(judged):
    never, early = [None] * 6, [1000] * 6
    said = {"compare": "difference"}
    assert judged(early, never, at_most=-1300, **said).kind == "reproduced"
    assert judged(early, never, at_most=-1500, **said).kind == "open"
    assert judged(never, early, at_most=1300, **said).kind == "not reproduced"


def test_within_two_ends_is_never_reproduced_but_can_be_refuted(judged):
    near = judged([*EARLY[:3], None, *EARLY[4:]], [step and step + 1 for step in EARLY], within=0.2)
    assert near.kind == "open"
    assert judged([None] * 6, [1000] * 6, within=0.2).kind == "not reproduced"
    assert judged([1000] * 6, [None] * 6, within=0.2).kind == "not reproduced"


def test_a_time_itself_is_held_against_the_threshold(claim, cells, times):
    def kind(steps, **said):
        stated = claim("imp", None, (0.5,), metric=STEPS.name, **said)
        return finding(stated, cells(times("imp", steps))).kind

    steps = [1000, 1100, 1200, 1000, 1100, 1200, 1000, None]
    assert kind(steps, at_most=1500) == "open"  # 7 and 1: p = 0.07
    assert kind([*steps, 1000], at_most=1500) == "reproduced"  # 8 and 1: p = 0.04
    assert kind(steps, at_most=900) == "not reproduced"
    assert kind([None] * 6, at_least=BUDGET) == "reproduced"
    assert kind([None] * 6, at_least=BUDGET + 1) == "open"


def test_a_lost_seed_is_not_reproduced_whatever_the_order(claim, cells, times, sample):
    of = sample("imp", 0.5, dict.fromkeys(range(6), 100), lost=[6])
    stated = claim("imp", "snip", (0.5,), metric=STEPS.name, compare="ratio", at_most=1)
    assert finding(stated, cells(of, times("snip", [None] * 7))).kind == "not reproduced"


@pytest.mark.parametrize(
    ("of", "versus", "said"),
    [
        ([600, 1200], [300, 600], "2.00×"),
        ([600, None], [300, 1200], "≥ 2.00×"),
        ([600, 1200], [1200, None], "≤ 0.50×"),
        ([600, None], [1200, None], "(0.71×)"),
    ],
)
def test_the_mean_within_the_budget_is_told_as_a_bound(judged, of, versus, said):
    assert words.ours(judged(of, versus, at_most=1)) == said
    assert words.ours(judged(of, versus)) == said  # reported only


def test_dense_beside_several_densities(claim, cells, times):
    stated = claim("imp", "dense", (0.5, 0.2), metric=STEPS.name, compare="ratio", at_most=1)
    sides = [times("imp", [500] * 6), times("imp", [700] * 6, 0.2)]
    found = finding(stated, cells(*sides, times("dense", [None] * 6, 1.0)))
    assert (found.kind, found.signs) == ("reproduced", (1,) * 6)


steps = st.lists(st.none() | st.integers(1, BUDGET), min_size=1, max_size=12)


@settings(suppress_health_check=UNCHECKED, deadline=None)
@given(pairs=st.data())
def test_compare_and_claims_say_the_same_of_the_same_seeds(judged, times, pairs):
    of = pairs.draw(steps)
    versus = pairs.draw(
        st.lists(st.none() | st.integers(1, BUDGET), min_size=len(of), max_size=len(of))
    )
    if None not in (*of, *versus):
        of[0] = None
    group = PairGroup(
        suite="s", model="m", dataset="d", recipe="r", name="", only_a=(), only_b=(),
        pairs={0.5: (times("snip", versus), times("imp", of))},
    )  # fmt: skip
    (line,) = compare(group, Options(STEPS))
    expected = {
        "better": "reproduced", "worse": "not reproduced", "open": "open",
        "insufficient": "insufficient",
    }[line.verdict.kind]  # fmt: skip
    assert judged(of, versus, at_most=1).kind == expected
    assert judged(of, versus, at_most=0, compare="difference").kind == expected
