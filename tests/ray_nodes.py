"""A Ray cluster of a test's own: nodes on loopback addresses of this machine, with a token."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

HEAD, OTHER = "127.0.0.2", "127.0.0.3"
"""Addresses of the nodes: all of 127.0.0.0/8 is the loopback interface on Linux."""
PATIENCE = 240.0


class Nodes:
    """The nodes of a cluster, one CPU each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind((HEAD, 0))
            self.port = free.getsockname()[1]
        self.address = f"{HEAD}:{self.port}"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "LTH_BENCH_"))},
            "HOME": str(folder),  # a plain ray.init() would write a token into the user's
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            # or it kills workers where the machine's other processes fill the memory
            "RAY_memory_monitor_refresh_ms": "0",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, ip: str, **env: str) -> None:
        """Start a node, and wait until it is one."""
        where = ["--address", self.address]
        if ip == HEAD:
            where = ["--head", "--port", str(self.port), "--include-dashboard", "false"]
            where += ["--temp-dir", str(self.folder)]
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", *where, "--node-ip-address", ip,
            "--num-cpus", "1", "--object-store-memory", "80000000", "--block",
            "--disable-usage-stats", "--min-worker-port", "0", "--max-worker-port", "0",
        ]  # fmt: skip
        # Ray gives a node half a minute to start, which a busy machine can take longer for
        for left in (2, 1, 0):
            if self._came_up(ip, command, env):
                return
            assert left, (self.folder / f"{ip}.log").read_text()

    def _came_up(self, ip: str, command: list[str], env: Mapping[str, str]) -> bool:
        log = self.folder / f"{ip}.log"
        with log.open("wb") as out:
            self.processes[ip] = subprocess.Popen(
                command, env=self.env | env, stdout=out, stderr=out, cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while b"Ray runtime started" not in log.read_bytes():
            if self.processes[ip].poll() is not None:
                return False
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        return True

    def kill(self, ip: str) -> None:
        """SIGKILL a node's raylet: its workers end with it."""
        (raylet,) = [pid for pid, parent, name in _processes() if (parent, name) == self._key(ip)]
        os.kill(raylet, signal.SIGKILL)

    def _key(self, ip: str) -> tuple[int, str]:
        return self.processes[ip].pid, "raylet"

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _processes() -> Iterator[tuple[int, int, str]]:
    """Of this machine: id, parent's id, name."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            facts: Mapping[str, str] = dict(
                line.split(":\t", 1) for line in (folder / "status").read_text().splitlines()
            )
        except (OSError, ValueError):
            continue
        yield int(folder.name), int(facts["PPid"]), facts["Name"]


@contextmanager
def two_nodes(**env: str) -> Iterator[Nodes]:
    """A head and another node; `env` are variables of the other's."""
    pytest.importorskip("ray", reason="Ray is not installed")
    if sys.platform != "linux":
        pytest.skip("several loopback addresses are Linux's")
    folder = Path(tempfile.mkdtemp(prefix="lr-", dir="/tmp"))  # the paths of sockets are short
    nodes = Nodes(folder)
    try:
        nodes.start(HEAD)
        nodes.start(OTHER, **env)
        yield nodes
    finally:
        nodes.stop()
        shutil.rmtree(folder, ignore_errors=True)
