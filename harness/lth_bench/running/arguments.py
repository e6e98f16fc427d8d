"""What the arguments of a run accept, read once for the command line and for Python.

Each reader takes the argument's name, as its user knows it (`--timeout` or `timeout`), and the
value: a string from the command line, anything at all from Python. UserError says what is allowed.
"""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError, suggest
from lth_bench.params import show
from lth_bench.running.pending import RETRIED


@dataclass(frozen=True)
class Shard:
    """One of so many parts of a run."""

    number: int
    """From 1."""
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


Reader = Callable[[str, Any], Any]

LARGEST = 256
"""The largest cohort size."""
EXECUTORS = ("local", "ray")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = r"(\d+(?:\.\d+)?)([smhd])"


def names(argument: str, value: Any) -> tuple[str, ...]:
    """One string or several. A string by itself is one, as an option given once."""
    if isinstance(value, str):
        return (value,)
    found = _items(argument, value, "a string or a list of strings")
    if not all(isinstance(item, str) for item in found):
        raise _refused(argument, "a string or a list of strings", value)
    return found


def paths(argument: str, value: Any) -> tuple[Path, ...]:
    """One path or several."""
    if isinstance(value, str | os.PathLike):
        return (path(argument, value),)
    items = _items(argument, value, "a path or a list of paths")
    return tuple(path(argument, item) for item in items)


def path(argument: str, value: Any) -> Path:
    """A path, as a string or a path object."""
    return Path(_path_text(argument, value))


def suite(argument: str, value: Any) -> str | Path:
    """A suite's path, or a shipped suite's name: as it is given."""
    _path_text(argument, value)
    assert isinstance(value, str | Path)
    return value


def seeds(argument: str, value: Any) -> str | tuple[int, ...]:
    """A count (3, or "3"), a string as after `--seeds`, or a list of seeds."""
    if isinstance(value, str):
        return value
    what = "a count (3), a list of seeds ([0, 1, 4]), or a string as after --seeds"
    number = _whole(value)
    if number is not None:
        return str(number)
    found = [_whole(item) for item in _items(argument, value, what)]
    numbers = tuple(n for n in found if n is not None)
    if len(numbers) < len(found):
        raise _refused(argument, what, value)
    return numbers


def count(argument: str, value: Any) -> int:
    """A whole number of at least 1."""
    found = _whole(value)
    if found is None or found < 1:
        raise _refused(argument, "a whole number of at least 1", value)
    return found


def switch(argument: str, value: Any) -> bool:
    """True or False and nothing else: the string "no" would be true."""
    if not isinstance(value, bool):
        raise _refused(argument, "True or False", value)
    return value


def text(argument: str, value: Any) -> str:
    """A string."""
    if not isinstance(value, str):
        raise _refused(argument, "a string", value)
    return value


def executor(argument: str, value: Any) -> str:
    """The name of an executor."""
    found = text(argument, value)
    if found not in EXECUTORS:
        raise UserError(f"unknown executor {value!r}; choose from: {', '.join(EXECUTORS)}")
    return found


def cohort_size(argument: str, value: Any) -> int | None:
    """`auto` as None, or a power of two: at other sizes a CPU's vectors split one member's numbers
    differently from its neighbour's.
    """
    given = _number_or_text(argument, value)
    if given == "auto":
        return None
    size = int(given) if given.isascii() and given.isdigit() else 0
    if not 1 <= size <= LARGEST or size & (size - 1):
        raise UserError(
            f"{argument} takes auto or a power of two from 1 to {LARGEST}, but got {given!r}; "
            f"1 trains one network at a time"
        )
    return size


def duration(argument: str, value: Any) -> float:
    """Seconds, more than 0, from a duration as people write it: `90`, `45s`, `10m`, `1h30m`."""
    given = _number_or_text(argument, value)
    compact = given.strip().lower()
    seconds = 0.0
    if re.fullmatch(r"\d+(?:\.\d+)?", compact, re.ASCII):
        seconds = float(compact)
    elif re.fullmatch(f"(?:{_PART})+", compact, re.ASCII):
        seconds = sum(float(n) * SECONDS[unit] for n, unit in re.findall(_PART, compact, re.ASCII))
    if not 0 < seconds < math.inf:
        raise UserError(
            f"{argument} takes a duration above 0, such as 90 (seconds), 45s, 10m, 2h or 1h30m, "
            f"but got {given!r}"
        )
    return seconds


def shard(argument: str, value: Any) -> Shard:
    """One of several parts, `3/8`, counted from 1; or a pair of the two numbers."""
    if isinstance(value, str):
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", value.strip(), re.ASCII)
        numbers: list[int | None] = [int(n) for n in found.groups()] if found else []
    else:
        numbers = [_whole(item) for item in _items(argument, value, "a part, such as 3/8")]
    if len(numbers) == 2 and None not in numbers:
        number, count = (int(n or 0) for n in numbers)
        if 1 <= number <= count:
            return Shard(number, count)
    raise _refused(argument, "a part of so many, counted from 1, such as 3/8", value)


def statuses(argument: str, value: Any) -> frozenset[str]:
    """Statuses to rerun: each string one or more, with commas; `all` is all of `RETRIED`."""
    found = [name.strip() for given in names(argument, value) for name in given.split(",")]
    for name in found:
        if name not in (*RETRIED, "all"):
            raise UserError(
                f"{argument}: unknown status {name!r}{suggest(name, [*RETRIED, 'all'])}"
            )
    return frozenset(RETRIED) if "all" in found else frozenset(found)


def _number_or_text(argument: str, value: Any) -> str:
    """A number or a string, as it stands after the option."""
    if isinstance(value, bool) or not isinstance(value, str | Real):
        raise _refused(argument, "a number or a string", value)
    return value if isinstance(value, str) else f"{value}"


def _path_text(argument: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise _refused(argument, "a path", value)
    found = os.fspath(value)
    if not isinstance(found, str):
        raise _refused(argument, "a path that is a string, not bytes", value)
    return found


def _whole(value: Any) -> int | None:
    """A whole number of Python's or numpy's; None for anything else, bools included."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _items(argument: str, value: Any, allowed: str) -> tuple[Any, ...]:
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise _refused(argument, allowed, value)
    return tuple(value)


def _refused(argument: str, allowed: str, value: Any) -> UserError:
    return UserError(f"{argument} takes {allowed}, but got {show(value)}")
