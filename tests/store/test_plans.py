from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lth_bench.store import Journal, Paths, reading

Make = Callable[..., Any]


def statuses(paths: Paths) -> dict[tuple[Any, ...], int]:
    with reading(paths.results) as con:
        rows = con.execute(
            "SELECT label, config_id, status, count(*) FROM tickets_flat GROUP BY ALL"
        ).fetchall()
    return {(label, config, status): n for label, config, status, n in rows}


def test_the_latest_planned_configuration_is_current(make_scenario: Make, write: Make) -> None:
    old = make_scenario(strategies=("imp",), config="lr=.1")
    new = make_scenario(strategies=("imp",), config="lr=.2", seeds=(0,), run_id="run-2")
    a, b = (s.experiments()[0]["config_id"] for s in (old, new))
    paths = write(old)
    assert statuses(paths) == {("imp", a, "ok"): 6}
    paths = write(new)
    assert statuses(paths) == {("imp", b, "ok"): 2}
    with Journal(paths) as journal:
        journal.append(old.planned())
    assert statuses(paths) == {("imp", a, "ok"): 6}
    with reading(paths.results) as con:
        assert con.execute(
            "SELECT current, count(*) FROM experiments GROUP BY current ORDER BY current"
        ).fetchall() == [(False, 1), (True, 3)]


def test_the_newest_experiment_is_current(make_scenario: Make, write: Make) -> None:
    before = make_scenario(strategies=("imp",))
    after = make_scenario(strategies=("imp",), source_hash="def", seeds=(0,), run_id="run-2")
    paths = write(before)
    with Journal(paths) as journal:
        journal.append(after.planned())
    config = before.experiments()[0]["config_id"]
    assert statuses(paths) == {("imp", config, "ok"): 4, ("imp", config, "planned"): 2}


def test_suites_are_independent(make_scenario: Make, write: Make) -> None:
    a = make_scenario(strategies=("imp",))
    b = make_scenario(strategies=("imp",), suite="other", config="else", run_id="run-2")
    paths = write(a, b)
    with reading(paths.results) as con:
        assert con.execute(
            "SELECT suite, count(*) FROM tickets_flat GROUP BY suite ORDER BY suite"
        ).fetchall() == [("other", 6), ("quickstart", 6)]


def test_an_experiment_can_be_in_two_suites(make_scenario: Make, write: Make) -> None:
    a = make_scenario(strategies=("imp",))
    paths = write(a)
    with Journal(paths) as journal:
        shared = [{**e, "suite": "other"} for e in a.experiments()]
        journal.append({"record": "planned", "run_id": "run-2", "experiments": shared})
    with reading(paths.results) as con:
        assert con.execute(
            "SELECT suite, status, count(*) FROM tickets_flat GROUP BY ALL ORDER BY ALL"
        ).fetchall() == [("other", "ok", 6), ("quickstart", "ok", 6)]
