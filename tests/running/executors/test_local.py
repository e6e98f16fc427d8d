"""The coordinator's side of worker processes: real processes that train nothing and start fast."""

from __future__ import annotations

import importlib
import json
import math
import multiprocessing
import signal
import socket
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from lth_bench.errors import UserError
from lth_bench.running.executors import link, local
from lth_bench.running.executors import watchdog as turn
from lth_bench.running.executors.local import LocalExecutor
from lth_bench.running.executors.processes import METHOD
from lth_bench.running.executors.schedule import Schedule
from lth_bench.running.plan import Planned
from lth_bench.running.progress import ExperimentStarted, Note, Recorded, Retried
from lth_bench.running.request import Execution

WORKER = """
import json, os, signal, time
from dataclasses import dataclass
from lth_bench.lottery import Experiment
from lth_bench.running.executors.messages import Begin, GiveBack, GivenBack, Room, receive, send
from lth_bench.running.progress import Note, Recorded

@dataclass(frozen=True)
class Config:
    device: str
    room: int = 0
    name: str = ""
    execution: object = None
    done: str = ""  # a folder with a file a finished training
    workers: int = 1
    ranks: tuple = ()

@dataclass(frozen=True)
class Behaviour:
    experiment_id: str
    kills: int = 0
    says: bool = False
    leaves: int = 0  # an exit code
    stays: float = 0.0
    trains: bool = False
    orphans: bool = False  # the first time it ends with its parent, the server of all workers
    chain: int = 0  # trainings, one after the other, 20 ms each
    needs: int = 0  # out of memory among more than so many

def Job(experiment_id, model="mlp", seed=0, **behaviour):
    return Experiment(
        experiment_id=experiment_id, config_id="c", suite="s", label="job", strategy="job",
        params=behaviour, model={"name": model}, model_label=model, dataset={"name": "digits"},
        dataset_label="digits", recipe_name="short", recipe={}, seed=seed, densities=(0.5,),
        controls=(), iterative=False, source_hash="h", plugin_version="1")

def jobs_of(message):
    return [Behaviour(e.experiment_id, **e.params) for e in message.experiments]

def say(pipe, **record):
    send(pipe, Recorded(record))

def left(job, config):
    done = os.listdir(config.done)
    return sum(f"{job.experiment_id}-{number}" not in done for number in range(job.chain))

def play_chains(pipe, config, live):
    # a training of each in turn; what was trained before is found
    live = list(live)
    # on a busy machine one could have trained everything before another has started
    open(f"{config.done}/up-{os.getpid()}", "w").close()
    end = time.monotonic() + 240
    while sum(n.startswith("up-") for n in os.listdir(config.done)) < config.workers:
        assert time.monotonic() < end
        time.sleep(0.01)
    while live:
        # or both of its own before another has come to ask for one
        last = len(live) > 1 and any(left(job, config) < 2 for job in live)
        while pipe.poll(60 if last else 0):
            last = False
            said = receive(pipe)
            if said == GiveBack():
                given = [live.pop() for _ in range(len(live) // 2)]
                send(pipe, GivenBack(tuple(job.experiment_id for job in given)))
            else:
                live += jobs_of(said)
        job = live.pop(0)
        for number in range(job.chain):
            try:
                open(f"{config.done}/{job.experiment_id}-{number}", "x").close()
            except FileExistsError:
                continue
            time.sleep(0.02)
            say(pipe, record="ticket", by=os.getpid(), round=number,
                experiment_id=job.experiment_id)
            live.append(job)
            break
        else:
            say(pipe, record="experiment", experiment_id=job.experiment_id,
                status="ok", reason=None)
    return live

def main(pipe, config, turn, environment):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if config.device == "broken":
        os._exit(3)
    turn.begin()
    while True:
        try:
            live = jobs_of(receive(pipe))
            while live:
                if any(job.chain for job in live):
                    live = play_chains(pipe, config, live)
                    continue
                if config.room > len(live):
                    send(pipe, Room(config.room - len(live)))
                    live += jobs_of(receive(pipe))
                for job in live:
                    if job.orphans:
                        try:
                            open(f"{config.done}/orphaned", "x").close()
                            os.kill(os.getppid(), signal.SIGKILL)
                            os._exit(0)
                        except FileExistsError:
                            pass
                    if job.leaves:
                        turn.begin(job.experiment_id)
                        os._exit(job.leaves)
                    if job.kills:
                        turn.begin(job.experiment_id if job.says else "")
                        os.kill(os.getpid(), job.kills)
                    if job.stays:
                        name = "" if job.trains else job.experiment_id
                        turn.begin(name, config.execution.timeout)
                        time.sleep(job.stays)
                        turn.begin()
                send(pipe, Note(json.dumps([j.experiment_id for j in live])))  # side by side
                for job in [j for j in live if j.needs and len(live) > j.needs]:
                    live.remove(job)
                    say(pipe, record="experiment", experiment_id=job.experiment_id,
                        status="oom", reason=None)
                for job in [live.pop(i) for i in (0, -1)[:len(live)]]:
                    say(pipe, record="experiment", experiment_id=job.experiment_id,
                        status="ok", reason=None)
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


def ends(heard):
    """Records of experiments that ended."""
    return [e.record for e in heard if isinstance(e, Recorded) and e.ends]


@pytest.fixture
def run(fake, monkeypatch):
    """`run(jobs, workers=1, room=0, handle=None, timeout=inf)`: all that the coordinator heard."""
    monkeypatch.setattr(link, "worker_main", fake.main)

    def go(jobs, workers=1, room=0, handle=None, timeout=math.inf, device="cpu", done=""):
        heard = []

        def keep(record):
            heard.append(record)
            if handle is not None:
                handle(record)

        if isinstance(jobs, list):
            jobs = [
                Planned(experiment=job, fits=(1,) * max(1, job.params.get("chain", 1)), bytes=1)
                for job in jobs
            ]
        limited = Execution(timeout=timeout)
        config = fake.Config(device, room, execution=limited, done=str(done), workers=workers)
        LocalExecutor(config, [device] * workers).run(jobs, keep)
        assert multiprocessing.active_children() == []
        return SimpleNamespace(
            heard=heard,
            records=[e.record for e in heard if isinstance(e, Recorded)],
            ended={r["experiment_id"]: r for r in ends(heard)},
            retries=[e for e in heard if isinstance(e, Retried)],
            together=[json.loads(e.message) for e in heard if isinstance(e, Note)],
        )

    return go


def test_an_experiment_that_kills_its_worker_is_found_among_eight(fake, run):
    jobs = [fake.Job(str(i), kills=signal.SIGKILL * (i == 5)) for i in range(9)]
    done = run(jobs, room=8)
    records = ends(done.heard)
    assert len(records) == 9  # one each, and no second for whoever was tried again
    failed = {i: r for i, r in done.ended.items() if r["status"] != "ok"}
    assert list(failed) == ["5"]
    assert failed["5"]["status"] == "failed"
    # together, together again, then 4, 2 and 1 of the eight
    assert failed["5"]["reason"] == (
        "the worker process died 5 times; the last one was killed by SIGKILL (out of memory?)"
    )
    assert [len(r.experiments) for r in done.retries] == [8, 8, 4, 2]
    assert all(
        r.reason == "the worker was killed by SIGKILL (out of memory?)" for r in done.retries
    )
    (use,) = done.heard[-1].uses  # one place, whose process was replaced after each death
    assert (use.processes, use.experiments, use.retries) == (6, 9, 8 + 8 + 4 + 2)
    assert (use.worker, use.host, use.device) == ("cpu", socket.gethostname(), "cpu")
    assert use.busy_seconds > 0 and done.heard[-1].final


def test_the_experiment_whose_code_ran_is_retried_alone(fake, run):
    jobs = [fake.Job(str(i), kills=signal.SIGKILL * (i == 5), says=True) for i in range(9)]
    done = run(jobs, room=8)
    assert {i for i, r in done.ended.items() if r["status"] == "failed"} == {"5"}
    assert done.ended["5"]["reason"].startswith("the worker process died 2 times")
    (retry,) = done.retries
    assert retry.experiments[0].experiment_id == "5"
    assert len(retry.experiments) == 8
    assert max(map(len, done.together)) == 8  # the seven, and the one that was left


@pytest.mark.slow
@pytest.mark.skipif(METHOD != "forkserver", reason="workers are spawned here")
def test_the_end_of_the_fork_server_fails_no_experiment(fake, run, tmp_path):
    jobs = [fake.Job(str(i), orphans=i == 1) for i in range(5)]
    done = run(jobs, workers=2, done=tmp_path)
    assert (tmp_path / "orphaned").exists()
    assert {i: r["status"] for i, r in done.ended.items()} == dict.fromkeys("01234", "ok")
    records = ends(done.heard)
    assert len(records) == 5
    assert "1" in {e.experiment_id for r in done.retries for e in r.experiments}
    assert {r.reason for r in done.retries} == {
        "the process that starts workers ended, and the worker with it"
    }


@pytest.mark.skipif(METHOD != "forkserver", reason="workers are spawned here")
def test_a_fork_server_about_to_end_is_waited_for(fake, run, monkeypatch):
    from multiprocessing import popen_forkserver

    server, refused = popen_forkserver.forkserver, []
    connect = server.connect_to_new_process

    def refuse(fds):
        if len(refused) < 3:
            refused.append(fds)
            raise ConnectionRefusedError
        return connect(fds)

    monkeypatch.setattr(server, "connect_to_new_process", refuse)
    monkeypatch.setattr(link, "PAUSES", (0.01, 0.01, 0.01))
    done = run([fake.Job("0")])
    assert done.ended["0"]["status"] == "ok" and len(refused) == 3


def test_a_hook_that_exits_with_code_255_is_found(fake, run):
    jobs = [fake.Job(str(i), leaves=255 * (i == 1)) for i in range(3)]
    done = run(jobs, room=3)
    assert {i: r["status"] for i, r in done.ended.items()} == {"0": "ok", "1": "failed", "2": "ok"}
    assert done.ended["1"]["reason"] == (
        "the worker process died 2 times; the last one ended with exit code 255"
    )


@pytest.mark.slow
def test_two_crashing_experiments_on_two_workers_are_found(fake, run):
    jobs = [fake.Job(str(i), kills=signal.SIGTERM * (i in (0, 3)), seed=i % 2) for i in range(7)]
    done = run(jobs, workers=2, room=4)
    assert len(done.ended) == 7
    assert {i for i, r in done.ended.items() if r["status"] == "failed"} == {"0", "3"}
    assert all("killed by SIGTERM" in done.ended[i]["reason"] for i in "03")


def test_a_worker_gets_experiments_of_one_task_side_by_side(fake, run):
    jobs = [fake.Job(str(i), model="mlp" if i < 6 else "conv") for i in range(9)]
    done = run(jobs, room=4)
    assert max(map(len, done.together)) == 4
    for ids in done.together:
        assert len({int(i) < 6 for i in ids}) == 1
    # without room, one after the other
    assert {len(ids) for ids in run(jobs).together} == {1}


@pytest.mark.parametrize(("chains", "workers"), [(5, 2), (3, 2), (5, 3), (2, 2)])
def test_the_last_experiments_are_shared_among_all_workers(fake, run, tmp_path, chains, workers):
    """What is left moves to workers without any, and nothing is trained twice; `test_simulated` has
    how long that takes, by a clock that no other process disturbs.
    """
    jobs = [fake.Job(str(i), chain=10) for i in range(chains)]
    done = run(jobs, workers=workers, done=tmp_path)
    assert {r["status"] for r in done.ended.values()} == {"ok"}
    assert len(done.ended) == chains
    tickets = [r for r in done.records if r["record"] == "ticket"]
    assert len(tickets) == 10 * chains  # none twice
    assert len({r["by"] for r in tickets}) == workers
    moved = Counter(
        e.experiment.experiment_id for e in done.heard if isinstance(e, ExperimentStarted)
    )
    assert (max(moved.values()) > 1) == (chains % workers > 0)


def test_events_may_add_work(fake, run):
    schedule = Schedule([Planned(experiment=fake.Job("0"), fits=(1,), bytes=1)])

    def handle(event):
        for record in (r for r in ends([event]) if int(r["experiment_id"]) < 3):
            number = int(record["experiment_id"]) + 1
            schedule.add([Planned(experiment=fake.Job(str(number)), fits=(1,), bytes=1)])

    assert sorted(run(schedule, room=2, handle=handle).ended) == ["0", "1", "2", "3"]


def test_an_oom_experiment_is_retried_alone(fake, run):
    jobs = [fake.Job(str(i), needs={2: 1, 4: 3, 5: -1}.get(i, 0)) for i in range(7)]
    done = run(jobs, room=7)
    assert {i: r["status"] for i, r in done.ended.items() if r["status"] != "ok"} == {"5": "oom"}
    assert len(done.records) == 7
    assert {e.experiment_id for r in done.retries for e in r.experiments} == {"2", "4", "5"}
    assert all(r.reason == "out of memory beside others; it runs alone next" for r in done.retries)
    assert sorted(ids for ids in done.together if ids in (["2"], ["5"])) == [["2"], ["5"]]


def test_workers_that_cannot_start_end_the_run(fake, run):
    heard = []
    with pytest.raises(
        UserError,
        match=r"before they ran anything \(the last one ended with exit code 3\).*fix this",
    ):
        run([fake.Job("0"), fake.Job("1")], workers=2, handle=heard.append, device="broken")
    assert not ends(heard)
    assert multiprocessing.active_children() == []


@pytest.fixture
def hasty(monkeypatch):
    """Coordinators that wait no longer than they must."""
    monkeypatch.setattr(turn, "GRACE", 0.1)
    monkeypatch.setattr(local, "LOOK", 0.05)


def test_an_endless_hook_is_ended_and_the_others_retried(fake, run, hasty):
    jobs = [fake.Job(str(i), stays=60.0 * (i == 3), seed=i % 2) for i in range(7)]
    done = run(jobs, room=8, timeout=0.2)
    assert {i: r["status"] for i, r in done.ended.items() if r["status"] != "ok"} == {
        "3": "timeout"
    }
    assert done.ended["3"]["reason"] == "took longer than 0.2 s (--timeout)"
    assert len(done.ended) == len(done.records) == 7
    (retry,) = done.retries
    assert retry.reason == "the worker was ended because another experiment timed out"
    assert "3" not in [e.experiment_id for e in retry.experiments]


def test_a_training_that_hangs_times_out_only_its_experiment(fake, run, hasty):
    jobs = [fake.Job(str(i), stays=60.0 * (i == 2), trains=True) for i in range(5)]
    done = run(jobs, room=4, timeout=0.1)
    bad = {i: r["reason"] for i, r in done.ended.items() if r["status"] != "ok"}
    assert bad == {"2": "took longer than 0.1 s (--timeout)"}
    assert done.ended["2"]["status"] == "timeout"
    assert [len(r.experiments) for r in done.retries] == [4, 4, 2]


@pytest.mark.slow
def test_two_timeouts_and_one_crash(fake, run, hasty):
    jobs = [
        fake.Job(str(i), stays=60.0 * (i in (1, 4)), kills=signal.SIGKILL * (i == 2), says=True)
        for i in range(6)
    ]
    done = run(jobs, workers=2, room=4, timeout=0.2)
    assert {i: r["status"] for i, r in done.ended.items()} == {
        "0": "ok", "1": "timeout", "2": "failed", "3": "ok", "4": "timeout", "5": "ok",
    }  # fmt: skip


def test_without_a_timeout_nothing_times_out(fake, run, hasty):
    assert run([fake.Job("0", stays=0.3)]).ended["0"]["status"] == "ok"


@pytest.mark.parametrize("error", [BrokenPipeError("stderr is closed"), EOFError("also")])
def test_exceptions_in_the_coordinator_are_raised(fake, run, error):
    """As where the progress cannot be written any more: that ends the run, which tried again."""

    def handle(event):
        if ends([event]):
            raise error

    with pytest.raises(type(error)):
        run([fake.Job("0"), fake.Job("1")], handle=handle)
    assert multiprocessing.active_children() == []


def test_ctrl_c_leaves_no_worker_behind(fake, run):
    def handle(event):
        if isinstance(event, ExperimentStarted) and event.experiment.experiment_id == "1":
            raise KeyboardInterrupt

    jobs = [fake.Job("0"), fake.Job("1", stays=60.0), fake.Job("2")]
    with pytest.raises(KeyboardInterrupt):
        run(jobs, handle=handle)
    assert multiprocessing.active_children() == []


def test_exit_codes_in_words():
    assert link.how_it_died(7) == "ended with exit code 7"
    assert link.how_it_died(None) == "ended with exit code None"
    assert link.how_it_died(-11) == "was killed by SIGSEGV"
