"""Calls of a plugin's methods that are not hooks: every error names the plugin."""

from __future__ import annotations

import operator
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError, describe_error
from lth_bench.system.blame import ends_the_run

HARNESS = str(Path(__file__).parents[1])


def ask(plugin: str, method: Callable[..., Any], *arguments: Any) -> Any:
    """Call the method and return its result. UserError, with the plugin's own line, if it raises.

    `plugin` is its name in messages, such as `strategy 'imp'`.
    """
    try:
        return method(*arguments)
    except (UserError, MemoryError):
        raise
    except BaseException as error:  # a plugin's method may raise anything, even SystemExit
        if ends_the_run(error):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not frame.filename.startswith(HARNESS)] or frames
        where = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
        raise UserError(
            f"{plugin}: {_name(method)} raised {describe_error(error)} ({where})"
        ) from error


def ask_for(expected: type[Any], plugin: str, method: Callable[..., Any], *arguments: Any) -> Any:
    """The same, checking the type of the result."""
    answer = ask(plugin, method, *arguments)
    if not isinstance(answer, expected):
        raise UserError(
            f"{plugin}: {_name(method)} must return a {expected.__name__}, but returned "
            f"{'None' if answer is None else f'a {type(answer).__name__}'}"
        )
    return answer


def ask_for_steps(plugin: str, method: Callable[..., Any], *arguments: Any) -> tuple[int, ...]:
    """The same, for a result of one or several non-negative integers (steps)."""
    answer = ask(plugin, method, *arguments)
    try:
        steps = tuple(operator.index(step) for step in answer)
    except TypeError:
        steps = (-1,)
    if any(step < 0 for step in steps):
        raise UserError(
            f"{plugin}: {_name(method)} must return whole numbers of steps, such as [0, 100], but "
            f"returned {answer!r:.80}"
        )
    return steps


def _name(method: Callable[..., Any]) -> str:
    return getattr(method, "__name__", repr(method))


def short(value: object) -> str:
    """A short description of what a hook returned."""
    return "None" if value is None else f"a {type(value).__name__}"
