"""Several machines on one study: threads with storages of their own, on one database."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta

import pytest
from thoroughness import some

from lth_bench.store.paths import Paths
from lth_bench.tuning import owner
from lth_bench.tuning import study as module
from lth_bench.tuning.owner import is_gone, this_process
from lth_bench.tuning.storage import close_storage, open_storage
from lth_bench.tuning.study import RunningStudy, TrialResult

TRIALS, MACHINES = 7, 3


def take_part(url, goal, results, start, found, errors):
    """A machine: it proposes, runs two trials at a time, and tells."""
    storage = None
    try:
        start.wait()
        storage = open_storage(url, Paths(results))
        study = RunningStudy(storage, "here", goal, str(results))
        while True:
            while len(study.running) < 2 and (proposal := study.propose()) is not None:
                found.append((proposal.number, tuple(proposal.params.items()), proposal.origin))
            if not study.running:
                return
            number = min(study.running)
            a = study.running[number].params["a"]
            study.tell(number, TrialResult(state="complete", values=(a,), steps=10, seconds=1.0))
            assert study.settle()
    except BaseException as error:
        errors.append(error)
    finally:
        if storage is not None:
            close_storage(storage)


@pytest.fixture(params=some(["sqlite", "postgresql"]))
def url(request, tmp_path):
    """Of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'studies.db'}"
        return
    import postgres

    with postgres.server() as found:
        yield found


@pytest.fixture
def opened(tmp_path):
    """A storage by its URL, closed after the test."""
    storages = []

    def opened(url):
        storages.append(open_storage(url, Paths(tmp_path / "x.duckdb")))
        return storages[-1]

    yield opened
    for storage in storages:
        close_storage(storage)


def test_numbers_are_claimed_first_and_the_budget_is_exact(url, goal, opened, tmp_path):
    """All begin at once, on an empty database, as `srun` has it."""
    made = goal(f"budget = {{ trials = {TRIALS} }}")
    found, errors, start = [], [], threading.Barrier(MACHINES)
    machines = [
        threading.Thread(
            target=take_part, args=(url, made, tmp_path / f"{i}.duckdb", start, found, errors)
        )
        for i in range(MACHINES)
    ]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.join()
    assert not errors
    assert len(found) == TRIALS
    for place in (0, 1):  # neither a number nor the settings come twice
        assert set(Counter(trial[place] for trial in found).values()) == {1}
    assert [origin for *_, origin in found].count("default") == 1
    trials = RunningStudy(opened(url), "here", made, "x").trials
    assert [t.state.name for t in trials] == ["COMPLETE"] * TRIALS
    assert {t.number for t in trials} == {number for number, *_ in found}


@pytest.mark.slow
def test_machines_that_create_the_tables_at_once_leave_no_connection_open(goal, tmp_path):
    """Optuna's constructor raises for those that come second, and its connections with it."""
    import postgres
    from sqlalchemy import create_engine, text

    with postgres.server() as url:
        start = threading.Barrier(MACHINES)

        def take_part():
            start.wait()
            close_storage(open_storage(url, Paths(tmp_path / "x.duckdb")))

        machines = [threading.Thread(target=take_part) for _ in range(MACHINES)]
        for machine in machines:
            machine.start()
        for machine in machines:
            machine.join()
        engine = create_engine(url)
        with engine.connect() as connection:
            asked = text("SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres'")
            assert connection.execute(asked).scalar_one() == 1  # the one that asks
        engine.dispose()


def test_steps_of_running_trials_elsewhere_count_towards_the_budget(goal, opened, tmp_path):
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    made = goal("budget = { steps = 250 }")
    machines = [RunningStudy(opened(url), "here", made, name) for name in "ab"]
    proposed = 0
    for _ in range(4):
        for machine in machines:
            if (proposal := machine.propose()) is not None:
                machine.expect(proposal.number, 100)
                proposed += 1
    assert proposed == 3  # the third begins while 200 steps are spoken for


def test_running_trials_elsewhere_are_counted_and_can_be_taken_over(goal, opened, tmp_path):
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    made = goal()
    theirs = RunningStudy(opened(url), "here", made, "theirs")
    theirs.owner |= {"machine": "another"}
    theirs.propose()
    ours = RunningStudy(opened(url), "here", made, "ours")
    assert ours.adopt() == []
    assert ours.elsewhere == 1
    (proposal,) = ours.adopt(all_=True)
    assert (proposal.number, proposal.origin, ours.elsewhere) == (0, "default", 0)
    # both finish it: the first to tell is right, and for the other it is no error
    ours.tell(0, TrialResult(state="complete", values=(0.5,), steps=10, seconds=1.0))
    theirs.tell(0, TrialResult(state="complete", values=(0.7,), steps=10, seconds=1.0))
    theirs.report(0, 0, 0.7)
    assert ours.settle() and theirs.settle()
    assert [t.values for t in ours.trials] == [[0.5]]


def test_a_trial_without_an_owner_yet_is_waited_for(goal, opened, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    made, said, pauses = goal(), [], []
    study = RunningStudy(opened(url), "here", made, "ours")
    study.study.ask()  # a process that dies before it signs
    long_after = datetime.now() + timedelta(minutes=2)  # noqa: DTZ005 — as Optuna records it

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return long_after

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            monkeypatch.setattr(module, "datetime", Later)

    study.wait_for_owners(said.append, pause)
    assert (len(pauses), len(said)) == (3, 1)
    assert study.adopt() == []  # it has no parameters: it counts for nothing
    assert study.propose().origin == "default"


def test_is_gone(monkeypatch):
    ours = this_process("ours")
    assert is_gone(ours, "ours")
    assert is_gone(ours, "others")  # our own process number: it has come round
    parent = {**ours, "pid": 1, "began": owner._began(1)}
    assert not is_gone(parent, "others")
    assert is_gone({**parent, "began": "another start"}, "others")
    # a container of the same name numbers its processes apart
    assert not is_gone({**ours, "machine": "another", "pid": 2**22 + 1}, "others")
    old = {"host": ours["host"], "pid": 2**22 + 1, "results": "theirs"}  # before machines were told
    assert is_gone(old, "others")
    assert not is_gone({**old, "host": "another"}, "others")
