"""Run steps that may raise, hang or kill their process, each with a deadline.

`run` starts a child process and sends it one step after another; `serve` runs in the child. If a
step is late, its child is killed, and the next step gets a new child, as it does after an error
that leaves CUDA unusable. Both sides exchange JSON, one object per line, with NaN and infinity as
numbers.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Literal

from lth_bench.errors import out_of_memory

START = 120.0
"""Seconds for a child to import what it needs; the first import from a cold disk is slow."""
END = 5.0
"""Seconds for a child to end after it is told to or killed."""
TAIL = 2000
"""Characters of a dead child's stderr that are kept."""

StepStatus = Literal["ok", "failed", "late", "died", "left out"]


@dataclass(frozen=True)
class Step:
    """A function to run in a child."""

    name: str
    """Unique within a run."""
    function: str
    """Its name in the child."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the function; JSON-able."""
    seconds: float = 60.0
    """Time limit, after which the step is late."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """The result of a step."""

    name: str
    status: StepStatus
    """`left out`: there was no time to start it."""
    seconds: float = 0.0
    value: Any = None
    """Return value of the function."""
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


OnResult = Callable[[StepResult], None]


def run(
    command: Sequence[str],
    steps: Sequence[Step],
    on_result: OnResult = lambda _: None,
    until: float = float("inf"),
    start: float = START,
) -> list[StepResult]:
    """Run the steps in a child started by `command`. Every result is passed to `on_result` at once.

    Nothing runs beyond `until`, on `time.monotonic`'s clock: the running step is killed as late and
    the remaining ones are left out. Never raises because of a child.
    """
    results: list[StepResult] = []
    child: _Child | None = None
    try:
        for step in steps:
            if time.monotonic() >= until:
                result = StepResult(
                    name=step.name, status="left out", error="there was no time left"
                )
            else:
                began = time.monotonic()
                if child is None:
                    child = _Child(command)
                result = child.ask(step, start, until)
                if child.spent:
                    child.end()
                    child = None
                result = StepResult(
                    name=result.name,
                    status=result.status,
                    seconds=time.monotonic() - began,
                    value=result.value,
                    error=result.error,
                )
            results.append(result)
            on_result(result)
    finally:
        if child is not None:
            child.end()
    return results


class _Child:
    """A process that runs steps."""

    def __init__(self, command: Sequence[str]) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the child
        self.process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._ready = self.spent = False
        """`spent`: it can run no further steps."""
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

    def ask(self, step: Step, start: float, until: float) -> StepResult:
        """Run a step in the child, and wait for its result."""
        if not self._ready:
            answer = self._next(start, until)
            if not answer:
                return self._gone(step, answer, "to start")
            self._ready = True
        with contextlib.suppress(OSError):  # if the child is dead, the missing answer shows it
            assert self.process is not None and self.process.stdin is not None
            self.process.stdin.write(json.dumps(asdict(step)).encode() + b"\n")
            self.process.stdin.flush()
        answer = self._next(step.seconds, until)
        if not answer:
            return self._gone(step, answer)
        self.spent = bool(answer.get("spent"))
        if "error" in answer:
            return StepResult(name=step.name, status="failed", error=str(answer["error"]))
        return StepResult(name=step.name, status="ok", value=answer.get("value"))

    def _next(self, seconds: float, until: float) -> dict[str, Any] | None:
        """The child's next answer; {} if it is late, None if the child has ended."""
        left = until - time.monotonic()
        self._why = f"took longer than {seconds:g} s"
        if left < seconds:
            self._why = f"was stopped after {max(0.0, left):.1f} s, when no time was left"
        try:
            return self._lines.get(timeout=max(0.0, min(seconds, left)))
        except queue.Empty:
            return {}

    def _gone(self, step: Step, answer: dict[str, Any] | None, what: str = "") -> StepResult:
        """The result of a step whose child is late (`answer` is {}) or dead (None)."""
        self.spent = True
        if answer is not None:
            return StepResult(name=step.name, status="late", error=f"{self._why} {what}".rstrip())
        how = self._unborn
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END)
            how = ending(self.process.returncode)
        said = self._tail()
        return StepResult(
            name=step.name,
            status="died",
            error=f"its process {how}" + (f": {said}" if said else ""),
        )

    def _tail(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            size = self._said.seek(0, os.SEEK_END)
            self._said.seek(max(0, size - TAIL))
            return self._said.read().decode(errors="replace").strip()
        return ""

    def end(self) -> None:
        """End the child, by force if necessary; never waits long for one that cannot die."""
        if self.process is not None:
            with contextlib.suppress(OSError):
                assert self.process.stdin is not None
                self.process.stdin.close()  # asks it to end
            with contextlib.suppress(subprocess.TimeoutExpired):
                if not self.spent:
                    self.process.wait(END)
            with contextlib.suppress(OSError):  # its own children too
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, signal.SIGKILL)
                else:
                    self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(END)
        self._said.close()


def ending(code: int | None) -> str:
    """How a process ended, in words, from its exit code."""
    if code is None:
        return "does not end"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"


LINES = 12
"""Lines of a traceback that are sent."""


def serve(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Run the requested steps until the input ends; `functions` return JSON-able values."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a library's output on stdout is not an answer
    threading.Thread(target=_die_with_parent, daemon=True).start()
    answers.write('{"ready": true}\n')
    for line in sys.stdin:
        step = json.loads(line)
        answers.write(json.dumps(_answer(functions, step)) + "\n")


def _answer(functions: Mapping[str, Callable[..., Any]], step: Mapping[str, Any]) -> dict[str, Any]:
    try:
        value = functions[step["function"]](**step["arguments"])
        json.dumps(value)
        return {"value": value}
    except BaseException as error:  # anything that a step raises is its result
        lines = traceback.format_exception(error)
        text = f"{type(error).__name__}: {error}".strip() + "\n" + "".join(lines)[-200 * LINES :]
        return {"error": text, "spent": _cuda_may_be_broken(error)}


def _cuda_may_be_broken(error: BaseException) -> bool:
    """Whether CUDA may be unusable in this process: after most of its errors, all calls fail."""
    return isinstance(error, RuntimeError) and not out_of_memory(error)


def _die_with_parent() -> None:
    """End when the parent does: a step that hangs does not notice that the input has ended."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1.0)
    with contextlib.suppress(Exception):
        os.killpg(0, 9)
    os._exit(1)
