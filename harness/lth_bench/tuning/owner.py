"""The process that runs a trial, recorded so that others can tell whether it is still running."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BOOT = Path("/proc/sys/kernel/random/boot_id")


def this_process(results: str) -> dict[str, Any]:
    """The owner that is recorded with a trial, as a JSON object. `results` identifies the results
    that only this process writes to.
    """
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": pid,
        "began": _began(pid),
        "results": results,
    }


def is_gone(owner: Mapping[str, Any], results: str) -> bool:
    """Whether the owner of a trial has ended: only this process writes to its results, or it ran
    on this machine and is no longer there. A process of another machine is never taken for ended.
    """
    if owner["results"] == results:
        return True
    here = _machine() if "machine" in owner else socket.gethostname()
    if owner.get("machine", owner["host"]) != here:
        return False
    pid = int(owner["pid"])
    if pid == os.getpid() or not _alive(pid):
        return True  # the system reused our own process id, since we have not started a trial yet
    return owner.get("began") != _began(pid) and "began" in owner


def _machine() -> str:
    """An id of the scope of process ids. Containers may share a host's name or its kernel and still
    number their processes separately.
    """
    try:
        return f"{BOOT.read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return f"{socket.gethostname()} {uuid.getnode():x}"


def _began(pid: int) -> str:
    """When a process started, in the system's own units; empty where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True
