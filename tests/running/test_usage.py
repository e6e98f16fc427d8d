"""What the workers of a run do with their time."""

from __future__ import annotations

import json
from dataclasses import asdict

from close import close

from lth_bench.running.progress import Event, WorkersUsed
from lth_bench.running.recorder import Recorder, RunSummary
from lth_bench.running.usage import (
    TELLING,
    UsageLedger,
    WorkerUse,
    efficiency,
    recorded_uses,
)
from lth_bench.store.database import open_safe
from lth_bench.store.fold import fold
from lth_bench.store.journal import Journal
from lth_bench.store.paths import Paths


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def at(ledger: UsageLedger, slot: int, host: str, device: str = "cpu") -> WorkerUse:
    return ledger.at(slot, worker=f"{host} {device}", host=host, device=device)


def test_time_goes_to_the_state_that_a_worker_is_in() -> None:
    clock = Clock()
    ledger = UsageLedger(clock)
    use = at(ledger, 0, "a")
    for seconds, about in (
        (1.0, {"up": False, "has_work": True, "queued": True}),
        (20.0, {"up": True, "has_work": True, "queued": False}),
        (300.0, {"up": True, "has_work": False, "queued": True}),
        (4000.0, {"up": True, "has_work": False, "queued": False}),
    ):
        use.turn(**about)
        clock.now += seconds
        ledger.pass_time()
    times = (use.starting_seconds, use.busy_seconds, use.queued_seconds, use.idle_seconds)
    assert times == close((1, 20, 300, 4000))
    assert efficiency(ledger.uses) == close(20 / 4321)
    ledger.close()
    clock.now += 1
    ledger.pass_time()
    assert use.available_seconds == close(4321)


def test_a_place_that_moves_is_two_workers_and_a_new_process_is_not() -> None:
    ledger = UsageLedger(Clock())
    waiting = ledger.at(0, worker="cpu", host="", device="cpu")
    assert at(ledger, 0, "a") is waiting and waiting.host == "a"  # it has got its machine
    ledger.replace(0)
    at(ledger, 0, "a")
    ledger.replace(0)
    at(ledger, 0, "b")
    at(ledger, 1, "a")
    assert [(u.slot, u.host, u.processes) for u in ledger.uses] == [
        (0, "a", 2), (0, "b", 1), (1, "a", 1)
    ]  # fmt: skip


def test_time_until_a_replacement_is_heard_of_is_not_the_lost_ones() -> None:
    """Of a lost node's worker, whose replacement gets a place elsewhere, or never."""
    clock = Clock()
    ledger = UsageLedger(clock)
    lost = at(ledger, 0, "a")
    lost.turn(up=True, has_work=True, queued=True)
    clock.now += 10
    ledger.replace(0)
    assert lost.state == "gone"
    clock.now += 300
    ledger.pass_time()
    assert [(u.host, u.worker, u.state) for u in ledger.uses] == [
        ("a", "a cpu", "gone"), ("", "cpu", "starting")
    ]  # fmt: skip
    at(ledger, 0, "b").turn(up=True, has_work=True, queued=True)
    clock.now += 20
    ledger.close()
    assert [(u.host, u.starting_seconds, u.busy_seconds) for u in ledger.uses] == [
        ("a", close(0.0), close(10.0)), ("b", close(300.0), close(20.0))
    ]  # fmt: skip


def test_a_replacement_in_the_same_place_goes_on_with_its_totals() -> None:
    clock = Clock()
    ledger = UsageLedger(clock)
    first = at(ledger, 0, "a")
    first.turn(up=True, has_work=True, queued=True)
    first.units, first.steps, first.retries = 2, 70, 1
    clock.now += 10
    ledger.replace(0)
    clock.now += 3
    ledger.replace(0)  # it ended before it had a machine
    clock.now += 4
    ledger.pass_time()
    at(ledger, 0, "a").turn(up=True, has_work=True, queued=True)
    clock.now += 5
    ledger.close()
    (use,) = ledger.uses
    assert (use.processes, use.units, use.steps, use.retries) == (2, 2, 70, 1)
    assert (use.starting_seconds, use.busy_seconds, use.state) == (close(7.0), close(15.0), "busy")


def test_who_leaves_is_available_no_more() -> None:
    clock = Clock()
    ledger = UsageLedger(clock)
    use = at(ledger, 0, "a")
    clock.now += 5
    ledger.leave(0)
    clock.now += 100
    ledger.pass_time()
    assert use.available_seconds == close(5) and use.state == "gone"


def test_a_report_is_due_now_and_then() -> None:
    clock = Clock()
    ledger = UsageLedger(clock)
    found = []
    for _ in range(8):
        clock.now += TELLING / 2
        ledger.pass_time()
        found.append(ledger.due())
    assert found == [False, True] * 4


USE = WorkerUse(
    slot=3, worker="10.0.0.7 cuda:1", host="10.0.0.7", device="cuda:1", state="busy",
    processes=2, units=5, experiments=9, retries=1, steps=1200, examples=72_000,
    training_seconds=30.0, starting_seconds=4.0, busy_seconds=40.0, queued_seconds=5.0,
    idle_seconds=1.0,
)  # fmt: skip


def test_what_was_recorded_comes_back() -> None:
    totals = json.loads(json.dumps([asdict(USE)]))
    assert recorded_uses(totals) == [USE]
    assert recorded_uses([{"slot": 1, "other": 2, "steps": None}])[0].steps == 0


def test_a_killed_coordinator_leaves_what_it_recorded_until_then(tmp_path) -> None:
    """No last report: what the journal has is in the database, the last of each run."""
    paths = Paths(tmp_path / "r.duckdb")
    heard: list[Event] = []
    with Journal(paths) as journal:
        summary = RunSummary(run_id="run", suite="tiny", planned=1, reused=0)
        recorder = Recorder(
            journal=journal, paths=paths, run_id="run", summary=summary, emit=heard.append
        )
        for steps in (600, 1200, 1800):  # the last comes too soon to be recorded
            recorder._used -= 10 if steps < 1800 else 0
            recorder.handle(WorkersUsed([WorkerUse(**{**asdict(USE), "steps": steps})]))
    assert len(heard) == 3
    fold(paths)
    with open_safe(paths) as con:
        rows = con.execute("FROM workers").fetchall()
        (row,) = [dict(zip((d[0] for d in con.description), row, strict=True)) for row in rows]
    assert (row["run_id"], row["suite"], row["slot"], row["host"]) == ("run", "tiny", 3, "10.0.0.7")
    assert (row["worker_device"], row["worker_state"], row["processes"]) == ("cuda:1", "busy", 2)
    assert (row["work_units"], row["experiments_ended"], row["retries"]) == (5, 9, 1)
    assert (row["steps_run"], row["examples_run"]) == (1200, 72_000)
    assert row["model_steps_per_second"] == close(40)
    assert row["examples_per_second"] == close(2400)
    assert row["busy_share"] == close(0.8)
