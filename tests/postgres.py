"""A PostgreSQL server of a test's own, where the package is installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "s3cret-of-a-lab"
"""No output may show it."""


def programs() -> Path:
    """The folder of PostgreSQL's programs; skips by name where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    named = shutil.which("initdb")
    if named is None and not found:
        pytest.skip("PostgreSQL is not installed")
    return Path(named).parent if named else found[-1].parent


@contextmanager
def server() -> Iterator[str]:
    """A URL of an empty database on this machine, with the password in it."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    folder = Path(tempfile.mkdtemp(prefix="lth-postgres-"))
    bin_, data = programs(), folder / "data"
    # the server refuses to run as root
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(folder, "postgres")
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    made = [bin_ / "initdb", "-D", data, "-U", "lth", "-A", "scram-sha-256", "--pwfile", secret]
    process = None
    try:
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **user)
        with socket.socket() as free:  # at the last moment, before another takes the port
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [bin_ / "postgres", "-D", data, "-p", str(port), "-k", folder, "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **user)
        url = f"postgresql+psycopg://lth:{PASSWORD}@127.0.0.1:{port}/postgres"
        _wait_for(url, process)
        yield url
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # ends what is connected; SIGTERM would wait for it
            process.wait(timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    until = time.monotonic() + 200
    while True:
        try:
            psycopg.connect(url.replace("+psycopg", "")).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.1)
