"""What is expected of comparisons whose first pairs are known."""

from __future__ import annotations

from typing import Any

import pytest

from lth_bench.running.until_decided.expected import expected_seeds
from lth_bench.stats import mean
from lth_bench.stats.expected_stop import expected_stops, stop_of
from lth_bench.stats.sequential import SequentialRule


def ended(made: Any, values: dict[int, float | str]) -> Any:
    """Seeds of `imp` that came to this, beside dense runs at 0.9."""
    for item in made.due.begin([], []):
        e = item.experiment
        made.end(item, 0.9 if e.label == "dense" else values.get(e.seed, "oom"))
    return expected_seeds(made.plan, made.due)


def test_a_decided_comparison_costs_what_it_has(pretended: Any) -> None:
    found = ended(pretended({"imp": [(0.5,)]}), {0: 0.95, 1: 0.951, 2: 0.952})
    assert (found.seeds, found.known, found.units) == (3.0, 1, 1)
    assert len(found.plan.experiments) == found.fewest == 6


def test_a_seed_that_is_no_pair_costs_one_more(pretended: Any) -> None:
    """Of two pairs nothing is known yet: as typical ones, and the seed that ran out of memory."""
    usual = ended(pretended({"imp": [(0.5,)]}), {0: 0.95, 1: 0.951})
    made = pretended({"imp": [(0.5,)]})
    made.due.begin([], [])
    assert usual.known == 0
    assert usual.seeds > expected_seeds(made.plan, made.due).seeds


def test_over_comparisons_of_many_kinds_the_expected_seeds_are_those_it_takes() -> None:
    """On average over six kinds, of effects and deviations in margins, from their first three
    pairs: 24 of each. Of one kind alone it may be a third off, as three pairs do not tell which it
    is.
    """
    import numpy as np

    rng, rule = np.random.default_rng(5), SequentialRule(margin=1.0, maximum=12)
    taken: list[float] = []
    expected: list[float] = []
    for effect, deviation in ((0, 0.5), (0, 1), (1, 1), (2, 1), (3, 2), (6, 2)):
        for _ in range(24):
            pairs = rng.normal(effect, deviation, 12).tolist()
            taken.append(stop_of(pairs, rule))
            expected.append(mean(expected_stops(pairs[:3], rule, draws=6)))
    assert mean(expected) == pytest.approx(mean(taken), rel=0.2)
