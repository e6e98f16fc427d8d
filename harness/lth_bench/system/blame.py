"""Whose code an error comes from, read off its traceback: a network's error is no strategy's.

Nothing here imports torch. Files are named without their folder, since reasons go into the results
and travel with them.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from lth_bench.errors import (
    Diverged,
    OutOfTime,
    StrategyError,
    TrainingError,
    TrainingNotKept,
    Unreachable,
    Unwinding,
    UserError,
    describe_error,
    out_of_memory,
)

EXPECTED = (
    TrainingNotKept,
    Diverged,
    OutOfTime,
    StrategyError,
    TrainingError,
    Unreachable,
    UserError,
)
"""Errors that say themselves whose they are."""
CALLS_A_MODULE = ("torch.nn.modules.module", "_call_impl")
RUNS_BACKWARD = (("torch.autograd", "backward"), ("torch.autograd", "grad"))
CALLS_AN_OBJECTIVE = "lth_bench.training.engine.loss"
CALLS_PARAMETRIZE = ("lth_bench.training.engine.network", "parametrized")


class Frame(NamedTuple):
    """One frame of a traceback."""

    frame: FrameType
    line: int

    @property
    def module(self) -> str:
        """The name of the module whose code it is."""
        return str(self.frame.f_globals.get("__name__", ""))

    @property
    def function(self) -> tuple[str, str]:
        """Module and function."""
        return self.module, self.frame.f_code.co_name

    @property
    def place(self) -> str:
        """`mine.py:12`."""
        return f"{Path(self.frame.f_code.co_filename).name}:{self.line}"

    @property
    def is_library(self) -> bool:
        """Whether it is Python's, torch's or the engine's own code. Networks that come with
        lth-bench are as good as a user's.
        """
        package = self.module.partition(".")[0]
        engine = package == "lth_bench" and not self.module.startswith("lth_bench.models.")
        generated = self.frame.f_code.co_filename.startswith("<")
        return engine or generated or package == "torch" or package in sys.stdlib_module_names


def ends_the_run(error: BaseException) -> bool:
    """Whether an error must reach the top. Ctrl-C comes to the main thread alone, and to none where
    it is ignored: elsewhere a KeyboardInterrupt was raised by user code.
    """
    if isinstance(error, KeyboardInterrupt):
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return threading.current_thread() is threading.main_thread() and not ignored
    return isinstance(error, Unwinding)


def where(error: BaseException) -> str:
    """The deepest line of the user's code in the traceback, ` (mine.py:12)`; "" without one."""
    theirs = [f for f in _frames(error) if not f.is_library]
    return f" ({theirs[-1].place})" if theirs else ""


def place_of(function: Callable[..., Any]) -> str:
    """Where a function is defined, `mine.py:10`; "" if unknown."""
    code = getattr(function, "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code is not None else ""


def network_error(error: BaseException, built: str = "") -> TrainingError | None:
    """What the network raised when the engine, or a helper, called it or differentiated it, with
    its line; `built` says where the network was made, should none of its own code run. None for
    what is not the network's: a strategy may call a module as it should not.
    """
    frames = _frames(error)
    first = next((i for i, f in enumerate(frames) if _enters_network(f)), None)
    if first is None or isinstance(error, EXPECTED) or out_of_memory(error):
        return None
    outside = [f for f in frames[:first] if f.module.partition(".")[0] != "torch"]
    if not outside or outside[-1].module.partition(".")[0] != "lth_bench":
        return None
    inside = frames[first:]
    theirs = [f for f in inside if not f.is_library]
    at = [theirs[-1].place] if theirs else [f"built in {built}"] if built else []
    if layer := _layer(inside):
        at.append(f"in layer {layer!r}")
    elif inside[0].function in RUNS_BACKWARD:
        at.append("in its backward pass")
    return TrainingError(
        f"the network raised {describe_error(error)}" + (f" ({', '.join(at)})" if at else "")
    )


def objective_error(error: BaseException) -> TrainingError | None:
    """What an objective of the user's raised when the engine called it, with its line; None for
    what is not an objective's.
    """
    frames = _frames(error)
    calls = [i for i, f in enumerate(frames) if f.module == CALLS_AN_OBJECTIVE]
    if not calls or isinstance(error, EXPECTED) or out_of_memory(error):
        return None
    theirs = [f for f in frames[calls[-1] + 1 :] if not f.is_library]
    if not theirs:
        return None
    name = type(frames[calls[-1]].frame.f_locals.get("objective")).__name__
    return TrainingError(f"objective {name} raised {describe_error(error)} ({theirs[-1].place})")


def training_error(error: BaseException, built: str = "") -> BaseException:
    """An error that ended a training, worded so that no hook is blamed: the network's, with its
    line, or any other. Errors that already name their cause, and those of callbacks, are returned
    unchanged.

    The original is not chained: its traceback would keep the cohort's memory alive.
    """
    if isinstance(error, EXPECTED) or out_of_memory(error):
        return error
    frames = _frames(error)
    if any(f.function == CALLS_PARAMETRIZE for f in frames) and not _network_called(frames):
        return error
    found = network_error(error, built) or objective_error(error)
    if found is not None:
        return found
    at = where(error) or (f" ({frames[-1].place})" if frames else "")
    return TrainingError(f"the training raised {describe_error(error)}{at}")


def build_error(error: BaseException, built: str) -> BaseException:
    """An error of the code that makes a network."""
    if isinstance(error, EXPECTED) or out_of_memory(error):
        return error
    at = where(error) or (f" ({built})" if built else "")
    return TrainingError(f"the network could not be built: {describe_error(error)}{at}")


def _frames(error: BaseException) -> list[Frame]:
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append(Frame(trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return found


def _enters_network(frame: Frame) -> bool:
    return frame.function == CALLS_A_MODULE or frame.function in RUNS_BACKWARD


def _network_called(frames: list[Frame]) -> bool:
    """Whether a module was entered after `parametrize`."""
    last = max(i for i, f in enumerate(frames) if f.function == CALLS_PARAMETRIZE)
    return any(f.function == CALLS_A_MODULE for f in frames[last:])


def _layer(frames: list[Frame]) -> str:
    """The last layer called, by its name in the network; "" for the network itself."""
    called = [f.frame.f_locals.get("self") for f in frames if f.function == CALLS_A_MODULE]
    if len(called) < 2 or called[0] is None:
        return ""
    return next((n for n, m in called[0].named_modules() if m is called[-1]), "")
