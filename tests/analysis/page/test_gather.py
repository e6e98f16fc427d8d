from __future__ import annotations

import pytest
from scipy import stats

from lth_bench.analysis.page.gather import suite_facts


@pytest.fixture
def known(results):
    return lambda **scenario: suite_facts(results(**scenario))


def test_controls_follow_their_ticket_from_dense_to_sparse(known) -> None:
    (suite,) = known(strategies=("dense", "imp", "snip"), controls=("shuffle", "reinit"))
    assert suite.name == "quickstart"
    assert suite.runs[0].command == "lth-bench run quickstart --seeds 3"
    (task,) = suite.tasks
    names = ["imp", "imp/reinit", "imp/shuffle", "snip", "snip/reinit", "snip/shuffle"]
    assert [(s.density, s.name) for s in task.standings] == [
        (1.0, "dense"), *((d, name) for d in (0.5, 0.2) for name in names),
    ]  # fmt: skip
    assert [s.name for s in task.standings if s.is_ticket] == ["imp", "snip"] * 2
    assert task.dense is task.standings[0]
    assert task.densities == [0.5, 0.2]


def test_verdicts_are_of_differences_by_seed(known) -> None:
    (suite,) = known(seeds=range(6), controls=("reinit",))
    task = suite.tasks[0]
    by_name = {(s.density, s.name): s for s in task.standings}
    dense, ticket = by_name[1.0, "dense"].sample.values, by_name[0.2, "snip"]
    paired = stats.ttest_rel(list(ticket.sample.values.values()), list(dense.values()))
    assert ticket.row["p"] == pytest.approx(paired.pvalue)
    assert ticket.row["verdict"] == "worse"
    control = by_name[0.2, "snip/reinit"]
    low, high = stats.ttest_rel(
        list(control.sample.values.values()), list(ticket.sample.values.values())
    ).confidence_interval(0.95)
    assert control.versus_ticket is not None
    assert (control.versus_ticket.low, control.versus_ticket.high) == pytest.approx((low, high))
    assert ticket.versus_ticket is None
    assert by_name[1.0, "dense"].row["verdict"] is None
    assert [s.name for s in task.standings if s.is_baseline] == ["dense"]


def test_a_lost_seed_gives_the_verdict_failed(known) -> None:
    (suite,) = known(outcomes={("imp", 1): ("failed", "x"), ("snip", 1): ("oom", "x")})
    task = suite.tasks[0]
    by_name = {(s.density, s.name): s.row for s in task.standings}
    lost, owed = by_name[0.5, "imp"], by_name[0.5, "snip"]
    assert (lost["verdict"], lost["lost"], lost["planned"]) == ("failed", 1, 3)
    kind, n, planned = owed["verdict"], owed["difference_n"], owed["planned"]
    assert (kind, n, planned) == ("insufficient", 2, 3)
    assert task.counts == {"planned": 21, "n": 17, "failed": 2, "skipped": 0, "pending": 2}


def test_ties_with_the_best(known) -> None:
    # differences of the synthetic methods are 20 times their spread at the sparse end
    (suite,) = known(
        strategies=("dense", "imp", "snip", "random"), seeds=range(10), densities=(0.1,)
    )
    tickets = [s for s in suite.tasks[0].standings if s.is_ticket]
    assert [(s.name, s.row["rank"], s.row["tied"]) for s in tickets] == [
        ("imp", 1, True), ("snip", 2, False), ("random", 3, False),
    ]  # fmt: skip
    assert suite.tasks[0].standings[0].row["tied"] is None


def test_two_seeds_tell_of_no_tie(known) -> None:
    (suite,) = known(seeds=(0, 1))
    # as the leaderboard has it: a pair with fewer than three common seeds is not tested
    assert {s.row["tied"] for s in suite.tasks[0].standings} == {None}
