"""A second process like a worker: spawned, without a GPU, and with another hash seed.

One process serves all strategies of a session, since importing torch takes two seconds. It is
started early, so that its start-up overlaps with the first experiments.
"""

from __future__ import annotations

import atexit
import base64
import inspect
import json
import os
import pickle
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lth_bench.errors import describe_error
from lth_bench.system.blame import ends_the_run

PATIENCE = 120
"""Maximum seconds for a response, including the start of the process."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the other process reports on a strategy."""

    pickling: str = ""
    """Why class or parameters cannot be pickled here."""
    importing: str = ""
    """Why the module cannot be imported there."""
    unpickling: str = ""
    """Why the unpickled object is not the same there."""
    facts: Mapping[str, str] | None = field(default=None, repr=False)
    """Seed 0's recording as text; None without one."""
    fault: str = ""
    """What ended that experiment early."""


@cache
def elsewhere() -> Elsewhere:
    """The session's second process, started on first use."""
    return Elsewhere()


class Elsewhere:
    """Speaks JSON lines with `lth_bench.testing.worker`."""

    def __init__(self) -> None:
        self._process = self._start()
        atexit.register(self.close)

    def _start(self) -> subprocess.Popen[bytes]:
        # sets of strings are in another order there, as in every worker
        hash_seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
        hidden = {
            "CUDA_VISIBLE_DEVICES": "",
            "HIP_VISIBLE_DEVICES": "",
            "PYTHONHASHSEED": hash_seed,
        }
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "lth_bench.testing.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **hidden},
        )

    def ask(
        self,
        cls: type[Any],
        params: Mapping[str, object],
        strategy: Any,
        network: str,
        densities: Sequence[float],
    ) -> Report:
        """Send a strategy and return the report. `strategy` is an instance, or None if none can be
        made.
        """
        if cls.__module__ == "__main__":
            return Report(
                pickling="the class is defined in the script that runs, which no worker imports"
            )
        pickled, pickling = "", ""
        try:
            pickled = base64.b64encode(pickle.dumps((cls, dict(params), strategy))).decode()
        except BaseException as error:  # the plugin's class may raise anything
            if ends_the_run(error):
                raise
            pickling = describe_error(error)
        try:
            file = inspect.getfile(cls)
        except (TypeError, OSError):
            file = ""
        request = {
            "module": cls.__module__,
            "file": os.path.abspath(file) if file else "",
            "path": [os.path.abspath(p) for p in sys.path],
            "pickled": pickled,
            "network": network,
            "densities": list(densities),
        }
        try:
            answer = self._exchange(request)
        except OSError as error:
            self.close()
            self._process = self._start()
            return Report(pickling=pickling, importing=f"the process that imports it {error}")
        return Report(pickling=pickling, **answer)

    def _exchange(self, request: object) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise OSError("ended before it could answer") from None
        if not select.select([stdout], [], [], PATIENCE)[0]:
            raise OSError(f"gave no answer in {PATIENCE} s")
        line = stdout.readline()
        if not line:
            raise OSError("ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Stop the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
