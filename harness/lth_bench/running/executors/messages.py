"""What a coordinator and its workers say to each other. Every message is a dataclass that becomes a
plain JSON object and back, so that it can travel to another machine, and nothing that arrives can
run code.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from lth_bench.lottery.experiment import Experiment
from lth_bench.running.progress import DiskRefused, Note, Recorded, StepsTrained


@dataclass(frozen=True)
class Begin:
    """To a worker: run these, of one task, beside what you run; there is no more if it is empty."""

    experiments: tuple[Experiment, ...]


@dataclass(frozen=True)
class GiveBack:
    """To a worker: give some of your experiments back, since another one is idle."""


@dataclass(frozen=True)
class Room:
    """From a worker: I could run so many more, and wait to hear about them."""

    room: int
    cohort_size: int = 1
    """Members of my cohorts."""


@dataclass(frozen=True)
class GivenBack:
    """From a worker: I do not run these any more."""

    experiments: tuple[str, ...]
    """Their ids."""


@dataclass(frozen=True)
class WorkerReady:
    """From a worker: I have started, have what the run needs, and wait for work."""


@dataclass(frozen=True)
class Unfit:
    """From a worker on another machine: I lack something that the run needs, and end."""

    reason: str
    """What is missing or differs, as a clause."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """About a worker, from what watches it: its process has ended."""

    how: str
    """As a clause: `was killed by SIGSEGV`."""
    running: str = ""
    """The experiment, by id, whose own code ran; "" for none, such as in the step of a cohort."""
    used: bool = True
    """Whether the worker came so far as to run something."""
    lost: str = ""
    """Why it was no fault of its own, as a clause: its node was lost. Else ""."""
    expired: bool = False
    """Whether it was ended since something took too long."""
    overdue: bool = False
    """Whether something still did at that moment."""


Message = (
    Begin
    | GiveBack
    | Room
    | GivenBack
    | WorkerReady
    | Unfit
    | Ended
    | Recorded
    | StepsTrained
    | Note
    | DiskRefused
)
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Message)}


def send(pipe: Connection, message: Message) -> None:
    """Send a message as JSON."""
    pipe.send_bytes(json.dumps(pack(message)).encode("ascii"))


def receive(pipe: Connection) -> Message:
    """The next message."""
    return unpack(json.loads(pipe.recv_bytes()))


def pack(message: Message) -> dict[str, Any]:
    """A message as a JSON object."""
    return {"message": type(message).__name__, "content": to_plain(message)}


def unpack(plain: Mapping[str, Any]) -> Message:
    """The message of a JSON object. ValueError for one of another kind."""
    kind = KINDS.get(plain.get("message", ""))
    if kind is None:
        raise ValueError(f"a message is one of {', '.join(KINDS)}, but got {plain!r:.80}")
    message: Message = from_plain(kind, plain["content"])
    return message


def to_plain(value: Any) -> Any:
    """A dataclass, and what is in it, as objects, lists, numbers, texts, true, false and null."""
    if is_dataclass(value) and not isinstance(value, type):
        plain = {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
        # JSON has no infinity, such as no timeout is; in a record the journal sees to it
        return {k: str(v) if v in (math.inf, -math.inf) else v for k, v in plain.items()}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(to_plain, value))
    if isinstance(value, tuple | list):
        return [to_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: Any, plain: Any) -> Any:
    """The value of a type that `to_plain` made this of."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return from_plain(inner[0], plain)
    if origin in (Union, types.UnionType):
        others = [k for k in inner if k is not type(None)]
        return from_plain(others[0], plain) if plain is not None and len(others) == 1 else plain
    if origin in (tuple, frozenset):
        return origin(from_plain(inner[0], item) for item in plain)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: from_plain(hints[name], value) for name, value in plain.items()})
    return kind(plain) if kind in (Path, float) else plain


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)
