"""Which process runs a trial, so that another one can tell whether it still does."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BOOT = Path("/proc/sys/kernel/random/boot_id")


def this_process(results: str) -> dict[str, Any]:
    """What a trial is signed with: a JSON object. `results` is an id of the results that this
    process, and no other, writes to.
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
    """Whether the process that signed a trial runs no more: we alone write to its results, or it
    was on this machine and is not there. Of another machine's nothing can be said.
    """
    if owner["results"] == results:
        return True
    here = _machine() if "machine" in owner else socket.gethostname()
    if owner.get("machine", owner["host"]) != here:
        return False
    pid = int(owner["pid"])
    if pid == os.getpid() or not _alive(pid):
        return True  # our own number: it has come round, since we have begun nothing yet
    return owner.get("began") != _began(pid) and "began" in owner


def _machine() -> str:
    """Of process numbers that mean the same. Containers may share a host's name or its kernel, and
    still number their processes apart.
    """
    try:
        return f"{BOOT.read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return f"{socket.gethostname()} {uuid.getnode():x}"


def _began(pid: int) -> str:
    """When a process began, in the system's own terms; empty where it does not tell."""
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
