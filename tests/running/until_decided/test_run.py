"""Whole runs, from suite to database, whose workers only pretend to train."""

from __future__ import annotations

import random
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.card import cards
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.errors import UserError
from lth_bench.lottery import Experiment
from lth_bench.running.executors import places
from lth_bench.running.executors.places import ThisMachine
from lth_bench.running.executors.simulated import (
    Pace,
    SimulatedExecutor,
    SimulatedWork,
    World,
)
from lth_bench.running.progress import Event, ExperimentStarted, Recorded, SeedsAdded
from lth_bench.running.request import RunRequest, prepare_run
from lth_bench.running.runner import run_suite
from lth_bench.store import fold
from lth_bench.store.database import open_safe
from lth_bench.store.journal import Journal
from lth_bench.store.paths import Paths

EFFECTS = {"dense": 0.0, "one_shot": -0.006, "random": -0.04}


class Killed(Exception):
    """The process is gone, without a word."""


class PretendedMachine(ThisMachine):
    """Workers whose tickets have made-up accuracies, at a cohort size of four."""

    trained: list[str] = []
    survives: int | None = None
    """Records until it is killed."""
    statuses: Mapping[tuple[str, int], str] = {}
    crew = 2

    def run(self, config: Any, work: Any, handle: Any, *, planned: Any, registry: Any) -> None:
        world = World(work={}, records=self.records)

        def heard(event: Event) -> None:
            if isinstance(event, ExperimentStarted):
                e = event.experiment
                chance = random.Random(e.experiment_id)
                world.work[e.experiment_id] = SimulatedWork(  # type: ignore[index]
                    experiment=e, left=deque([chance.uniform(5, 15)]), pace=Pace(seconds=1, size=4)
                )
            if isinstance(event, Recorded):
                if PretendedMachine.survives == 0:
                    raise Killed
                if PretendedMachine.survives is not None:
                    PretendedMachine.survives -= 1
                if event.ends:
                    self.trained.append(event.record["experiment_id"])
            handle(event)

        SimulatedExecutor(world, self.crew).run(work, heard)

    def records(self, e: Experiment) -> Iterable[Mapping[str, Any]]:
        status = self.statuses.get((e.label, e.seed), "ok")
        for density in e.densities if status == "ok" else ():
            seed = zlib.crc32(f"{e.label} {e.seed}".encode())
            noise = random.Random(seed).gauss(0, 0.002)
            value = round(0.9 + 0.003 * (e.seed % 4) + EFFECTS[e.label] + noise, 4)
            yield {
                "record": "ticket", "experiment_id": e.experiment_id, "round": 1,
                "ticket_id": f"{e.experiment_id} {density}", "control": "none", "reported": True,
                "target_density": density, "density": density, "status": "ok", "reason": None,
                "metrics": {"test_accuracy": value}, "score": value, "test_examples": 500,
                "layers": [], "trainings": [], "curve": [],
                "cost": {"steps": 40, "search_steps": 0, "spent_steps": 40, "spent_seconds": 1.0},
            }  # fmt: skip
        yield {"record": "experiment", "experiment_id": e.experiment_id, "status": status,
               "reason": None, "seconds": 1.0, "worker": "w"}  # fmt: skip


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> type[PretendedMachine]:
    @contextmanager
    def pretended(execution: Any) -> Any:
        yield PretendedMachine(execution)

    monkeypatch.setattr(places, "open_place", pretended)
    monkeypatch.setattr(PretendedMachine, "trained", [])
    monkeypatch.setattr(PretendedMachine, "survives", None)
    return PretendedMachine


@pytest.fixture
def run(machine: Any, tiny: Path, tmp_path: Path) -> Callable[..., Any]:
    def go(results: str = "r.duckdb", **given: Any) -> Any:
        request = RunRequest.from_arguments(
            suite=tiny, results=tmp_path / results, cohort_size=1, **given
        )
        heard: list[Event] = []
        summary = run_suite(*prepare_run(request), request, heard.append)
        paths = Paths(tmp_path / results)
        return summary, heard, paths

    return go


LOOKS = "SELECT label, target_density, n, verdict, stop, difference FROM looks ORDER BY ALL"
ROWS = "SELECT label, seed, status, score FROM tickets_flat ORDER BY ALL"


def asked(paths: Paths, sql: str) -> list[Any]:
    fold(paths)
    with open_safe(paths) as con:
        return con.execute(sql).fetchall()


def test_seeds_are_added_until_decided_and_the_journal_knows_each_look(run: Any) -> None:
    summary, heard, paths = run()
    assert summary.exit_code == 0
    looks = asked(paths, LOOKS)
    assert [row[2] for row in looks if row[0] == "one_shot"][:3] == [3, 4, 5]
    assert [row[:5] for row in looks if row[0] == "random"] == [
        ("random", 0.1, 3, "worse", "decided")
    ]
    rows = asked(paths, ROWS)
    assert {row[2] for row in rows} == {"ok"}  # a row for each seed that was scheduled, no more
    seeds = {label: sum(row[0] == label for row in rows) for label in EFFECTS}
    assert seeds["random"] < 8 and seeds["one_shot"] == seeds["dense"] == 8
    assert any(isinstance(event, SeedsAdded) for event in heard)
    assert any("2 comparisons: " in note for note in summary.notes)
    (rule,) = asked(paths, "SELECT max_seeds, decide_margin FROM suites")
    assert rule == (8, None)


def test_a_rerun_trains_nothing_and_decides_the_same(run: Any, machine: Any) -> None:
    _, _, paths = run()
    looks, rows = asked(paths, LOOKS), asked(paths, ROWS)
    machine.trained.clear()
    written = sum(r["record"] == "look" for r, _ in Journal(paths).read())
    summary, _, _ = run()
    assert machine.trained == [] and summary.reused == summary.planned
    assert (asked(paths, LOOKS), asked(paths, ROWS)) == (looks, rows)
    assert sum(r["record"] == "look" for r, _ in Journal(paths).read()) == written


@pytest.mark.parametrize("survives", [3, 14, 25])
def test_a_killed_run_resumes_to_the_same_verdicts(run: Any, machine: Any, survives: int) -> None:
    _, _, whole = run("whole.duckdb")
    machine.survives = survives
    with pytest.raises(Killed):
        run()
    machine.survives = None
    _, _, paths = run()
    assert asked(paths, LOOKS) == asked(whole, LOOKS)
    assert {row[2] for row in asked(paths, ROWS)} == {"ok"}


def test_seeds_that_ran_before_count(run: Any, machine: Any) -> None:
    run(seeds=4)
    before = set(machine.trained)
    machine.trained.clear()
    _, _, paths = run()
    assert before.isdisjoint(machine.trained)
    _, _, fresh = run("fresh.duckdb")
    assert asked(paths, LOOKS) == asked(fresh, LOOKS)


def test_a_higher_maximum_goes_on_where_it_stopped(run: Any, machine: Any) -> None:
    run(overrides=["suite.decide.max_seeds=4"])
    machine.trained.clear()
    _, _, paths = run()
    assert machine.trained
    assert asked(paths, "SELECT max(n) FROM looks WHERE label = 'one_shot'") == [(8,)]


def test_a_fixed_number_of_seeds_is_a_run_as_ever(run: Any) -> None:
    summary, _, paths = run(seeds=2)
    assert summary.planned == 6 and asked(paths, LOOKS) == []
    assert asked(paths, "SELECT max_seeds FROM suites") == [(None,)]
    run(overrides=["suite.decide.max_seeds=3"])
    assert asked(paths, "SELECT DISTINCT current FROM looks") == [(True,)]
    run(seeds=2)  # by no rule, so that no look is of it
    assert asked(paths, "SELECT DISTINCT current FROM looks") == [(False,)]
    rebuilt = asked(paths, "SELECT count(*), count(*) FILTER (current) FROM looks")
    paths.results.unlink()
    assert asked(paths, "SELECT count(*), count(*) FILTER (current) FROM looks") == rebuilt


def test_a_failed_seed_stops_its_label_and_a_given_up_one_is_made_up_for(
    run: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "statuses", {("one_shot", 1): "failed", ("random", 1): "timeout"})
    summary, _, paths = run()
    assert summary.exit_code == 1
    looks = asked(paths, LOOKS)
    assert ("one_shot", 3, "failed", "lost") in [(r[0], *r[2:5]) for r in looks]
    rows = asked(paths, "SELECT seed FROM tickets_flat WHERE label = 'random' ORDER BY 1")
    assert (3,) in rows  # seed 1 is no pair


def test_a_retried_seed_changes_no_verdict_that_stuck(
    run: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`random` was decided without its seed 1; in its place again, it would move every pair."""
    monkeypatch.setattr(machine, "statuses", {("random", 1): "oom"})
    _, _, paths = run()
    looks = asked(paths, LOOKS)
    assert ("random", 3, "worse", "decided") in [(r[0], *r[2:5]) for r in looks]
    monkeypatch.setattr(machine, "statuses", {})
    machine.trained.clear()
    summary, _, _ = run(retry=["oom"])
    assert machine.trained == [] and asked(paths, LOOKS) == looks
    assert any(
        "1 experiment that ended without a result is not retried" in n for n in summary.notes
    )
    statuses = asked(paths, "SELECT status FROM tickets_flat WHERE label = 'random' AND seed = 1")
    assert statuses == [("oom",)]


def test_a_seed_that_holds_an_open_comparison_is_retried(
    run: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "statuses", {("one_shot", 0): "oom"})
    _, _, paths = run()
    machine.trained.clear()
    monkeypatch.setattr(machine, "statuses", {})
    run(retry=["oom"])
    assert machine.trained
    rows = asked(paths, "SELECT status FROM tickets_flat WHERE label = 'one_shot' AND seed = 0")
    assert rows == [("ok",)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"until_decided": True, "seeds": 3}, "--seeds fixes the number of seeds"),
        ({"until_decided": True, "shard": "1/2"}, "--shard 1/2: --until-decided adds seeds"),
        ({"shard": "1/2"}, "--shard 1/2: the suite 'tiny' with its `decide` adds seeds"),
        ({"until_decided": True, "smoke": True}, "--smoke trains one seed"),
        ({"overrides": ["suite.decide.max_seeds=2"]}, "must be an integer in .3, 60., but got 2"),
        ({"overrides": ["suite.decide.max_seeds=61"]}, "must be an integer in .3, 60., but got 61"),
        ({"overrides": ["suite.decide.margin=0.0"]}, "must be a number in .0, 1., but got 0"),
        ({"overrides": ["suite.decide.margin=-0.5"]}, "must be a number in .0, 1., but got -0.5"),
        ({"overrides": ["suite.decide.margin=nan"]}, "must be a number in .0, 1., but got nan"),
        ({"overrides": ["suite.decide.margin=inf"]}, "must be a number in .0, 1., but got inf"),
        ({"overrides": ["suite.decide.most=5"]}, "most"),
        ({"overrides": ["suite.baseline=random"], "strategies": ["one_shot"]}, "leaves out"),
        ({"overrides": ["suite.baseline=random"], "strategies": ["random"]}, "nothing to compare"),
        ({"overrides": ["suite.board=ingredients"]}, "compares ablations with their own tickets"),
    ],
)  # fmt: skip
def test_bad_input_is_one_message(run: Any, machine: Any, given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        run(**given)
    assert "\n" not in error.value.message.strip() and machine.trained == []


def test_a_margin_that_comes_back_has_its_looks_back(run: Any, machine: Any) -> None:
    """Of the records of one look the newest counts, so that each change writes what it changes."""
    with_margin = "SELECT label, n, verdict, stop, margin FROM looks ORDER BY ALL"
    (narrow, wide) = ("suite.decide.margin=0.001", "suite.decide.margin=0.05")
    first = asked(run(overrides=[narrow])[2], with_margin)
    assert {margin for *_, margin in first} == {0.001}
    machine.trained.clear()
    paths_of_wide = run(overrides=[wide])[2]
    between = asked(paths_of_wide, with_margin)
    assert ("one_shot", 3, "equivalent", "decided", 0.05) in between
    assert {margin for *_, margin in between} == {0.001, 0.05}  # the older later looks stay
    present = "SELECT label, n, margin FROM looks WHERE current ORDER BY ALL"
    assert asked(paths_of_wide, present) == [("one_shot", 3, 0.05), ("random", 3, 0.05)]
    paths = run(overrides=[narrow])[2]
    assert asked(paths, with_margin) == first and machine.trained == []
    assert asked(paths, "SELECT count(*) FROM looks WHERE NOT current") == [(0,)]
    newest = asked(paths, "SELECT arg_max(n, journal_order) = max(n) FROM looks GROUP BY label")
    assert set(newest) == {(True,)}  # the last look is the newest record
    written = sum(r["record"] == "look" for r, _ in Journal(paths).read())
    run(overrides=[narrow])
    assert sum(r["record"] == "look" for r, _ in Journal(paths).read()) == written


def test_a_baseline_that_lost_the_first_seeds_leaves_nothing_to_come(
    run: Any, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "statuses", {("dense", seed): "diverged" for seed in range(3)})
    summary, _, paths = run()
    assert "2 comparisons: 2 without a baseline, as dense lost seeds;" in summary.notes[-3]
    assert "run again with --retry all" in summary.notes[-2]
    fold(paths)
    with open_safe(paths) as con:
        board = leaderboard(con, Question())
        (card,) = cards(con, Question(), board.rows)
    found = {row["label"]: row for row in board.rows if row["label"] != "dense"}
    assert {(r["stop"], r["verdict"]) for r in found.values()} == {("no baseline", "insufficient")}
    assert "not decided: no pair in the first 3 seeds" in found["random"]["verdict_text"]
    assert "no dense, no base, no pairs: none of the first three seeds is a pair" in board.legend
    assert {row.verdict for row in card.tasks[0].rows} == {"dense lost seeds"}
    steps = [(step.why, step.command) for step in card.next]
    assert steps[0][0] == "2 comparisons not decided, as dense lost seeds; the reasons"
    assert steps[1][0] == "once dense is fixed" and "retry=['all']" in steps[1][1]
    assert not any("go on" in why for why, _ in steps)
    # a seed that was trained ahead is no reason to go on, neither now nor in another run
    machine.trained.clear()
    run()
    assert machine.trained == []
    monkeypatch.setattr(machine, "statuses", {})
    run(retry=["diverged"])
    assert ("random", "decided") in asked(paths, "SELECT label, stop FROM looks")


def test_a_strategy_that_is_added_afterwards_changes_no_verdict(run: Any, machine: Any) -> None:
    _, _, paths = run(strategies=["random"])
    assert asked(paths, LOOKS)[0][:5] == ("random", 0.1, 3, "worse", "decided")
    before = asked(paths, LOOKS)
    machine.trained.clear()
    summary, _, _ = run()
    assert machine.trained and summary.exit_code == 0
    looks = asked(paths, LOOKS)
    assert [look for look in looks if look[0] == "random"] == before
    assert {look[0] for look in looks} == {"one_shot", "random"}
    # and one that is left out again trains nothing, and takes no look of the others away
    machine.trained.clear()
    summary, _, _ = run(strategies=["random"])
    assert machine.trained == [] and asked(paths, LOOKS) == looks
    assert summary.notes[0].startswith("1 comparison: 1 decided;")
