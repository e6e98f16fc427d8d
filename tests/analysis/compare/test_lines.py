from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.analysis.compare.gate import gate_failures
from lth_bench.analysis.compare.lines import Options, across, compare
from lth_bench.analysis.compare.pairs import groups
from lth_bench.analysis.measures import measure
from lth_bench.suite.decide import Decide

ACCURACY = Options(measure("test_accuracy"))
STOP = Options(measure("early_stop_step"))
# B − A: 0.01, 0.02, 0.03, so 0.02 ± 4.302653 · 0.01 / √3
A, B = {0: 0.90, 1: 0.91, 2: 0.92}, {0: 0.91, 1: 0.93, 2: 0.95}


def lines(a, b, options=ACCURACY):
    (group,) = groups(a, b, by_name=False)
    return compare(group, options)


def test_one_density_by_hand(sample):
    (found,) = lines([sample("old", 0.5, A)], [sample("new", 0.5, B)])
    assert (found.a, found.b) == pytest.approx((0.91, 0.93))
    assert found.interval == pytest.approx((0.02, 0.02 - 0.0248414, 0.02 + 0.0248414, 3), abs=1e-7)
    # t = 0.02 / (0.01 / √3) = 3.4641 with 2 degrees of freedom
    assert found.verdict.p == pytest.approx(0.0741799, abs=1e-6)
    assert (found.density, found.verdict.kind) == (0.5, "open")


def test_only_common_seeds_are_compared(sample):
    a, b = {**A, 7: 0.1}, {**B, 8: 0.2}
    (found,) = lines([sample("old", 0.5, a, missing=[9])], [sample("new", 0.5, b)])
    assert (found.a, found.b) == pytest.approx((0.91, 0.93))
    assert (found.verdict.n, found.verdict.planned) == (3, 6)


def test_fewer_steps_are_better(sample):
    a, b = {0: 1000, 1: 1100, 2: 1200}, {0: 500, 1: 610, 2: 690}
    (found,) = lines([sample("old", 0.5, a)], [sample("new", 0.5, b)], STOP)
    assert found.verdict.kind == "better"
    assert found.interval is not None and found.interval.mean == -500
    assert found.verdict.margin == pytest.approx(55)  # 5% of 1,100
    (turned,) = lines([sample("new", 0.5, b)], [sample("old", 0.5, a)], STOP)
    assert (turned.verdict.kind, turned.regressed) == ("worse", True)
    (turned,) = lines([sample("new", 0.5, b)], [sample("old", 0.5, a)])  # were it an accuracy
    assert turned.verdict.kind == "better"


def test_the_line_over_all_densities_has_one_value_per_seed(sample):
    a = [sample("old", 0.5, A), sample("old", 0.2, {0: 0.5, 1: 0.5}, missing=[2])]
    b = [sample("new", 0.5, B), sample("new", 0.2, {0: 0.6, 1: 0.7})]
    *_, overall = lines(a, b)
    assert overall.density is None
    # seed 0: (0.01 + 0.1) / 2; seed 1: (0.02 + 0.2) / 2
    assert overall.interval is not None
    assert overall.interval[:1] == pytest.approx((0.0825,))
    assert (overall.verdict.n, overall.verdict.planned) == (2, 3)


def test_one_density_has_no_line_over_all(sample):
    assert len(lines([sample("old", 0.5, A)], [sample("new", 0.5, B)])) == 1


@pytest.mark.parametrize(
    ("lost_a", "lost_b", "text", "regressed"),
    [
        ([], [3], "B lost 1 of 4 seeds", True),
        ([3], [], "A lost 1 of 4 seeds", False),
        ([3], [3], "A lost 1 of 4 seeds; B lost 1 of 4 seeds", False),
        ([3], [3, 4], "A lost 1 of 5 seeds; B lost 2 of 5 seeds", True),
    ],
)
def test_a_lost_seed_gives_the_verdict_failed(sample, lost_a, lost_b, text, regressed):
    better = {seed: x + 0.1 for seed, x in A.items()}
    (found,) = lines(
        [sample("old", 0.5, A, lost=lost_a)], [sample("new", 0.5, better, lost=lost_b)]
    )
    assert (found.verdict.kind, found.text, found.regressed) == ("failed", text, regressed)


def test_a_density_that_b_cannot_reach_is_a_regression(sample):
    (found,) = lines([sample("old", 0.5, A)], [sample("new", 0.5, {}, skipped=[0, 1, 2])])
    assert found.text == "B cannot reach the density on 3 of 3 seeds"
    assert (found.interval, found.a, found.regressed) == (None, None, True)


def test_a_bootstrap_interval_leaves_the_verdict_unchanged(sample):
    a, b = [sample("old", 0.5, A)], [sample("new", 0.5, B)]
    (t,), (bootstrap,) = lines(a, b), lines(a, b, Options(ACCURACY.measure, interval="bootstrap"))
    assert bootstrap.verdict == t.verdict
    assert bootstrap.interval is not None and bootstrap.interval[1:3] == pytest.approx((0.01, 0.03))


values = st.dictionaries(st.integers(0, 6), st.floats(0, 1), min_size=1)


@given(a=values, b=values)
def test_exchanging_a_and_b_turns_the_verdict_round(sample, a, b):
    if not a.keys() & b.keys():
        return
    first, second = [sample("x", 0.5, a)], [sample("x", 0.5, b)]
    (one,), (other,) = lines(first, second), lines(second, first)
    assert one.interval is not None and other.interval is not None
    assert one.interval.mean == pytest.approx(-other.interval.mean)
    assert one.verdict.p == other.verdict.p
    opposite = {"better": "worse", "worse": "better"}
    assert other.verdict.kind == opposite.get(one.verdict.kind, one.verdict.kind)


@pytest.fixture
def tasks(sample):
    """`tasks(*differences)`: B − A on a task each, at three seeds."""

    def make(*differences, **said):
        a = [sample("old", 0.5, A, task=(f"m{i}", "d", "r")) for i in range(len(differences))]
        b = [
            sample("new", 0.5, {seed: x + d for seed, x in A.items()}, task=(f"m{i}", "d", "r"),
                   **(said if i == 0 else {}))
            for i, d in enumerate(differences)
        ]  # fmt: skip
        return [compare(group, ACCURACY) for group in groups(a, b, by_name=False)]

    return make


def test_across_tasks_by_hand(tasks):
    # six tasks of one sign: the smallest p that there is, 2 / 2^6
    found = across(tasks(0.01, 0.02, 0.03, 0.04, 0.05, 0.06), ACCURACY.measure)[""]
    assert (found.kind, found.n, found.wins) == ("better", 6, 6)
    assert found.p == pytest.approx(1 / 32)
    assert across(tasks(0.01), ACCURACY.measure) == {}
    two = across(tasks(0.01, 0.02), ACCURACY.measure)[""]
    assert two.text == "insufficient tasks (n=2, needs at least 6)"


def test_a_lost_seed_loses_the_task(tasks):
    found = across(tasks(0.01, 0.02, 0.03, lost=[3]), ACCURACY.measure)[""]
    assert (found.wins, found.losses) == (2, 1)
    assert found.mean == pytest.approx(0.025)  # of the tasks that have one
    assert math.isfinite(found.mean)


@pytest.mark.parametrize(
    ("gate", "failing"),
    [
        ("worse", ["m0", "m3"]),
        ("not-better", ["m0", "m1", "m3"]),
        ("not-equivalent", ["m0", "m2"]),
        ("insufficient", []),
    ],
)
def test_gates_fail_the_right_lines(tasks, gate, failing):
    # equal differences have no spread: worse, equal, better by much, worse by less than the margin
    found = gate_failures([gate], tasks(-0.1, 0.0, 0.1, -0.001), {})
    assert [text.split("/")[0] for text in found] == failing
    assert all(text.endswith(f"({gate})") for text in found)


def test_a_gate_names_the_line(tasks):
    (text,) = gate_failures(["worse", "not-better"], tasks(0.1, lost=[3]), {})
    assert text == "m0/d/r at density 50.00%: B lost 1 of 4 seeds (worse, not-better)"


def test_a_skipped_control_is_not_a_lost_seed(sample):
    values = {0: 0.9, 1: 0.91, 2: 0.92}
    tickets = [sample("imp", 0.5, values), sample("imp", 0.2, values)]
    twins = [sample("imp/reinit", 0.5, values), sample("imp/reinit", 0.2, {}, skipped=[0, 1, 2])]
    _, line = lines(tickets, twins)
    assert (line.verdict.kind, line.lost_b) == ("insufficient", frozenset())
    assert not line.regressed


def added(sample, label, values, **said):
    """A cell of a suite whose seeds were added until decided."""
    return replace(sample(label, 0.5, values, **said), rule=Decide(max_seeds=30))


def plus(*points):
    return {seed: 0.9 + point / 100 for seed, point in enumerate(points)}


def test_where_seeds_were_added_lines_are_judged_at_its_looks(sample):
    base = added(sample, "old", plus(*[0] * 8))
    (found,) = lines([base], [added(sample, "new", plus(1.4, 1.5, 1.7, -9, -9))])
    assert found.text == "better (decided at 3 of 30)" and found.short == "better 3/30"
    # d̄ ± c · s / √n of the three: .436 to 2.630
    assert found.interval[:3] == pytest.approx((0.0153333, 0.00436, 0.02630), abs=1e-5)
    assert (found.a, found.b) == pytest.approx((0.9, 0.9153333))
    assert found.verdict.p == pytest.approx(0.00329, abs=1e-5)


def test_before_the_first_look_no_line_has_a_verdict(sample):
    """+1.4, +1.5, +1.7 at seeds 1 to 3, with seed 0 to come: p = .0033 at a fixed number."""
    values = {1: 0.914, 2: 0.915, 3: 0.917}
    base = plus(*[0] * 4)
    (fixed,) = lines([sample("old", 0.5, base)], [sample("new", 0.5, values)])
    assert fixed.verdict.kind == "better"
    (found,) = lines([added(sample, "old", base)], [added(sample, "new", values)])
    assert (found.verdict.kind, found.text, found.interval) == ("insufficient", "needs 3+", None)
    assert found.verdict.stop == (0, 30, "to come") and not found.regressed
    two = added(sample, "new", plus(1.4, 1.5))
    (found,) = lines([added(sample, "old", base)], [two])
    assert (found.verdict.kind, found.verdict.n) == ("insufficient", 2)
    assert found.b == pytest.approx(0.9145)


def test_before_the_first_look_a_lost_or_unreached_seed_fails(sample):
    base = added(sample, "old", plus(*[0] * 4))
    (lost,) = lines([base], [added(sample, "new", {0: 0.91}, lost=[1])])
    assert (lost.text, lost.short, lost.regressed) == ("B lost 1 of 4 seeds", "B lost 1/4", True)
    later = added(sample, "new", {}, lost=[0, 3], missing=[1, 2])
    (lost,) = lines([base], [later])
    assert lost.text == "B lost 2 of 4 seeds"
    (gone,) = lines([base], [added(sample, "new", {}, skipped=[0, 1, 2, 3])])
    assert gone.text == "B cannot reach the density on 4 of 4 seeds"
    assert (gone.short, gone.interval) == ("B skipped 4/4", None)


def test_a_short_verdict_tells_a_margin_of_steps_in_full(sample):
    """5% of 20,000 steps."""
    a = sample("old", 0.5, dict.fromkeys(range(4), 20000.0))
    b = sample("new", 0.5, {seed: 20_100.0 + seed for seed in range(4)})
    (found,) = lines([a], [b], Options(measure("early_stop_step")))
    assert found.short == "worse <1000" and found.text == "worse (by less than 1000 steps)"


@pytest.mark.parametrize(
    ("seeds", "fixed", "rule"), [(6, "better", "open"), (10, "better", "better")]
)
def test_an_order_of_seeds_holds_at_any_stop(sample, seeds, fixed, rule):
    """All ahead: p = 2 / 2^6 = .031 and 2 / 2^10 = .00195, against .05 and .05 / 14 = .00357."""
    late, soon = dict.fromkeys(range(seeds), 900.0), dict.fromkeys(range(seeds), 500.0)
    option = Options(measure("generalisation_step"))
    a, b = sample("old", 0.5, late, censored=range(seeds)), sample("new", 0.5, soon)
    (found,) = lines([a], [b], option)
    assert found.verdict.kind == fixed
    both = [replace(side, rule=Decide()) for side in (a, b)]
    (found,) = lines(both[:1], both[1:], option)
    assert (found.verdict.kind, found.verdict.signs) == (rule, (1,) * seeds)
