"""Errors that a user can fix, and the exit code of the command line for each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

OK = 0
SOME_FAILED = 1
INTERRUPTED = 2
INTERNAL = 3
USAGE = 4
NOTHING_SELECTED = 5
REGRESSION = 6


class UserError(ValueError):
    """A mistake the user can fix: what is wrong, the value, what is allowed, what to do next.

    The command line prints it as one message without a traceback and exits with `exit_code`. `path`
    holds the keys that lead to the offending value, so that a TOML reader can add the line number.
    """

    exit_code = USAGE

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class UnknownName(UserError):
    """A name that is not among the known names."""

    def __init__(
        self, kind: str, name: str, choices: Iterable[str], path: tuple[str | int, ...] = ()
    ) -> None:
        known = sorted(choices)
        super().__init__(f"unknown {kind} {name!r}{suggest(name, known)}", path)
        self.name = name


class NothingSelected(UserError):
    """Filters that leave no experiment."""

    exit_code = NOTHING_SELECTED


class WrongDeclaration(UserError):
    """What a model or a suite declares as prunable does not fit the network."""


class Unreachable(Exception):
    """A target density that a strategy cannot reach; its row is `skipped` with this reason."""


class TrainingNotKept(Exception):
    """A training could not be stored on disk. Not the method's fault: it ends the run."""


class Diverged(Exception):
    """A training whose loss became NaN or infinite; its experiment ends as `diverged`."""


class TrainingError(Exception):
    """An error that ended a training and is not the strategy's fault: in the user's network, its
    data, or the engine. The text says in which, and where.
    """


class Unwinding(BaseException):
    """Unwinds everything that runs; no handler on the way may treat it as an error."""


class StrategyError(Exception):
    """A plugin broke a contract, or raised; names the plugin and the hook.

    `contract` is the broken contract of `lth_bench.testing`, "" if the plugin raised.
    """

    def __init__(self, plugin: str, hook: str, message: str, contract: str = "hooks") -> None:
        super().__init__(f"{plugin}.{hook}: {message}")
        self.plugin, self.hook, self.contract = plugin, hook, contract


class OutOfTime(Exception):
    """An experiment that took longer than `--timeout`; it ends as `timeout`."""

    def __init__(self, limit: float) -> None:
        super().__init__(f"took longer than {limit:g} s (--timeout)")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device's or the machine's memory was too small. Does not
    import torch, which reports this in several ways.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    signs = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in describe_error(error) for sign in signs)


LONGEST = 2000
"""Maximum characters of an error's own text in messages."""
LONGEST_REASON = 2 * LONGEST
"""Maximum characters of the reason in a row, which also names plugin, hook and line."""


def describe_error(error: BaseException) -> str:
    """Type and text, such as `IndexError: index 7 is out of range`. Works for any text a user's
    error may have, even one that cannot be computed, encoded or printed.
    """
    return f"{type(error).__name__}: {error_text(error)}"


def near_names(error: BaseException) -> str:
    """The end of a message about a name that does not exist: `; did you mean 'trained'?`, of an
    object of this package also all its public names if none is near. Empty for other errors.
    """
    if not isinstance(error, AttributeError) or not error.name:
        return ""
    try:
        names = [name for name in dir(error.obj) if not name.startswith("_")]
    except Exception:  # a user's object may have a __dir__ that raises
        return ""
    found = suggest(error.name, names)
    ours = type(error.obj).__module__.partition(".")[0] == __name__.partition(".")[0]
    return found if ours or "did you mean" in found else ""


def error_text(error: BaseException, most: int = LONGEST) -> str:
    """An error's own text in at most `most` characters, whatever it contains."""
    try:
        text = str(error)
    except BaseException as other:  # the user's __str__ may raise anything
        text = f"its text raises {type(other).__name__}"
    return truncated(text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0"), most)


def truncated(text: str, most: int) -> str:
    """The text, cut after `most` characters; a cut text ends with its full length."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text):,} characters)"


def suggest(name: str, choices: Iterable[str]) -> str:
    """The end of an error message: the nearest name, or the names, as far as they fit in a message,
    if none is near.
    """
    known = list(choices)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; choose from: {some_of(known)}" if known else ""


def some_of(names: Sequence[str], most: int = 240) -> str:
    """The names in a row, in about `most` characters: what is left out is counted."""
    shown = names
    while len(", ".join(shown)) > most and len(shown) > 1:
        shown = shown[:-1]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
