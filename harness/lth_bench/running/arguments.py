"""Arguments given from Python: what the command line would accept, and the rest refused by name."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError
from lth_bench.params import show


def names(argument: str, value: Any) -> tuple[str, ...]:
    """One text or several. A text by itself is one, as an option given once."""
    if isinstance(value, str):
        return (value,)
    found = _items(argument, value, "a text or a list of texts")
    if not all(isinstance(item, str) for item in found):
        raise _refused(argument, "a text or a list of texts", value)
    return found


def paths(argument: str, value: Any) -> tuple[Path, ...]:
    """One path or several."""
    if isinstance(value, str | os.PathLike):
        return (path(argument, value),)
    items = _items(argument, value, "a path or a list of paths")
    return tuple(path(argument, item) for item in items)


def path(argument: str, value: Any) -> Path:
    """A path, as a text or as an object that stands for one."""
    if not isinstance(value, str | os.PathLike):
        raise _refused(argument, "a path", value)
    found = os.fspath(value)
    if not isinstance(found, str):
        raise _refused(argument, "a path that is text", value)
    return Path(found)


def seeds(value: Any) -> str | tuple[int, ...] | None:
    """A count (3, or "3"), a text as after `--seeds`, or a list of seeds; None as it is."""
    if value is None or isinstance(value, str):
        return value
    what = "a count (3), a list of seeds ([0, 1, 4]), or a text as after --seeds"
    count = _whole(value)
    if count is not None:
        return str(count)
    found = [_whole(item) for item in _items("seeds", value, what)]
    numbers = tuple(n for n in found if n is not None)
    if len(numbers) < len(found):
        raise _refused("seeds", what, value)
    return numbers


def count(argument: str, value: Any) -> int | None:
    """A whole number of at least 1; None as it is."""
    if value is None:
        return None
    found = _whole(value)
    if found is None or found < 1:
        raise _refused(argument, "a whole number of at least 1", value)
    return found


def switch(argument: str, value: Any) -> bool:
    """True or False, and nothing that only resembles them: "no" would be true."""
    if not isinstance(value, bool):
        raise _refused(argument, "True or False", value)
    return value


def text(argument: str, value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise _refused(argument, "a text", value)
    return value


def number_or_text(argument: str, value: Any) -> str:
    """A number or a text, as the text that stands after the option."""
    if isinstance(value, bool) or not isinstance(value, str | Real):
        raise _refused(argument, "a number or a text", value)
    return value if isinstance(value, str) else f"{value}"


def _whole(value: Any) -> int | None:
    """A whole number of Python's or numpy's, and None for anything else, True among it."""
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
