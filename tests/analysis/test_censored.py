"""The order of times, some of which are budgets that were not enough."""

from __future__ import annotations

import pytest

from lth_bench.analysis.censored import signs, told
from lth_bench.analysis.samples import Sample


def sample(values, censored=()):
    return Sample(
        suite="s", model="m", dataset="d", recipe="r", target_density=0.5, strategy="x", label="x",
        control="none", source="m/d/r", values=dict(enumerate(values)), lost=frozenset(),
        skipped=frozenset(), missing=frozenset(), censored=frozenset(censored),
    )  # fmt: skip


def test_values_can_be_compared_where_nothing_is_censored():
    assert signs([sample([1, 2])], [sample([2, 1])]) is None


@pytest.mark.parametrize(
    ("a", "a_never", "b", "b_never", "sign"),
    [
        (100, False, 300, False, 1),
        (300, False, 100, False, -1),
        (100, False, 100, False, 0),
        (400, True, 100, False, -1),
        (100, False, 400, True, 1),
        (400, False, 400, True, 1),  # reached at the last evaluation
        (400, True, 400, True, 0),
        (400, True, 800, False, 0),  # of budgets that differ: later than 400 may be before 800
        (800, False, 400, True, 0),
    ],
)
def test_the_order_of_one_seed(a, a_never, b, b_never, sign):
    others = ([7, 9], [9, 7])  # seeds 1 and 2; seed 2 is censored, so that order is what counts
    one = sample([a, *others[0]], [*([0] if a_never else []), 2])
    other = sample([b, *others[1]], [*([0] if b_never else []), 2])
    assert signs([one], [other]) == [sign, 1, 0]
    assert signs([other], [one]) == [-sign, -1, 0]


def test_over_several_densities_a_seed_counts_if_no_density_says_otherwise():
    never = [sample([400], [0]), sample([100])]
    assert signs([sample([100]), sample([50])], never) == [1]
    assert signs([sample([100]), sample([100])], never) == [1]
    assert signs([sample([100]), sample([150])], never) == [0]


def test_only_common_seeds():
    assert signs([sample([100, 200])], [sample([400], [0])]) == [1]


def test_how_many_got_there():
    assert told(sample([1, 4, 4], [1, 2])) == "1 of 3 seeds"
