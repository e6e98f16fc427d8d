"""The child's side of `supervised`: does the steps that it is asked for, one after the other."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from lth_bench.errors import out_of_memory

LINES = 12
"""Of a traceback that are sent."""


def serve(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Answer until the input ends. A function's answer is anything that JSON can hold."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
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
    except BaseException as error:  # whatever a step raises is its result
        lines = traceback.format_exception(error)
        text = f"{type(error).__name__}: {error}".strip() + "\n" + "".join(lines)[-200 * LINES :]
        return {"error": text, "spent": _spoilt(error)}


def _spoilt(error: BaseException) -> bool:
    """Whether CUDA may be of no more use to this process: after most of its errors every further
    call fails too.
    """
    return isinstance(error, RuntimeError) and not out_of_memory(error)


def _die_with_parent() -> None:
    """A step that hangs reads no input, and so does not notice that it is alone."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1.0)
    with contextlib.suppress(Exception):
        os.killpg(0, 9)
    os._exit(1)
