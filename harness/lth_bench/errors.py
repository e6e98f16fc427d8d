"""Errors that a user can fix, and the exit code each one ends the command line with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

OK = 0
SOME_FAILED = 1
INTERRUPTED = 2
INTERNAL = 3
USAGE = 4
NOTHING_SELECTED = 5
REGRESSION = 6


class UserError(ValueError):
    """A mistake the user can fix: what is wrong, the value, what is allowed, what to do next.

    The command line prints it as one message without a traceback and exits with `exit_code`.
    `path` holds the keys that lead to the offending value, so that a reader of TOML can add the
    line.
    """

    exit_code = USAGE

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class UnknownName(UserError):
    """A name that is not among the known ones."""

    def __init__(
        self, kind: str, name: str, choices: Iterable[str], path: tuple[str | int, ...] = ()
    ) -> None:
        known = sorted(choices)
        super().__init__(f"unknown {kind} {name!r}{suggest(name, known)}", path)
        self.name = name


class NothingSelected(UserError):
    """Filters that leave no experiment."""

    exit_code = NOTHING_SELECTED


class Unreachable(Exception):
    """A target density that a strategy cannot reach; its row is `skipped` with this reason."""


class TrainingNotKept(Exception):
    """A training could not be kept on disk. Not the method's fault: it ends the run."""


class Diverged(Exception):
    """A training whose loss became NaN or infinite; its experiment ends as `diverged`."""


class TrainingError(Exception):
    """What ended a training and is no strategy's doing: an error of the user's network, of its
    data, or of the engine. The text says whose, and where.
    """


class Unwinding(BaseException):
    """Unwinds whatever runs; nothing on the way may take it for an error."""


class StrategyError(Exception):
    """A plugin broke its contract, or raised; names the plugin and the hook.

    `contract` is the one of `lth_bench.testing` that was broken, "" where the plugin raised.
    """

    def __init__(self, plugin: str, hook: str, message: str, contract: str = "hooks") -> None:
        super().__init__(f"{plugin}.{hook}: {message}")
        self.plugin, self.hook, self.contract = plugin, hook, contract


class OutOfTime(Exception):
    """An experiment that took longer than `--timeout`; it ends as `timeout`."""

    def __init__(self, limit: float) -> None:
        super().__init__(f"took longer than {limit:g} s (--timeout)")


def out_of_memory(error: BaseException) -> bool:
    """Whether memory was too small, the device's or the machine's: torch says it in several ways,
    and is not imported for that.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    signs = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in told(error) for sign in signs)


LONGEST = 2000
"""Characters of an error's own text that are told."""
LONGEST_REASON = 2 * LONGEST
"""Characters of the reason in a row, which names plugin, hook and line besides."""


def told(error: BaseException) -> str:
    """`IndexError: index 7 is out of range`, whatever a user's error has for a text: one that
    cannot be made, or written, or read by a person.
    """
    return f"{type(error).__name__}: {text_of(error)}"


def text_of(error: BaseException, most: int = LONGEST) -> str:
    """An error's own text, whatever a user's has for one, in at most `most` characters."""
    try:
        text = str(error)
    except BaseException as other:  # whatever it is, it is their text's
        text = f"its text raises {type(other).__name__}"
    return bounded(text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0"), most)


def bounded(text: str, most: int) -> str:
    """The text, cut where it has more than `most` characters, and then saying how many it has."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters)"


def suggest(name: str, choices: Iterable[str]) -> str:
    """The end of an error message: the nearest name, or all of them when none is near."""
    known = list(choices)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; choose from: {', '.join(known)}" if known else ""
