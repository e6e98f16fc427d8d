"""Steps that may raise, hang or kill their process: each has a deadline, and the others go on.

A step runs in a child process, which is asked for one after the other. One that is late is killed,
and the rest get a fresh child; so does what comes after an error that leaves CUDA unusable. Both
sides speak JSON, a line each, in which NaN and infinity are numbers.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Literal

START = 120.0
"""Seconds that a child has to import what it needs; the first import from a cold disk is slow."""
LEAVE = 5.0
"""Seconds for a child to end once it is asked to, or killed."""
TAIL = 2000
"""Characters of what a child said on stderr that are kept of it when it died."""

Status = Literal["ok", "failed", "late", "died", "left out"]


@dataclass(frozen=True)
class Step:
    """Something to be done in a child."""

    name: str
    """Unique among those of a run."""
    function: str
    """By the name that the child knows it by."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What it is called with; as JSON."""
    seconds: float = 60.0
    """After which it is late."""


@dataclass(frozen=True)
class Result:
    """What became of a step."""

    name: str
    status: Status
    """`left out`: there was no time to begin it."""
    seconds: float = 0.0
    value: Any = None
    """What its function returned."""
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


Hear = Callable[[Result], None]


def run(
    command: Sequence[str],
    steps: Sequence[Step],
    hear: Hear = lambda _: None,
    until: float = float("inf"),
    start: float = START,
) -> list[Result]:
    """Run the steps, each in a child started by `command`. Every result goes to `hear` at once.

    Nothing goes on beyond `until`, on `time.monotonic`'s clock: what then runs is killed as late,
    and what is left is left out. Raises nothing of a child's doing.
    """
    results: list[Result] = []
    child: _Child | None = None
    try:
        for step in steps:
            if time.monotonic() >= until:
                result = Result(step.name, "left out", error="there was no time left")
            else:
                began = time.monotonic()
                if child is None:
                    child = _Child(command)
                result = child.ask(step, start, until)
                if child.spent:
                    child.end()
                    child = None
                result = Result(
                    result.name, result.status, time.monotonic() - began, result.value, result.error
                )
            results.append(result)
            hear(result)
    finally:
        if child is not None:
            child.end()
    return results


class _Child:
    """A process that does steps."""

    def __init__(self, command: Sequence[str]) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        self.process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._ready = self.spent = False
        """`spent`: it does no further steps."""
        self._why = self._unborn = ""
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._unborn = f"cannot be started: {error}"
            self._lines.put(None)
            return
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                with contextlib.suppress(ValueError):  # what a library prints is no answer
                    found = json.loads(line)
                    if isinstance(found, dict):
                        self._lines.put(found)
        self._lines.put(None)

    def ask(self, step: Step, start: float, until: float) -> Result:
        """Do a step."""
        if not self._ready:
            answer = self._next(start, until)
            if not answer:
                return self._gone(step, answer, "to start")
            self._ready = True
        with contextlib.suppress(OSError):  # where it is dead, its answer says so
            assert self.process is not None and self.process.stdin is not None
            self.process.stdin.write(json.dumps(asdict(step)).encode() + b"\n")
            self.process.stdin.flush()
        answer = self._next(step.seconds, until)
        if not answer:
            return self._gone(step, answer)
        self.spent = bool(answer.get("spent"))
        if "error" in answer:
            return Result(step.name, "failed", error=str(answer["error"]))
        return Result(step.name, "ok", value=answer.get("value"))

    def _next(self, seconds: float, until: float) -> dict[str, Any] | None:
        """Its next answer; {} where it is late, None where it has ended."""
        left = until - time.monotonic()
        self._why = f"took longer than {seconds:g} s"
        if left < seconds:
            self._why = f"was stopped after {max(0.0, left):.1f} s, when no time was left"
        try:
            return self._lines.get(timeout=max(0.0, min(seconds, left)))
        except queue.Empty:
            return {}

    def _gone(self, step: Step, answer: dict[str, Any] | None, what: str = "") -> Result:
        """The result of a step whose child is late (`answer` is {}) or dead (None)."""
        self.spent = True
        if answer is not None:
            return Result(step.name, "late", error=f"{self._why} {what}".rstrip())
        how = self._unborn
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LEAVE)
            how = ending(self.process.returncode)
        said = self._tail()
        return Result(step.name, "died", error=f"its process {how}" + (f": {said}" if said else ""))

    def _tail(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            size = self._said.seek(0, os.SEEK_END)
            self._said.seek(max(0, size - TAIL))
            return self._said.read().decode(errors="replace").strip()
        return ""

    def end(self) -> None:
        """End it, by force where it does not go; nothing waits long for one that cannot die."""
        if self.process is not None:
            with contextlib.suppress(OSError):
                assert self.process.stdin is not None
                self.process.stdin.close()  # the sign to leave
            with contextlib.suppress(subprocess.TimeoutExpired):
                if not self.spent:
                    self.process.wait(LEAVE)
            with contextlib.suppress(OSError):  # its own children too
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, signal.SIGKILL)
                else:
                    self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LEAVE)
        self._said.close()


def ending(code: int | None) -> str:
    """How a process ended, by its exit code."""
    if code is None:
        return "does not end"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
