"""Signals: to the coordinator, with processes that train nothing, and to a worker's handlers."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from lth_bench.running.executors import coordinator, link, stopping
from lth_bench.running.executors.local import LocalExecutor
from lth_bench.running.executors.stopping import StopSignals
from lth_bench.running.plan import Planned
from lth_bench.running.progress import ExperimentStarted, Note, Stopping, WorkersUsed
from lth_bench.running.request import Execution

WORKER = """
import json, os, signal, sys, time
from dataclasses import dataclass
from lth_bench.lottery import Experiment
from lth_bench.running.executors.messages import receive, send
from lth_bench.running.progress import Note

@dataclass(frozen=True)
class Config:
    device: str
    execution: object = None
    name: str = ""
    ranks: tuple = ()

def Job(experiment_id, stubborn=False):
    return Experiment(
        experiment_id=experiment_id, config_id="c", suite="s", label="job", strategy="job",
        params={"stubborn": stubborn}, model={"name": "mlp"}, model_label="mlp",
        dataset={"name": "digits"}, dataset_label="digits", recipe_name="short", recipe={}, seed=0,
        densities=(0.5,), controls=(), iterative=False, source_hash="h", plugin_version="1")

def main(pipe, config, turn, environment):
    (job,) = receive(pipe).experiments

    def save(*_):
        send(pipe, Note("last words" + " " * 200_000))
        os._exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if job.params["stubborn"] else save)
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    deaf = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= blocked
    send(pipe, Note(f"ready, deaf: {deaf}"))
    time.sleep(600)
"""

LONG = 500.0
"""Seconds. No grace and no wait is as long where something else ends them."""


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    """A module with a worker's main function, its configuration and what it is given to do."""
    folder = tmp_path_factory.mktemp("fake")
    (folder / "fake_stopping_worker.py").write_text(WORKER)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("fake_stopping_worker")
    sys.path.remove(str(folder))


@pytest.fixture
def stop(fake, monkeypatch):
    """`stop(stubborn, *signals)`: what was heard of a run that is stopped, and the seconds it
    took. A second signal follows when the first was heard.
    """
    monkeypatch.setattr(link, "worker_main", fake.main)
    monkeypatch.setattr(stopping, "ECHO", 0.0)
    monkeypatch.setattr(coordinator, "GRACE", LONG)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it is ignored after `nohup`

    def go(stubborn, *signals):
        heard, left = [], list(signals)

        def handle(event):
            if not isinstance(event, WorkersUsed):  # how busy they were, at the end
                heard.append(event)
            ready = isinstance(event, Note) and event.message.startswith("ready")
            if (ready or isinstance(event, Stopping)) and left:
                heard.append(time.monotonic())
                os.kill(os.getpid(), left.pop(0))

        executor = LocalExecutor(fake.Config("cpu", Execution()), ["cpu"])
        with pytest.raises(KeyboardInterrupt):
            executor.run([Planned(experiment=fake.Job("0", stubborn), fits=(1,), bytes=1)], handle)
        sent = [at for at in heard if isinstance(at, float)]
        assert multiprocessing.active_children() == []
        return heard, time.monotonic() - sent[-1]

    yield go
    signal.signal(signal.SIGHUP, before)


def kinds(heard):
    """What was heard, and when a signal was sent."""
    return [type(each) for each in heard]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_waits_for_workers_to_save(stop, number):
    heard, seconds = stop(False, number)
    assert kinds(heard) == [ExperimentStarted, Note, float, Stopping, Note]
    assert heard[1].message == "ready, deaf: True"  # the terminal's Ctrl-C goes to the whole group
    assert heard[-1].message.rstrip() == "last words"
    assert seconds < LONG


def test_the_second_signal_kills_workers_at_once(stop):
    heard, seconds = stop(True, signal.SIGINT, signal.SIGINT)
    assert kinds(heard) == [ExperimentStarted, Note, float, Stopping, float]
    assert seconds < LONG


def test_workers_that_do_not_end_in_time_are_killed(stop, monkeypatch):
    monkeypatch.setattr(coordinator, "GRACE", 0.3)
    heard, seconds = stop(True, signal.SIGTERM)
    assert heard[-1] == Stopping(0.3)
    assert 0.3 <= seconds < LONG


def test_two_signals_at_once_count_as_one(monkeypatch):
    monkeypatch.setattr(stopping, "ECHO", LONG)  # however long this process waits between the two
    with StopSignals() as stop:
        stop.look()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.reader.poll() and not stop.urgent
        with pytest.raises(KeyboardInterrupt):
            stop.look()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


HANDLERS = """
import os, signal, sys, time
from lth_bench.running.executors.stopping import heed_signals, end_as_terminated
from lth_bench.training.checkpoints.policy import CheckpointPolicy, Preempted

saving = CheckpointPolicy()
heed_signals(saving)
os.kill(os.getpid(), signal.SIGINT)
try:
    with saving.training():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert saving.preempted
except Preempted:
    print("saved", flush=True)
if sys.argv[1] == "handled":
    os.kill(os.getpid(), signal.SIGTERM)
else:
    end_as_terminated()
print("still here")
"""


@pytest.mark.parametrize("how", ["handled", "by itself"])
def test_sigterm_in_a_worker_saves_its_training_and_ends_it(how):
    command = [sys.executable, "-c", HANDLERS, how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "saved\n"), done.stderr
