"""The coordinator's side of worker processes: real processes that train nothing and start fast."""

from __future__ import annotations

import importlib
import multiprocessing
import signal
import sys
from types import SimpleNamespace

import pytest

from lth_bench.executors import local
from lth_bench.executors.local import LocalExecutor
from lth_bench.executors.schedule import Schedule
from lth_bench.plan import Planned

WORKER = """
import os, signal, time
from dataclasses import dataclass

@dataclass(frozen=True)
class Config:
    device: str
    room: int = 0

@dataclass(frozen=True)
class Job:
    experiment_id: str
    kills: int = 0
    stays: float = 0.0
    model: str = "mlp"
    dataset: str = "digits"
    recipe: str = "short"
    seed: int = 0
    label: str = "job"

def main(pipe, config):
    while True:
        try:
            live = pipe.recv()
            while live:
                if config.room > len(live):
                    pipe.send({"event": "room", "room": config.room - len(live)})
                    live += pipe.recv()
                for job in live:
                    if job.kills:
                        os.kill(os.getpid(), job.kills)
                    if job.stays:
                        time.sleep(job.stays)
                pipe.send({"event": "side by side", "ids": [j.experiment_id for j in live]})
                for job in [live.pop(0), *(live.pop() for _ in live[1:2])]:
                    pipe.send({"record": "experiment", "experiment_id": job.experiment_id,
                               "status": "ok", "reason": None})
        except EOFError:
            return
"""


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    """A module with a worker's main function, its configuration and what it is given to do."""
    folder = tmp_path_factory.mktemp("fake")
    (folder / "fake_worker_of_tests.py").write_text(WORKER)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("fake_worker_of_tests")
    sys.path.remove(str(folder))


@pytest.fixture
def run(fake, monkeypatch):
    """`run(jobs, workers=1, room=0, handle=None)`: everything that the coordinator heard."""
    monkeypatch.setattr(local, "worker_main", fake.main)

    def go(jobs, workers=1, room=0, handle=None):
        heard = []

        def keep(record):
            heard.append(record)
            if handle is not None:
                handle(record)

        planned = [Planned(job, (1,), 1) for job in jobs] if isinstance(jobs, list) else jobs
        LocalExecutor(fake.Config("cpu", room), ["cpu"] * workers).run(planned, keep)
        assert multiprocessing.active_children() == []
        return SimpleNamespace(
            heard=heard,
            ended={r["experiment_id"]: r for r in heard if r.get("record") == "experiment"},
            retries=[r for r in heard if r.get("event") == "retry"],
            together=[r["ids"] for r in heard if r.get("event") == "side by side"],
        )

    return go


def test_one_that_kills_its_worker_is_found_among_eight(fake, run):
    jobs = [fake.Job(str(i), kills=signal.SIGKILL * (i == 5)) for i in range(9)]
    done = run(jobs, room=8)
    records = [r for r in done.heard if r.get("record") == "experiment"]
    assert len(records) == 9  # one each, and no second for whoever was tried again
    failed = {i: r for i, r in done.ended.items() if r["status"] != "ok"}
    assert list(failed) == ["5"]
    assert failed["5"]["status"] == "failed"
    # together, together again, then 4, 2 and 1 of the eight
    assert failed["5"]["reason"] == (
        "the worker process died 5 times: killed by SIGKILL (out of memory?)"
    )
    assert [len(r["experiments"]) for r in done.retries] == [8, 8, 4, 2]
    assert all(r["reason"] == "killed by SIGKILL (out of memory?)" for r in done.retries)


def test_two_workers_and_as_many_culprits(fake, run):
    jobs = [fake.Job(str(i), kills=signal.SIGTERM * (i in (0, 3)), seed=i % 2) for i in range(7)]
    done = run(jobs, workers=2, room=4)
    assert len(done.ended) == 7
    assert {i for i, r in done.ended.items() if r["status"] == "failed"} == {"0", "3"}
    assert all("killed by SIGTERM" in done.ended[i]["reason"] for i in "03")


def test_a_worker_with_room_is_given_company_of_its_own_task(fake, run):
    jobs = [fake.Job(str(i), model="mlp" if i < 6 else "conv") for i in range(9)]
    done = run(jobs, room=4)
    assert max(map(len, done.together)) == 4
    for ids in done.together:
        assert len({int(i) < 6 for i in ids}) == 1
    # without room, one after the other
    assert {len(ids) for ids in run(jobs).together} == {1}


def test_what_is_heard_may_bring_more_to_do(fake, run):
    schedule = Schedule([Planned(fake.Job("0"), (1,), 1)])

    def handle(record):
        if record.get("record") == "experiment" and int(record["experiment_id"]) < 3:
            number = int(record["experiment_id"]) + 1
            schedule.add([Planned(fake.Job(str(number)), (1,), 1)])

    assert sorted(run(schedule, room=2, handle=handle).ended) == ["0", "1", "2", "3"]


def test_ctrl_c_leaves_no_worker_behind(fake, run):
    def handle(record):
        if record.get("event") == "start" and record["experiment"].experiment_id == "1":
            raise KeyboardInterrupt

    jobs = [fake.Job("0"), fake.Job("1", stays=60.0), fake.Job("2")]
    with pytest.raises(KeyboardInterrupt):
        run(jobs, handle=handle)
    assert multiprocessing.active_children() == []


def test_an_exit_code_is_told_as_it_is():
    assert local._how_it_died(7) == "exit code 7"
    assert local._how_it_died(None) == "exit code None"
    assert local._how_it_died(-11) == "killed by SIGSEGV"
