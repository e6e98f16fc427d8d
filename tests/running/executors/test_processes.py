"""How worker processes are started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from multiprocessing.util import get_temp_dir

import pytest

from lth_bench.running.executors import processes
from lth_bench.running.executors.processes import get_ready, worker_context

ON_LINUX = pytest.mark.skipif(processes.METHOD != "forkserver", reason="workers are spawned here")
WORK = """
import os, signal, threading, time
from lth_bench.running.executors.stopping import die_with_parent

def work(name):
    threading.Thread(target=die_with_parent, daemon=True).start()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    print("worker", os.getpid(), os.getppid(), blocked, flush=True)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    time.sleep(60)
"""
COORDINATOR = """
import time
from lth_bench.running.executors import processes
from work import work

processes.IMPORTED = []
processes.get_ready()
with processes.starting():
    processes.worker_context().Process(target=work, args=("a",), daemon=True).start()
time.sleep(60)
"""
SCRIPT = """
print("script", flush=True)
from lth_bench.running.executors import processes

processes.METHOD, processes.IMPORTED = METHOD, []
context = processes.worker_context()
with processes.starting():
    worker = context.Process(target=print, args=("worker",))
    worker.start()
worker.join()
print("ended with", worker.exitcode)
"""


@pytest.mark.parametrize("method", ["spawn", pytest.param("forkserver", marks=ON_LINUX)])
def test_a_worker_does_not_run_the_script_again(tmp_path, method):
    """No `if __name__ == "__main__":` is needed."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("METHOD, []", f"{method!r}, []"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.stdout.split("\n") == ["script", "worker", "ended with 0", ""], done.stderr


def variable(pipe, environment):
    processes.take_over_environment(environment)
    pipe.send(os.environ.get("LTH_BENCH_TEST_VARIABLE"))


@pytest.mark.parametrize("value", ["first", "second"])
def test_a_worker_has_the_environment_at_its_start(monkeypatch, value):
    monkeypatch.setattr(processes, "IMPORTED", [])
    get_ready()
    monkeypatch.setenv("LTH_BENCH_TEST_VARIABLE", value)  # the server may have begun before
    context = worker_context()
    ours, theirs = context.Pipe()
    worker = context.Process(target=variable, args=(theirs, dict(os.environ)), daemon=True)
    worker.start()
    assert ours.recv() == value
    worker.join()


@ON_LINUX
def test_a_coordinator_that_is_killed_leaves_no_process_behind(tmp_path):
    script = tmp_path / "coordinator.py"
    script.write_text(COORDINATOR)
    (tmp_path / "work.py").write_text(WORK)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        _, worker, server, *blocked = process.stdout.readline().split(maxsplit=3)
        assert int(server) != process.pid
        assert "SIGINT" in blocked[0]  # until the worker says what is to happen
        process.send_signal(signal.SIGKILL)
        end = time.monotonic() + 240
        while alive := [p for p in (worker, server) if is_alive(int(p))]:
            assert time.monotonic() < end, alive
            time.sleep(0.05)


@ON_LINUX
def test_workers_are_spawned_if_the_fork_server_has_no_socket(tmp_path):
    """A socket's path has 107 characters at most."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    script = (
        "from lth_bench.running.executors.processes import get_ready, worker_context\n"
        "print(get_ready(), worker_context().get_start_method())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(folder)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "spawn"]
    assert done.stderr == ""


WORKER = """
import os
from types import SimpleNamespace
from lth_bench.running.executors import worker_process

def prints(saving):
    print("thinking aloud", flush=True)
    raise SystemExit

worker_process.heed_signals = prints
worker_process.worker_main(None, SimpleNamespace(checkpoint_every=60.0), None, dict(os.environ))
"""


def test_output_of_a_worker_goes_to_stderr():
    done = subprocess.run(
        [sys.executable, "-c", WORKER], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "thinking aloud\n")


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_workers_temporary_folder_goes_with_the_run():
    """It is the coordinator's, which no kill of the worker leaves behind."""
    context = worker_context()
    ours, theirs = context.Pipe()
    code = "from multiprocessing.util import get_temp_dir; pipe.send(get_temp_dir())"
    with processes.starting():
        worker = context.Process(target=exec, args=(code, {"pipe": theirs}))
        worker.start()
    assert ours.recv() == get_temp_dir()
    worker.join()
    assert os.path.isdir(get_temp_dir())
