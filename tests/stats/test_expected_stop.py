from __future__ import annotations

import pytest

from lth_bench.stats import mean
from lth_bench.stats.expected_stop import expected_stops, stop_of, typical_stops
from lth_bench.stats.sequential import LOOKS, SequentialRule

RULE = SequentialRule(margin=0.5, maximum=12)


def test_what_is_nearly_decided_stops_soon_and_what_is_blurred_later() -> None:
    clear = expected_stops([3.0, 2.6, 3.5], RULE, draws=12)
    blurred = expected_stops([0.4, -0.2, 0.9], RULE, draws=12)
    assert all(stop in LOOKS for stop in (*clear, *blurred))
    assert mean(clear) < 5 < mean(blurred)
    assert clear == expected_stops([3.0, 2.6, 3.5], RULE, draws=12)


def test_what_is_decided_already_stops_there() -> None:
    assert stop_of([1.4, 1.5, 1.7, 1.0], RULE) == 3
    assert set(expected_stops([1.4, 1.5, 1.7, 1.0], RULE, draws=3)) == {3}


def test_where_nothing_is_known_comparisons_are_typical() -> None:
    few = expected_stops([], SequentialRule(margin=0.01, maximum=6), draws=60)
    assert {*few} <= {*typical_stops(6)}
    assert mean(few) == pytest.approx(mean(typical_stops(6)), abs=0.6)
