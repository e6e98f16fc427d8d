from __future__ import annotations

import numpy as np
import pytest

from lth_bench.stats import Summary, decide
from lth_bench.stats.sequential import (
    ALIKE,
    DIFFERENT,
    LOOKS,
    SequentialRule,
    chance_decided,
    critical_value,
    look_after,
    looks,
    p_over_looks,
)
from lth_bench.suite.decide import FEWEST, MOST, Decide

RULE = SequentialRule(margin=0.5)
"""In points."""


@pytest.mark.parametrize(
    ("n", "different", "alike"),
    [(3, 12.440, 8.243), (4, 6.838, 5.123), (5, 5.226, 4.138), (6, 4.500, 3.673),
     (8, 3.837, 3.233), (10, 3.531, 3.023), (12, 3.357, 2.902), (15, 3.202, 2.792),
     (20, 3.063, 2.693), (25, 2.987, 2.638), (30, 2.939, 2.603), (40, 2.882, 2.562),
     (50, 2.849, 2.537), (60, 2.827, 2.522)],
)  # fmt: skip
def test_critical_values(n: int, different: float, alike: float) -> None:
    assert critical_value(n, DIFFERENT / 2) == pytest.approx(different, abs=6e-4)
    assert critical_value(n, ALIKE) == pytest.approx(alike, abs=6e-4)
    assert n in LOOKS


@pytest.mark.parametrize(
    ("pairs", "step", "kind", "at", "interval"),
    [
        ([1.4, 1.5, 1.7], 0.0, "better", 3, (0.436, 2.630)),
        ([-1.4, -1.5, -1.7], 0.0, "worse", 3, (-2.630, -0.436)),
        ([0.4, 0.6, 0.8, 0.5, 0.7], 0.0, "better", 5, (0.230, 0.970)),
        ([-0.1, 0.1, 0.0], 0.0, "equivalent", 3, None),
        ([0.0, 0.0, 0.0], 0.2, "equivalent", 3, None),  # the floor is a deviation of .1
        ([0.2, 0.2, 0.2], 0.2, "open", 3, None),
        ([0.6, 0.6, 0.6], 0.2, "open", 3, None),  # at a fixed n: better
    ],
)
def test_worked_examples(
    pairs: list[float], step: float, kind: str, at: int, interval: tuple[float, float] | None
) -> None:
    found = decide(pairs, RULE, step=step)
    assert found.kind == kind
    assert found.stop is not None and (found.stop.at, found.stop.maximum) == (at, 30)
    assert (found.stop.why == "decided") == (kind != "open")
    if interval is not None:
        assert found.summary is not None
        assert found.summary.interval(found.level)[1:3] == pytest.approx(interval, abs=1e-3)


@pytest.mark.parametrize(
    ("pairs", "step", "ps"),
    [
        ([1.4, 1.5, 1.7], 0.0, [0.00329]),
        ([0.4, 0.6, 0.8, 0.5, 0.7], 0.0, [0.0351, 0.0067, 0.00106]),
        ([0.2, 0.2, 0.2], 0.2, [0.0742]),
        ([0.6, 0.6, 0.6], 0.2, [0.0091]),
    ],
)
def test_worked_p_values_of_each_look(pairs: list[float], step: float, ps: list[float]) -> None:
    found = list(looks(pairs, RULE, step=step))
    assert [v.p for v in found] == pytest.approx(ps, rel=0.01)


def test_the_first_answer_stays_whatever_comes_later() -> None:
    pairs = [1.4, 1.5, 1.7]
    assert decide([*pairs, -9.0, -9.0, -9.0], RULE) == decide(pairs, RULE)
    assert decide([*pairs, None, None], RULE) == decide(pairs, RULE)
    assert decide([*pairs, 2.0], RULE, higher=False).kind == "worse"


def test_what_has_not_come_to_a_look_yet() -> None:
    two = decide([0.3, 0.4], RULE)
    assert (two.kind, two.n, two.text) == ("insufficient", 2, "needs 3+")
    assert decide([], RULE).summary is None
    seven = decide([3.0, -2.0, 1.0, -3.0, 2.5, -1.5, 1.0], SequentialRule(margin=5.0))
    assert seven.stop is not None and seven.stop.at == 6  # of seven, the first six


def test_a_lost_seed_ends_it_at_the_next_look() -> None:
    found = decide([0.3, None, 0.4], RULE)
    assert found.stop is not None and found.stop.why == "lost"
    assert (found.kind, found.lost, found.n) == ("failed", 1, 2)
    assert decide([None, None, None], RULE).kind == "failed"
    # before the first look too, which is bound to say so
    early = decide([0.3, None], RULE)
    assert early.stop is not None and early.stop.why == "to come"
    assert (early.kind, early.lost, early.n) == ("failed", 1, 1)


@pytest.mark.parametrize(
    ("summary", "n", "chance"),
    [(Summary(3, 1.0, 0.8), 30, 0.79), (Summary(10, 0.2, 2.0), 30, 0.05)],
)
def test_worked_chances(summary: Summary, n: int, chance: float) -> None:
    assert chance_decided(summary, n, 0.5) == pytest.approx(chance, abs=0.02)


def test_what_is_unlikely_to_be_decided_stops() -> None:
    rng = np.random.default_rng(3)
    pairs = rng.normal(size=10)
    pairs = 0.2 + 2.0 * (pairs - pairs.mean()) / pairs.std(ddof=1)
    found = decide(pairs.tolist(), RULE)
    assert found.kind == "open" and found.stop is not None and found.stop.why == "futile"
    assert found.text.endswith(f"unlikely by 30 seeds (stopped at {found.stop.at})")
    # a higher maximum may open it again
    later = decide(pairs.tolist(), SequentialRule(margin=2.0, maximum=60))
    assert later.stop is not None and later.stop.why == "to come"


def test_the_maximum_is_the_last_look() -> None:
    rule = SequentialRule(margin=0.5, maximum=7)
    assert rule.looks == (3, 4, 5, 6, 7) and SequentialRule(margin=1.0).looks == LOOKS[:11]
    assert [look_after(n, 7) for n in (0, 2, 3, 6, 7, 9)] == [3, 3, 4, 7, 7, 7]
    found = decide([1.0, -0.9, 1.1, 1.0, 0.9, 1.0, -0.8], rule)
    assert found.stop is not None and found.stop.why in ("maximum", "futile")


@pytest.mark.parametrize(("margin", "maximum"), [(0.0, 30), (-1.0, 30), (0.5, 2), (0.5, 61)])
def test_rules_that_there_are_not(margin: float, maximum: int) -> None:
    with pytest.raises(ValueError, match=r"margin|maximum"):
        SequentialRule(margin=margin, maximum=maximum)


def test_the_text_says_where_it_was_decided() -> None:
    assert decide([1.4, 1.5, 1.7], RULE, unit="").text == "better (decided at 3 of 30)"
    same = decide([-0.001, 0.001, 0.0005], SequentialRule(margin=0.02))
    assert same.text == "equivalent within ±2 points (decided at 3 of 30)"


def test_a_p_that_holds_at_any_stop() -> None:
    ps = [v.p for v in looks([0.4, 0.6, 0.8, 0.5, 0.7], RULE)]
    assert p_over_looks([0.4, 0.6, 0.8, 0.5, 0.7]) == pytest.approx(14 * min(p for p in ps if p))
    assert p_over_looks([0.4, 0.6]) == 1.0


def test_a_suite_may_ask_for_what_the_rule_takes() -> None:
    assert (FEWEST, MOST, Decide().max_seeds) == (LOOKS[0], LOOKS[-1], RULE.maximum)


def test_errors_over_all_looks_by_simulation() -> None:
    """At most 5% of true ties are called different, and of differences of the margin equivalent:
    within four standard errors of 600 samples each.
    """
    rng = np.random.default_rng(0)
    rule = SequentialRule(margin=0.5, maximum=20)
    wrong = {"tie": 0, "margin": 0}
    for _ in range(600):
        noise = rng.normal(size=20)
        wrong["tie"] += decide((0.3 * noise).tolist(), rule).kind in ("better", "worse")
        wrong["margin"] += decide((0.5 + 0.3 * noise).tolist(), rule).kind == "equivalent"
    assert max(wrong.values()) / 600 <= 0.036 + 4 * 0.0076
